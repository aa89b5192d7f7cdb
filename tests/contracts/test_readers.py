"""What every reader of a collection must tell of it."""

from __future__ import annotations

import importlib
import pkgutil

import pytest

import lvef.datasets

READERS = [m.name for m in pkgutil.iter_modules(lvef.datasets.__path__)]


@pytest.mark.parametrize("name", READERS)
class TestReader:
    def test_names_terms_and_source(self, name):
        reader = importlib.import_module(f"lvef.datasets.{name}")
        assert reader.LICENCE
        assert "doi" in reader.CITATION

    def test_docstring_tells_licence_layout_and_defects(self, name):
        reader = importlib.import_module(f"lvef.datasets.{name}")
        words = (reader.__doc__ or "").lower()
        for wanted in ("source", "licence", "layout", "defects"):
            assert wanted in words
