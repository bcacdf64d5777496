"""Annotating a video in the browser; run by `python -m scripts.annotate` (`run.py`).

How data flows: `server.py` answers the page in `static/` and lets nobody else in (`access.py`). It hands
every request to one `session.py`, which owns the open video (`pictures.py`) and the workspace
(`workspace.py`). An edit is checked (`edits.py`), written to the log (`edit_log.py`) and only then applied to
the document (`document.py`: objects, and the versions of each frame). Pixels follow from the log: `masks.py`
draws a frame's edits (`shapes.py`) over the last whole mask that it has on disk.

What takes longer is asked of `tasks.py` and runs as a job (`jobs.py`), one at a time: propagation
(`propagation.py` says what is drawn, `gaps.py` what to fill, `rounds.py` fills it), masks from scribbles
(`segmentation.py`), masks from files (`bringing_in.py`), weights (`weights.py`, `attached.py`), export
(`export.py`, `films.py`). Networks compute in a process of their own (`worker.py` on this side of it,
`worker_process.py` on the other, with `rounds.py` and `segmenters.py`). What changed goes to all open pages
(`events.py`).
"""
