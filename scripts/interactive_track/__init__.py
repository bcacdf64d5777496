"""The DAVIS interactive track: a robot scribbles on a method's worst frame, again and again.

Run by `python -m scripts.eval_interactive_davis`; with another method:

    from scripts.interactive_track import DavisInteractiveSession

    with DavisInteractiveSession(davis_root="../DAVIS/2017/trainval", report_save_dir="OUT") as session:
        for sequence, scribbles, is_new in session.scribbles_iterator():
            session.submit_masks(masks)  # label maps T x H x W, made from the scribbles
    summary = session.get_global_summary()

The session (`session.py`) goes through the samples of a data set (`davis_interactive.py` in
`dataset/interactive/`): it gives scribbles and takes label maps (`submission.py` checks them). The sample
(`running_sample.py`) measures them (`measures.py`) and lets the robot (`scribble_robot.py` in
`dataset/interactive/`) draw the next scribbles. Measures
and seconds are written after each interaction (`report.py`), a file a sample, from which `report.csv` and
`summary.json` (`summary.py`) are put together and a stopped run goes on. Our own method (`method.py`, with
the networks of `networks.py`) is run by `evaluation.py`, which ends with a picture of the curve (`curve.py`);
its flags are in `flags.py`.
"""

from scripts.interactive_track.session import DavisInteractiveSession

__all__ = ["DavisInteractiveSession"]
