"""A picture of the track's curve of quality over time."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg  # draws without a display
from matplotlib.figure import Figure

from util.files import atomic_path

COLOUR = "#0072b2"


def write_curve(summary: Mapping[str, Any], title: str, path: Path) -> None:
    """Write the curve of J&F over time as PNG, with a dot per interaction and the value at the threshold."""
    time, values = summary["curve"]["time"], [100 * value for value in summary["curve"]["J_AND_F"]]
    threshold = summary["metric_at_threshold"]["threshold"]
    reached = 100 * summary["metric_at_threshold"]["J_AND_F"]
    figure = Figure(figsize=(8, 5), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.plot(time, values, color=COLOUR, linewidth=2)
    axes.plot(time[1:-1], values[1:-1], "o", color=COLOUR, label="after an interaction")
    axes.fill_between(time, values, color=COLOUR, alpha=0.12, label=f"area: AUC {100 * summary['auc']:.1f}")
    if threshold <= time[-1]:
        axes.axvline(threshold, color="0.4", linestyle="--", linewidth=1)
        axes.plot([threshold], [reached], "D", color="0.2", label=f"at {threshold} s: {reached:.1f}")
    axes.set(xlabel="seconds (mean of samples)", ylabel="J&F", title=title, ylim=(0, 100))
    axes.set_xlim(0, time[-1])
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")
    with atomic_path(path) as temporary:
        figure.savefig(temporary)
