"""The DAVIS interactive track: a robot draws scribbles on a method's worst frame, several times per sample.

`python -m scripts.eval_interactive_davis` runs it. With another method:

    from scripts.interactive_track import DavisInteractiveSession

    with DavisInteractiveSession(davis_root="../DAVIS/2017/trainval", report_save_dir="OUT") as session:
        for sequence, scribbles, is_new in session.scribbles_iterator():
            session.submit_masks(masks)  # label maps T x H x W, made from the scribbles
    summary = session.get_global_summary()

The session (`session.py`) gives scribbles and takes label maps for each sample of a data set
(`dataset/interactive/davis_interactive.py`). The sample (`running_sample.py`) checks and scores them
(`measures.py`) and lets the robot (`dataset/interactive/scribble_robot.py`) draw the next scribbles. Scores
and times are written after each interaction (`report.py`), in one file per sample, for `report.csv`,
`summary.json` (`summary.py`) and continuing a stopped run. `evaluation.py` runs our own method (`method.py`)
and writes a picture of the curve (`curve.py`).
"""

from scripts.interactive_track.session import DavisInteractiveSession

__all__ = ["DavisInteractiveSession"]
