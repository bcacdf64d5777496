"""Compares draws with the originals' statistics (golden/recipe.json).

The tolerance is four standard errors of the difference. If the rule is right, a test of one mean or share
fails with a chance of 6e-5; the draws are seeded, so a test that passed once passes again.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tests.conftest import GOLDEN

RECIPE = json.loads((GOLDEN / "recipe.json").read_text())
FEWEST = 50  # draws for which means are compared
LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)


def check_stats(draws: Sequence[float], golden: Mapping[str, Any], digits: int) -> None:
    """Compare mean and quantiles with golden ones of `digits` decimals; skip less than `FEWEST` draws."""
    values = np.round(np.asarray(draws, float), digits)
    assert golden["n"] > 0 or not len(values)
    if len(values) < FEWEST:
        return
    spread = 1 / golden["n"] + 1 / len(values)
    assert abs(values.mean() - golden["mean"]) <= 4 * golden["sd"] * np.sqrt(spread) + 0.5 * 10.0**-digits
    for level, quantile in zip(LEVELS, golden["q"], strict=True):
        slack = 4 * np.sqrt(level * (1 - level) * spread)
        assert (values < quantile).mean() <= level + slack
        assert (values <= quantile).mean() >= level - slack


def check_share(hits: Sequence[bool], golden: Mapping[str, Any]) -> None:
    """Compare a share of draws with the golden one (n, p); rare cases may be missing in either."""
    spread = 1 / golden["n"] + 1 / len(hits)
    slack = 4 * np.sqrt(golden["p"] * (1 - golden["p"]) * spread) + 3 * spread * (golden["p"] in (0, 1))
    assert abs(float(np.mean(hits)) - golden["p"]) <= slack
