"""Risk-coverage curves."""

from __future__ import annotations

import numpy as np

from lvef.evaluation.plots.curves import risk_coverage, risk_coverage_png


def test_the_narrowest_come_first():
    share, mean, width = risk_coverage([30, 10, 20], [9, 1, 2])
    assert share.tolist() == [1 / 3, 2 / 3, 1]
    assert mean.tolist() == [1, 1.5, 4]
    assert width.tolist() == [10, 20, 30]


def test_it_is_drawn():
    rng = np.random.default_rng(0)
    groups = {"stills": (rng.uniform(10, 40, 50), rng.uniform(0, 10, 50)), "few": ([20.0], [3.0])}
    png = risk_coverage_png(groups, limits=[("caution above", 30), ("refused above", 60)], heading="Risk")
    assert png[:4] == b"\x89PNG"
