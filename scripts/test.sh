#!/usr/bin/env bash
# Sets up .venv when needed, checks the code style and the types, and runs the tests; arguments go to pytest.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

echo "Checking the code style ..."
.venv/bin/python -m ruff check .
.venv/bin/python -m ruff format --check .
echo "Checking the types ..."
.venv/bin/python -m mypy
echo "Checking the floors ..."
.venv/bin/lint-imports --no-logo
echo "Running the tests ..."
.venv/bin/python -m pytest "$@"
