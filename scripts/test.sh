#!/usr/bin/env bash
# Sets up .venv when needed, checks the code style and runs the tests; arguments go to pytest.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

echo "Checking the code style ..."
.venv/bin/python -m ruff check .
.venv/bin/python -m ruff format --check .
echo "Running the tests ..."
.venv/bin/python -m pytest "$@"
