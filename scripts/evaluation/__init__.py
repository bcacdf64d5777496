"""Evaluation: the loop behind the evaluation scripts and `scripts/propagate_video.py`, scores and pictures.

The flags (`flags.py`) choose network, memory and results. The loop (`loop.py`) propagates masks through each
video and writes mask files; `backward.py` adds the frames before an object's first mask. Masks are scored
(`scores.py`) and drawn as videos and contact sheets (`overlays.py`). The settings of a run are recorded in
its folder (`run_record.py`).
"""
