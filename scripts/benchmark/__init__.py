"""Speed of the system and of a plain formulation, measured alternately in one process.

`inference.py`, `interactive.py` and `training.py` add their commands and measure ours against the plain
formulation (`plain_propagation.py`, `plain_interactive.py`, `plain_training.py`); `timing.py` times both and
reports.
"""
