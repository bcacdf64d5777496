"""Measure parts of the system against plain formulations of the same, in one process and in turns."""

import argparse
import json
from pathlib import Path

from scripts.benchmark import data, everything, inference, interactive, training
from scripts.benchmark.timing import Report
from util.errors import run_script
from util.files import atomic_path


def main() -> None:
    """Parse the flags and run one benchmark."""
    parser = argparse.ArgumentParser(prog="python -m scripts.benchmark", description=__doc__)
    parser.add_argument("--json", type=Path, help="also write the measurements to this file")
    parser.add_argument("--markdown", type=Path, help="also write them to this file, as a table")
    commands = parser.add_subparsers(title="what to measure", required=True)
    for part in (everything, data, inference, interactive, training):
        part.add_command(commands)
    args = parser.parse_args()
    settings = {
        name: str(value) for name, value in vars(args).items() if name not in ("run", "json", "markdown")
    }
    report = Report(settings)
    try:
        args.run(args, report)
    finally:  # what has been measured is worth having, whatever stopped the rest
        write(report, args.json, args.markdown)


def write(report: Report, json_file: Path | None, markdown_file: Path | None) -> None:
    """Write the measurements to the files that are wanted."""
    for path, text in ((json_file, json.dumps(report.content, indent=1)), (markdown_file, report.markdown())):
        if path is not None:
            with atomic_path(path) as temporary:
                temporary.write_text(text)


if __name__ == "__main__":
    run_script(main)
