"""One small collection for all tests of this folder."""

from __future__ import annotations

import shutil

import pytest

from tests.evaluation.synthetic import made_dataset


@pytest.fixture(scope="session")
def clips():
    """Nine clips: three of each rhythm."""
    return made_dataset.make_clips(9)


@pytest.fixture(scope="session")
def written(tmp_path_factory, clips):
    """The collection, not to be changed."""
    return made_dataset.write(tmp_path_factory.mktemp("synthetic") / "made", clips)


@pytest.fixture
def folder(tmp_path, written):
    """A copy that a test may spoil."""
    return shutil.copytree(written, tmp_path / "made")
