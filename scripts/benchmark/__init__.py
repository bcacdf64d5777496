"""Measure parts of the system against plain formulations of the same, in one process and in turns.

Run as `python -m scripts.benchmark [--json FILE] data|inference|interactive|read|train`. Each of `data.py`,
`inference.py`, `interactive.py` and `training.py` adds its commands and measures: ours and the plain way
(`plain_loading.py`, `plain_propagation.py`, `plain_interactive.py`, `plain_training.py`) take turns
(`timing.py`), are compared in speed, share of the processor's rate and memory (`comparison.py`), and end as
the lines of a report.
"""
