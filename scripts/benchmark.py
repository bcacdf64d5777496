"""Measure parts of the system against plain formulations of the same, in one process and in turns."""

import argparse

from scripts import benchmark_data, benchmark_inference
from util.errors import run_script
from util.timing import machine


def main() -> None:
    """Parse the flags and run one benchmark."""
    parser = argparse.ArgumentParser(prog="python -m scripts.benchmark", description=__doc__)
    commands = parser.add_subparsers(title="what to measure", required=True)
    for part in (benchmark_data, benchmark_inference):
        part.add_command(commands)
    args = parser.parse_args()
    print(machine())
    args.run(args)


if __name__ == "__main__":
    run_script(main)
