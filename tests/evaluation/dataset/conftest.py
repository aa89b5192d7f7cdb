"""One collection with drawn lines."""

from __future__ import annotations

import pytest

from tests.evaluation.dataset import made_up


@pytest.fixture(scope="session")
def traced(tmp_path_factory):
    """A manifest of four test clips with EFs of 60, 50, 40 and 30 % and tracings that agree, and two training clips."""
    return made_up.write_traced(tmp_path_factory.mktemp("ef") / "made", [60.0, 50.0, 40.0, 30.0])
