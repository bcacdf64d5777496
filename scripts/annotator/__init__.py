"""Annotating a video in the browser; run by `python -m scripts.annotate`.

How data flows: `server.py` answers the page in `static/` and lets nobody else in (`access.py`). It hands
every request to one `session.py`, which owns the open video (`pictures.py`) and the workspace
(`workspace.py`). An edit is checked (`edits.py`), written to the log (`edit_log.py`) and only then applied to
the document (`document.py`: objects, and the versions of each frame). Pixels follow from the log: `masks.py`
draws a frame's edits (`shapes.py`) over the last whole mask that it has on disk. Whatever takes longer is a
job (`jobs.py`), one at a time: propagation in a process of its own (`propagation.py`,
`propagation_worker.py`), masks from scribbles (`scribbling.py`), weights (`weights.py`), export (`export.py`,
`films.py`). What changed goes to all open pages (`events.py`).
"""
