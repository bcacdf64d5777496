"""Measure parts of the system against plain formulations of the same, in one process and in turns."""

import argparse
import json
from pathlib import Path

from scripts.benchmark import data, inference, interactive, training
from scripts.benchmark.timing import Report
from util.errors import run_script
from util.files import atomic_path


def main() -> None:
    """Parse the flags and run one benchmark."""
    parser = argparse.ArgumentParser(prog="python -m scripts.benchmark", description=__doc__)
    parser.add_argument("--json", type=Path, help="also write the measurements to this file")
    commands = parser.add_subparsers(title="what to measure", required=True)
    for part in (data, inference, interactive, training):
        part.add_command(commands)
    args = parser.parse_args()
    settings = {name: str(value) for name, value in vars(args).items() if name not in ("run", "json")}
    report = Report(settings)
    args.run(args, report)
    if args.json is not None:
        with atomic_path(args.json) as temporary:
            temporary.write_text(json.dumps(report.content, indent=1))


if __name__ == "__main__":
    run_script(main)
