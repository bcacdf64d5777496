"""The one loop behind the evaluation scripts and `scripts/propagate_video.py`.

A script's flags (`flags.py`) choose network, memory and results. Each video goes frame by frame through the
engine and leaves as mask files (`loop.py`; `backward.py` adds what comes before an object's first mask),
which are then scored (`scores.py`) and drawn as films and contact sheets (`films.py`). What a
folder was made with is recorded in it (`run_record.py`).
"""
