"""``lvef train``: a network from a recipe and prepared stores, or from CAMUS."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from lvef.cli.options import (
    FILE,
    FOLDER,
    JOBS,
    PATH,
    Integer,
    Number,
    combine,
    json_option,
    note,
    verbosity_options,
)
from lvef.core.errors import MissingExtraError
from lvef.core.terms import SEGMENTATION, VIEW

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lvef.training.cross_validation import CrossValidationResult
    from lvef.training.fit import FitResult
    from lvef.training.machine import Machine
    from lvef.training.recipe import Recipe
    from lvef.training.run_folder import RunOptions
    from lvef.training.segmentation_run import SegmentationResult
    from lvef.training.training_data import TrainingData

F = TypeVar("F", bound=Callable[..., Any])

DEVICES = ("auto", "cpu", "cuda")
"""Values of ``--device``; `lvef.training.machine` has them too, but loads torch."""

OF_EXTRA = frozenset(["torch", "lightning", "onnx", "onnxscript", "optuna"])
"""Packages that training needs and measuring does not."""

EXIT_CODES = "Exit code: 0 done, 1 something failed, 2 usage error."

SHOWN = ("n", "mae", "mae_lengths", "rmse", "bias", "r", "r2", "median_mae", "ef_n", "ef_mae", "ef_negative")
"""Metrics that are printed, in this order."""

DEFAULT_FOLDS = 5
"""Folds of ``--fold`` without ``--folds``."""


@dataclass(frozen=True)
class SharedArguments:
    """Values of the options that training and tuning share."""

    recipe: Path
    data: tuple[Path, ...]
    weight: tuple[float, ...]
    epochs: int | None
    seed: int | None
    changes: tuple[str, ...]
    init: Path | None
    device: str
    devices: int
    num_nodes: int
    strategy: str
    workers: int

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


def training_options(command: F) -> F:
    """Options that training and tuning share, see `SharedArguments`."""
    return combine(
        click.argument("recipe", type=FILE),
        click.option(
            "--data",
            type=PATH,
            multiple=True,
            help="Store made by lvef data prepare; give it again for each further one. For segmentation: the CAMUS folder.",
        ),
        click.option(
            "--weight",
            type=Number(min=0),
            multiple=True,
            help="How often the cases of a store come in an epoch, in the order of --data.  [default: once]",
        ),
        click.option("--epochs", type=Integer(min=1), help="Most epochs, instead of the recipe's."),
        click.option("--seed", type=Integer(min=0), help="Seed, instead of the recipe's."),
        click.option(
            "--set",
            "changes",
            multiple=True,
            metavar="NAME=VALUE",
            help="A setting instead of the recipe's, for example optimiser.learning_rate=1e-4.",
        ),
        click.option(
            "--init",
            type=FILE,
            help="File with first weights: a checkpoint, or a state dict of the network or of a part of it.",
        ),
        click.option(
            "--device",
            type=click.Choice(DEVICES),
            default=DEVICES[0],
            show_default=True,
            help="Where to compute; auto takes a GPU where there is one.",
        ),
        click.option(
            "--devices",
            type=Integer(min=1),
            default=1,
            show_default=True,
            help="GPUs (on processors: processes) of each machine.",
        ),
        click.option(
            "--num-nodes",
            type=Integer(min=1),
            default=1,
            show_default=True,
            help="Machines; start the same command on each, as Lightning's documents say.",
        ),
        click.option(
            "--strategy",
            default="auto",
            show_default=True,
            help="How several devices share the work, by Lightning's names: ddp, fsdp ...",
        ),
        click.option(
            *JOBS,
            type=Integer(min=0),
            default=0,
            show_default=True,
            help="Processes that load, for each device; 0 loads in the training process.",
        ),
        json_option("Print the results as JSON."),
        verbosity_options("Print a line of progress every few seconds."),
    )(command)


@click.command(
    epilog=f"""\b
