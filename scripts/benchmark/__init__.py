"""Measure the system against a plain formulation of the same, in one process, alternately.

Run as `python -m scripts.benchmark [--json FILE] COMMAND`. Each of `inference.py`, `interactive.py` and
`training.py` adds its commands and measures ours against the plain way (`plain_propagation.py`,
`plain_interactive.py`, `plain_training.py`); `timing.py` times both and reports.
"""
