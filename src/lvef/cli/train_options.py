"""Options and values that ``lvef train`` and ``lvef tune`` share."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

import click

from lvef.cli.options import (
    FILE,
    PATH,
    Integer,
    Number,
    combine,
    json_option,
    options_from,
    verbosity_options,
)
from lvef.core.errors import MissingExtraError, did_you_mean

if TYPE_CHECKING:
    from lvef.training.machine import Machine
    from lvef.training.recipe import Recipe
    from lvef.training.training_data import TrainingData

F = TypeVar("F", bound=Callable[..., Any])

DEVICES = ("auto", "cpu", "cuda")
"""Values of ``--device``; `lvef.training.machine` has them too, but loads torch."""

OF_EXTRA = frozenset(["torch", "lightning", "onnx", "onnxscript", "optuna"])
"""Packages that training needs and measuring does not."""

LOGGERS = ("csv", "tensorboard", "mlflow", "wandb")
"""Values of ``--logger``; `lvef.training.callbacks` has them too, but loads torch."""


class LoggerNames(click.ParamType[tuple[str, ...]]):
    """Names of loggers with commas between them."""

    name = "NAMES"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        """Read them; a usage error says which name is unknown."""
        if isinstance(value, tuple):
            return value
        names = tuple(filter(None, (name.strip() for name in str(value).split(","))))
        for name in names:
            if name not in LOGGERS:
                hint = did_you_mean(name, LOGGERS) or f"; there are {', '.join(LOGGERS)}."
                self.fail(f"There is no logger {name}{hint}", param, ctx)
        return names


@dataclass(frozen=True)
class SharedArguments:
    """Values of the options that training and tuning share."""

    recipe: Path
    data: tuple[Path, ...] = ()
    """Store made by lvef data prepare; give it again for each further one. For segmentation: the CAMUS folder."""
    weight: tuple[float, ...] = ()
    """How often the cases of a store come in an epoch, in the order of --data. [default: once]"""
    epochs: int | None = None
    """Most epochs, instead of the recipe's."""
    seed: int | None = None
    """Seed, instead of the recipe's."""
    changes: tuple[str, ...] = ()
    """A setting instead of the recipe's, for example optimiser.learning_rate=1e-4."""
    init: Path | None = None
    """File with first weights: a checkpoint, or a state dict of the model or of a part of it."""
    device: str = DEVICES[0]
    """Where to compute; auto takes a GPU where there is one."""
    devices: int = 1
    """GPUs (on processors: processes) of each machine."""
    num_nodes: int = 1
    """Machines; start the same command on each, as Lightning's documents say."""
    strategy: str = "auto"
    """How several devices share the work, by Lightning's names: ddp, fsdp ..."""
    workers: int = 0
    """Processes that load, for each device; 0 (the default) loads in the training process."""

    @property
    def recipe_name(self) -> str:
        """Name of the recipe's file, for the card."""
        from lvef.training.recipe import find_recipe

        return find_recipe(self.recipe).name

    @property
    def settings(self) -> dict[str, Any]:
        """Settings that replace the recipe's, by dotted name."""
        from lvef.training.recipe import parse_change

        given = {"epochs": self.epochs, "seed": self.seed}
        changes = dict(parse_change(text) for text in self.changes)
        return changes | {name: value for name, value in given.items() if value is not None}

    def machine(self) -> Machine:
        """On what to compute."""
        from lvef.training.machine import Machine

        return Machine(self.device, self.devices, self.num_nodes, self.strategy, self.workers)

    def prepared(self) -> tuple[Recipe, TrainingData]:
        """The recipe with the changes of the command line, and its data.

        Raises:
            LvefError: One of them cannot be used.
        """
        from lvef.training.recipe import read_recipe

        recipe = read_recipe(self.recipe, self.settings)
        from lvef.models.families import settings_of
        from lvef.training.training_data import open_training_data, with_stores

        settings_of(recipe.family, recipe.network, f"{self.recipe}: [network]")
        recipe = with_stores(recipe, self.data, self.weight)
        training_data = open_training_data(recipe, self.data)
        if training_data.without_ef:
            click.echo(f"lvef: {training_data.without_ef} clips have no EF and are left out.", err=True)
        return recipe, training_data


RANGES: dict[str, click.ParamType[Any]] = {
    "data": PATH,
    "weight": Number(min=0),
    "epochs": Integer(min=1),
    "changes": click.STRING,
    "init": FILE,
    "device": click.Choice(DEVICES),
    "devices": Integer(min=1),
    "num_nodes": Integer(min=1),
}
"""What the options of `SharedArguments` may be, where their types are too general."""


def training_options(
    kind: type[SharedArguments],
    ranges: Mapping[str, click.ParamType[Any]] = MappingProxyType({}),
    names: Mapping[str, str] = MappingProxyType({}),
) -> Callable[[F], F]:
    """The argument and the options of a command, see `SharedArguments` and `lvef.cli.options.options_from`."""
    own = options_from(
        kind,
        aliases={"workers": ("-j", "--jobs")},
        ranges=RANGES | dict(ranges),
        metavars={"changes": "NAME=VALUE"},
        names={"changes": "--set", **names},
    )
    common = (
        json_option("Print the results as JSON."),
        verbosity_options("Print a line of progress every few seconds."),
    )
    return combine(click.argument("recipe", type=FILE), own, *common)


def print_result(result: Any, as_json: bool, show: Callable[[Any], None]) -> None:  # noqa: ANN401
    """Print a result of the training package: its values as JSON, or what ``show`` prints of it."""
    if as_json:
        click.echo(json.dumps(result.as_dict(), indent=2, ensure_ascii=False))
    else:
        show(result)


@contextmanager
def training_extra() -> Iterator[None]:
    """Turn a missing package of the extra into its sentence.

    Raises:
        MissingExtraError: One is missing.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in OF_EXTRA:
            raise MissingExtraError("Training", "train") from None
        raise
