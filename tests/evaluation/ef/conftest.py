"""Few draws of the bootstrap, but for tests that look at the intervals; one collection with drawn lines."""

from __future__ import annotations

from functools import partial

import pytest

from lvef.stats.bootstrap import intervals
from tests.evaluation.ef import made_up


@pytest.fixture
def all_draws():
    """Ask for it to get all draws."""


@pytest.fixture(autouse=True)
def _few_draws(request, monkeypatch):
    if "all_draws" not in request.fixturenames:
        few = partial(intervals, resamples=40)
        monkeypatch.setattr("lvef.evaluation.figures.intervals", few)
        monkeypatch.setattr("lvef.evaluation.ef.comparison.intervals", few)


@pytest.fixture(scope="session")
def traced(tmp_path_factory):
    """A manifest of four test clips with EFs of 60, 50, 40 and 30 % and tracings that agree, and two training clips."""
    return made_up.write_traced(tmp_path_factory.mktemp("ef") / "made", [60.0, 50.0, 40.0, 30.0])
