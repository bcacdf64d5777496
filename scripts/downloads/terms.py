"""Terms of use: shown before a download, and agreed to."""

import sys
from collections.abc import Mapping

from util.errors import InputError


def confirm_terms(terms: Mapping[str, str], agreed: bool) -> None:
    """Print the terms of each title; ask whether the user agrees, unless they have said so.

    Raises:
        InputError: they do not, or nobody is there to be asked.
    """
    print("These belong to their authors; by downloading them you agree to their terms:")
    for title, text in terms.items():
        print(f"- {title}: {text}")
    if agreed:
        return
    if not sys.stdin.isatty():
        raise InputError("nobody can be asked here: run with --yes to agree to the terms.")
    if input("Do you agree? [y/N] ").strip().lower() not in ("y", "yes"):
        raise InputError("nothing was downloaded, because the terms were not agreed to.")
