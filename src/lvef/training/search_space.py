"""What a search may vary: grids by name, and ranges from a recipe's ``[search]``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import product
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from lvef.core.config import to_mapping
from lvef.core.errors import ConfigError
from lvef.training.fit import make_network
from lvef.training.recipe import Recipe, recipe_from, with_changes

GRIDS: dict[str, dict[str, tuple[Any, ...]]] = {
    "report": {
        "optimiser.learning_rate": (1e-3, 1e-4),
        "batch_size": (16, 32),
        "network.l1": (0.01, 0.001),
        "network.l2": (0.01, 0.001),
    }
}
"""Grids by name; ``report`` has the 16 combinations of the report (SPEC 4.1)."""

DEFAULT_SEARCH: dict[str, Any] = {
    "optimiser.learning_rate": {"low": 1e-4, "high": 1e-2, "log": True},
    "batch_size": {"choices": [8, 16, 32]},
}
"""What is varied where a recipe has no ``[search]``."""


def grid_points(name: str) -> list[dict[str, Any]]:
    """Settings of every point of a grid, by dotted name."""
    axes = GRIDS[name]
    return [dict(zip(axes, values, strict=True)) for values in product(*axes.values())]


def search_space(recipe: Recipe, grid: str | None) -> dict[str, BaseDistribution]:
    """What may be drawn, by dotted name; every setting is known to the recipe and its network."""
    if grid is not None:
        if grid not in GRIDS:
            raise ConfigError(f"grid {grid!r} found; {', '.join(GRIDS)} was expected.")
        axes = GRIDS[grid]
        found: dict[str, BaseDistribution] = {
            name: CategoricalDistribution(values) for name, values in axes.items()
        }
        example = {name: values[0] for name, values in axes.items()}
    else:
        wanted = recipe.search or DEFAULT_SEARCH
        found = {name: _distribution(name, how) for name, how in wanted.items()}
        example = {
            name: how["choices"][0] if "choices" in how else how["low"] for name, how in wanted.items()
        }
    make_network(with_settings(recipe, example), float("nan"))
    return found


def with_settings(recipe: Recipe, params: Mapping[str, Any]) -> Recipe:
    """The recipe with some settings replaced, by dotted name.

    Raises:
        ConfigError: A setting that it does not know.
    """
    return recipe_from(with_changes(to_mapping(recipe), params), recipe.name)


def to_toml(values: Mapping[str, Any]) -> str:
    """Nested settings as TOML, simple values before tables.

    Example:
        >>> print(toml_of({"loss": {"kind": "mse"}, "epochs": 3}))
        epochs = 3
        <BLANKLINE>
        [loss]
        kind = "mse"
    """
    simple = [
        f"{key} = {json.dumps(value)}" for key, value in values.items() if not isinstance(value, Mapping)
    ]
    tables = [
        f"\n[{key}]\n{to_toml(value)}"
        for key, value in values.items()
        if isinstance(value, Mapping) and value
    ]
    return "\n".join([*simple, *tables])


def _distribution(name: str, how: Any) -> BaseDistribution:  # noqa: ANN401
    try:
        if set(how) == {"choices"} and how["choices"]:
            return CategoricalDistribution(tuple(how["choices"]))
        if not {"low", "high"} <= set(how) <= {"low", "high", "log"}:
            raise ValueError
        low, high, log = how["low"], how["high"], bool(how.get("log", False))
        if isinstance(low, int) and isinstance(high, int):
            return IntDistribution(low, high, log=log)
        return FloatDistribution(float(low), float(high), log=log)
    except (TypeError, ValueError):
        raise ConfigError(
            f"search: {name} = {how!r} found; {{ low, high, log }} with low below high, or {{ choices }} was expected."
        ) from None
