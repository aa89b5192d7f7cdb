"""Tables as text."""

from __future__ import annotations

import pytest

from lvef.core.serialization import csv_text


def test_a_table_as_csv():
    assert csv_text(["clip", "ef, %"], [["a", 50.5], ["b", None]]) == 'clip,"ef, %"\na,50.5\nb,\n'


def test_columns_have_different_names():
    with pytest.raises(ValueError, match="same name: ef_percent, clip, ef_percent"):
        csv_text(["ef_percent", "clip", "ef_percent"], [])
