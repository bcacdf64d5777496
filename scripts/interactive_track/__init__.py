"""The DAVIS interactive track: a robot draws scribbles on a method's worst frame, several times per sample.

`python -m scripts.eval_interactive_davis` runs it. With another method:

    from scripts.interactive_track import DavisInteractiveSession

    with DavisInteractiveSession(davis_root="../DAVIS/2017/trainval", report_save_dir="OUT") as session:
        for sequence, scribbles, is_new in session.scribbles_iterator():
            session.submit_masks(masks)  # label maps T x H x W, made from the scribbles
    summary = session.get_global_summary()

The session (`session.py`) goes through the samples of a data set
(`dataset/interactive/davis_interactive.py`): it gives scribbles and takes label maps, checked by
`submission.py`. The sample (`running_sample.py`) scores them (`measures.py`) and lets the robot
(`dataset/interactive/scribble_robot.py`) draw the next scribbles. Scores and times are written after each
interaction (`report.py`), in one file per sample, from which `report.csv` and `summary.json` (`summary.py`)
are made and a stopped run continues. `evaluation.py` runs our own method (`method.py`, with the networks of
`networks.py`) and writes a picture of the curve (`curve.py`); its flags are in `flags.py`.
"""

from scripts.interactive_track.session import DavisInteractiveSession

__all__ = ["DavisInteractiveSession"]