Examples:
  lvef train small-video --data STORE --out runs/small-video
  lvef train recipes/small-video.toml --data PHANTOMS --data CLIPS --weight 0.5 --weight 1 --out runs/mixed
  lvef train recipes/two-stream-report.toml --data STORE --out runs/cv --folds 5
  lvef train recipes/r2plus1d-echonet.toml --data STORE --out runs/r2 --device cuda --devices 4 --strategy ddp
  lvef train camus-seg --data CAMUS --animated runs/animated.npz --start runs/start --out runs/all
  lvef train camus-view --data CAMUS --animated runs/animated.npz --out runs/view
  lvef train camus-seg --data CAMUS --average runs/all --average runs/fold0 --out runs/camus-seg

{EXIT_CODES}"""
)
@training_options
@click.option(
    "-o",
    "--out",
    type=FOLDER,
    required=True,
    help="Folder of the run; made, or gone on from where an earlier start stopped.",
)
@click.option(
    "--folds",
    type=Integer(min=2),
    help="Cross-validation by patient with so many folds; with --fold, how many folds there are.",
)
@click.option("--fold", type=Integer(min=0), help="Hold out this fold only, counted from 0.  [folds: 5]")
@click.option(
    "--resume/--fresh",
    default=True,
    show_default=True,
    help="Go on from the last checkpoint in --out, or remove what is there and start anew.",
)
@click.option(
    "--start",
    type=FOLDER,
    help="Segmentation: run whose weights are the first ones; the same fold must be held out.",
)
@click.option(
    "--animated",
    type=FILE,
    help="Segmentation, view: file of animated stills; if missing, it is made by --workers processes.  [default: in --out]",
)
@click.option(
    "--average",
    type=FOLDER,
    multiple=True,
    help="Segmentation: train nothing, and write the mean of the weights of these runs; give it again for each run.",
)
def train(
    as_json: bool,
    out: Path,
    folds: int | None,
    fold: int | None,
    resume: bool,
    start: Path | None,
    animated: Path | None,
    average: tuple[Path, ...],
    **shared: Any,  # noqa: ANN401
) -> None:
    """Train the network of a RECIPE on prepared stores.

    RECIPE is a file, or the name of a recipe that comes with lvef (camus-seg, small-video, two-stream-tuned ...). Keeps the
    best and the last checkpoint, and at the end writes the network as it is served: model.onnx with its card. A run that
    was interrupted resumes with the same command, with the same result. Recipes of the families segmentation and
    view train on CAMUS itself and keep the last checkpoint.
    """
    given = SharedArguments(**shared)
    with training_extra():
        from lvef.training.run_folder import RunOptions

        options = RunOptions(out, given.machine(), given.init, not resume, recipe_name=given.recipe_name)
        words: dict[str, Any] = {
            "weight": given.weight,
            "epochs": given.epochs,
            "seed": given.seed,
            "set": given.changes,
            "init": given.init,
            "folds": folds,
            "fold": fold,
            "start": start,
            "animated": animated,
            "average": average,
        }
        options = replace(options, command=_command(given.recipe, given.data, words))
        family = _family_of(given.recipe)
        of_fold = {"fold": fold} | ({"n_folds": folds} if folds else {})
        if family == SEGMENTATION:
            options = replace(options, init=start)
            _train_segmentation(given, options, of_fold, animated, average, as_json)
            return
        if start or average:
            raise click.UsageError("--start and --average are for recipes of the family segmentation.")
        if family == VIEW:
            _train_view(given, options, of_fold, animated, as_json)
            return
        if animated:
            raise click.UsageError("--animated is for recipes of the families segmentation and view.")
        settings, training_data = given.prepared()
        if folds is not None and fold is None:
            _cross_validate(settings, training_data, options, folds, as_json=as_json)
            return
        from lvef.training.fit import fit

        n_folds = folds or DEFAULT_FOLDS
        if fold is not None:
            options = replace(options, fold=f"{fold} of {n_folds}")
        fitted = fit(settings, training_data, training_data.partition(fold, n_folds), options)
    if not fitted.figures:
        return  # not the first process of several
    if as_json:
        click.echo(json.dumps(fitted.as_dict(), indent=2, ensure_ascii=False))
    else:
        _show(fitted)


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


def _family_of(recipe: Path) -> str:
    from lvef.training.recipe import find_recipe, read_values

    return str(read_values(find_recipe(recipe)).get("family", ""))


def _train_view(
    given: SharedArguments,
    options: RunOptions,
    fold: dict[str, int | None],
    animated: Path | None,
    as_json: bool,
) -> None:
    from lvef.training.view import read_view_recipe
    from lvef.training.view_run import train_view

    if len(given.data) != 1 or given.weight or given.init:
        raise click.UsageError("Recipes of the family view take one --data CAMUS, and no --weight or --init.")
    changes = {name: value for name, value in fold.items() if value is not None}
    done = train_view(
        read_view_recipe(given.recipe, given.settings | changes), given.data[0], options, animated
    )
    _show_run(done, as_json)


def _train_segmentation(
    given: SharedArguments,
    options: RunOptions,
    fold: dict[str, int | None],
    animated: Path | None,
    average: tuple[Path, ...],
    as_json: bool,
) -> None:
    from lvef.training.segmentation import read_segmentation_recipe
    from lvef.training.segmentation_run import average_runs, train_segmentation

    if len(given.data) != 1 or given.weight or given.init:
        raise click.UsageError(
            "Segmentation takes one --data CAMUS, first weights by --start, and no --weight or --init."
        )
    if "n_folds" in fold and fold["fold"] is None:
        raise click.UsageError("Segmentation trains one fold at a time; give --fold beside --folds.")
    recipe = read_segmentation_recipe(given.recipe, given.settings | fold)
    if average:
        done = average_runs(recipe, average, given.data[0], options)
    else:
        done = train_segmentation(recipe, given.data[0], options, animated)
    _show_run(done, as_json)
    if not as_json:
        click.echo(f"Measure with it: lvef measure --weights {done.network}.")


def _show_run(done: SegmentationResult, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(done.as_dict(), indent=2, ensure_ascii=False))
        return
    resumed = f", {done.resumed} of them earlier" if done.resumed else ""
    click.echo(
        f"{done.out}: {done.epochs} epochs{resumed}, {done.minutes:.1f} min. The network: {done.network}."
    )


def figures_text(figures: dict[str, float]) -> str:
    """Figures on one line."""
    return ", ".join(f"{name} {figures[name]:.4g}" for name in SHOWN if name in figures)


def _cross_validate(
    settings: Recipe, training_data: TrainingData, options: RunOptions, folds: int, *, as_json: bool
) -> None:
    from lvef.training.cross_validation import cross_validate

    def on_fold(number: int, fitted: FitResult) -> None:
        if fitted.figures:
            note(f"Fold {number}: {figures_text(fitted.figures['held_out'])}")

    found = cross_validate(settings, training_data, options, folds, on_fold)
    if as_json:
        click.echo(json.dumps(found.as_dict(), indent=2, ensure_ascii=False))
    else:
        _show_folds(found)


def _show_folds(found: CrossValidationResult) -> None:
    click.echo(f"{len(found.folds)} folds by patient, each evaluated on the patients it held out:")
    for name in SHOWN:
        if name in found.mean:
            click.echo(f"  {name:12} {found.mean[name]:.4g} +- {found.spread[name]:.3g}")
    click.echo(f"All held-out cases together: {figures_text(found.pooled)}.")
    click.echo(f"{found.out}: predictions in held_out.csv, figures in folds.json.")


def _show(fitted: FitResult) -> None:
    went_on = f", {fitted.resumed} of them earlier" if fitted.resumed else ""
    click.echo(
        f"{fitted.out}: {fitted.epochs} epochs{went_on}, best after epoch {fitted.best_epoch + 1}, {fitted.seconds:.0f} s."
    )
    for part, figures in fitted.figures.items():
        click.echo(f"  {part.replace('_', ' ')}: {figures_text(figures)}")
    if fitted.network:
        click.echo(f"The network: {fitted.network} (lvef measure --weights {fitted.network}).")


def _command(recipe: Path, data: tuple[Path, ...], given: Mapping[str, Any]) -> str:
    """The command line for the card: names of files, not their places on this machine."""
    words = ["lvef train", recipe.name, *(f"--data {folder.name}" for folder in data)]
    for name, value in given.items():
        for one in value if isinstance(value, tuple) else (value,):
            if one is not None:
                words.append(f"--{name} {one.name if isinstance(one, Path) else one}")
    return " ".join([*words, "--out RUN"])
