# Sourced by demo.sh and test.sh: goes to the project's root and makes .venv when it is missing or stale.

cd "$(dirname "${BASH_SOURCE[0]}")/.."

find_python() {
    local candidate
    for candidate in python3 python3.14 python3.13 python3.12 python3.11 python3.10; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    echo "error: Python 3.10 or later is needed and none was found on the PATH." >&2
    return 1
}

# The stamp is written last, so an installation that was cut off is done again.
if ! cmp -s requirements.txt .venv/requirements.installed; then
    python=$(find_python)
    echo "Setting up .venv from requirements.txt with $("$python" --version) (PyTorch is large: minutes) ..."
    if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 15))'; then
        echo "warning: Python 3.14 is the latest version that was tried; some packages may not be available yet." >&2
    fi
    if ! "$python" -m venv --clear .venv; then
        echo "error: $python cannot make a virtual environment; on Debian and Ubuntu install python3-venv." >&2
        exit 1
    fi
    .venv/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
    cp requirements.txt .venv/requirements.installed
    echo "Set up."
fi
