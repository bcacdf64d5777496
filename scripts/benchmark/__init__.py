"""Speed of the system and of a plain formulation, measured alternately in one process.

`inference.py` and `training.py` add their commands and measure ours against the plain formulation
(`plain_propagation.py`, `plain_training.py`); `timing.py` times both and reports.
"""
