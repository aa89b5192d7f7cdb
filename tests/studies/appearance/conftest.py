"""The small CAMUS folder of these tests."""

from __future__ import annotations

import pytest

from tests.datasets import camus_folder


@pytest.fixture(scope="session")
def collection(tmp_path_factory):
    """Eight patients, four of them for validation."""
    return camus_folder.write(tmp_path_factory.mktemp("stills") / "camus", 8)
