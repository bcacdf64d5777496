"""Annotation of a video in the browser; run by `python -m scripts.annotate` (`run.py`).

`server.py` answers the page in `static/` and refuses everybody else (`access.py`). It hands each request to
a `session.py`, which holds the open video (`pictures.py`) and the workspace (`workspace.py`). An edit is
checked (`edits.py`), written to the log (`edit_log.py`) and then applied to the document (`document.py`:
objects, and the versions of each frame). `masks.py` computes masks from the log: it draws a frame's shapes
(`shapes.py`) over the last whole mask on disk.

`tasks.py` takes the other requests. Long ones run as a job (`jobs.py`), one at a time: propagation
(`propagation.py` finds what is drawn, `gaps.py` what to compute, `rounds.py` computes it), edits of masks on
a range (`remaking.py`), weights (`weights.py`, `attached.py`), export (`export.py`, `video_exports.py`).
Masks also come from scribbles, clicks, boxes and words (`segmentation.py`) and from files
(`import_masks.py`). Networks compute in other processes (`worker.py`, with `rounds.py` or `segmenters.py`).
"""
