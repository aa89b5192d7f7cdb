"""Configs are read strictly: an unknown key or a wrong type is named, never passed over."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from lvef.core.config import from_mapping, read_toml, to_mapping
from lvef.core.errors import ConfigError


@dataclass(frozen=True)
class Inner:
    widths: tuple[int, ...] = (1, 2)


@dataclass(frozen=True)
class Outer:
    name: str
    rate: float = 1.0
    fold: int | None = None
    inner: Inner = field(default_factory=Inner)


def test_there_and_back():
    config = Outer("a", 2.5, 3, Inner((4, 5)))
    assert from_mapping(Outer, to_mapping(config), "x") == config


def test_whole_numbers_pass_for_floats_but_not_the_other_way():
    assert from_mapping(Outer, {"name": "a", "rate": 2}, "x").rate == 2.0
    with pytest.raises(ConfigError, match=r"x: fold: 1\.5 found, int was expected"):
        from_mapping(Outer, {"name": "a", "fold": 1.5}, "x")


def test_unknown_and_missing_keys_are_named():
    with pytest.raises(ConfigError, match=r"recipe: unknown key epoch; known are fold, inner, name, rate"):
        from_mapping(Outer, {"name": "a", "epoch": 3}, "recipe")
    with pytest.raises(ConfigError, match="inner: unknown key depth"):
        from_mapping(Outer, {"name": "a", "inner": {"depth": 3}}, "recipe")
    with pytest.raises(ConfigError, match="missing key name"):
        from_mapping(Outer, {}, "recipe")


def test_toml_that_is_missing_or_broken_is_one_sentence(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.toml: cannot be read"):
        read_toml(Outer, tmp_path / "none.toml")
    broken = tmp_path / "broken.toml"
    broken.write_text("name = ")
    with pytest.raises(ConfigError, match=r"broken\.toml: not valid TOML"):
        read_toml(Outer, broken)


@pytest.mark.parametrize("values", [[], None, 3, "text"])
def test_a_file_without_keys_is_one_sentence(values):
    with pytest.raises(ConfigError, match=r"a\.json: .* names with values were expected"):
        from_mapping(Inner, values, "a.json")
