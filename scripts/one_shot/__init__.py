"""Parts of the one-shot fit (`scripts/fit_first_frame.py`)."""

OVERLAP = "Overlap with the truth on samples"  # how the verdict on a fit begins
WARNING = "warning:"  # how the advice begins when an object may be lost
