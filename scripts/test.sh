#!/usr/bin/env bash
# Checks style, types and imports, and runs the tests, in .venv; arguments go to pytest.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

echo "Checking the code style ..."
.venv/bin/python -m ruff check .
.venv/bin/python -m ruff format --check .
echo "Checking the types ..."
.venv/bin/python -m mypy
echo "Checking the imports between layers ..."
.venv/bin/lint-imports --no-logo
echo "Running the tests ..."
.venv/bin/python -m pytest "$@"
