"""``lvef train``: a network from a recipe and prepared stores."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lvef.cli.options import FILE, FOLDER, PATH, combine, json_option
from lvef.core.errors import MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lvef.training.cross_validation import CrossValidationResult
    from lvef.training.fit import FitResult
    from lvef.training.provenance import RunOptions
    from lvef.training.recipe import Recipe
    from lvef.training.training_data import TrainingData

DEVICES = ("auto", "cpu", "cuda")
"""Values of ``--device``; `lvef.training.machine` has them too, but loads torch."""

OF_EXTRA = frozenset(["torch", "lightning", "onnx", "onnxscript", "optuna"])
"""Packages that training needs and measuring does not."""

EXIT_CODES = "Exit code: 0 done, 1 something failed, 2 usage error."

SHOWN = ("n", "mae", "mae_lengths", "rmse", "bias", "r", "r2", "median_mae", "ef_n", "ef_mae", "ef_negative")
"""Figures that are told to people, in this order."""


data_options = combine(
    click.argument("recipe", type=FILE),
    click.option(
        "--data",
        type=PATH,
        multiple=True,
        help="Store made by lvef data prepare; give it again for each further one.",
    ),
    click.option(
        "--weight",
        type=click.FloatRange(min=0),
        multiple=True,
        help="How often the cases of a store come in an epoch, in the order of --data.  [default: once]",
    ),
    click.option("--epochs", type=click.IntRange(min=1), help="Most epochs, instead of the recipe's."),
    click.option("--seed", type=click.IntRange(min=0), help="Seed, instead of the recipe's."),
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
        type=click.IntRange(min=1),
        default=1,
        show_default=True,
        help="GPUs (on processors: processes) of each machine.",
    ),
    click.option(
        "--num-nodes",
        type=click.IntRange(min=1),
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
        "--workers",
        type=click.IntRange(min=0),
        default=0,
        show_default=True,
        help="Processes that load, for each device; 0 loads in the training process.",
    ),
    json_option("Print the results as JSON."),
)
"""Options that training and tuning share."""


@click.command(
    epilog=f"""\b
Examples:
  lvef train small-video --data STORE --out runs/small-video
  lvef train recipes/small-video.toml --data PHANTOMS --data CLIPS --weight 0.5 --weight 1 --out runs/mixed
  lvef train recipes/two-stream-report.toml --data STORE --out runs/cv --folds 5
  lvef train recipes/r2plus1d-echonet.toml --data STORE --out runs/r2 --device cuda --devices 4 --strategy ddp

{EXIT_CODES}"""
)
@data_options
@click.option(
    "-o",
    "--out",
    type=FOLDER,
    required=True,
    help="Folder of the run; made, or gone on from where an earlier start stopped.",
)
@click.option(
    "--folds",
    type=click.IntRange(min=2),
    help="Cross-validation by patient with so many folds; with --fold, how many folds there are.",
)
@click.option(
    "--fold", type=click.IntRange(min=0), help="Hold out this fold only, counted from 0.  [folds: 5]"
)
@click.option(
    "--resume/--fresh",
    default=True,
    show_default=True,
    help="Go on from the last checkpoint in --out, or remove what is there and start anew.",
)
def train(out: Path, folds: int | None, fold: int | None, resume: bool, as_json: bool, **values: Any) -> None:  # noqa: ANN401
    """Train the network of a RECIPE on prepared stores.

    RECIPE is a file, or the name of a recipe that comes with lvef (small-video, two-stream-tuned, volume-trace-tuned ...).
    Keeps the best and the last checkpoint, and at the end writes the network as it is served: model.onnx with its card. A
    run that was stopped goes on when the same command is given again, to the same curve.
    """
    with training_extra():
        from lvef.training.fit import fit

        settings, training_data, options = prepare_run(out, values)
        command = _command(values | {"folds": folds, "fold": fold})
        options = replace(options, fresh=not resume, command=command)
        if folds is not None and fold is None:
            _cross_validate(settings, training_data, options, folds, as_json=as_json)
            return
        partition = training_data.partition(fold, folds or 5)
        if fold is not None:
            options = replace(options, fold=f"{fold} of {folds or 5}")
        fitted = fit(settings, training_data, partition, options)
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


def prepare_run(out: Path, values: Mapping[str, Any]) -> tuple[Recipe, TrainingData, RunOptions]:
    """The recipe with the changes of the command line, its data, and the options of the run.

    Args:
        out: Folder of the run.
        values: Values of `data_options`.

    Raises:
        LvefError: One of them cannot be used.
    """
    from lvef.training.machine import Machine
    from lvef.training.provenance import RunOptions
    from lvef.training.recipe import find_recipe, parse_change, read_recipe

    recipe: Path = values["recipe"]
    changes = dict(parse_change(text) for text in values["changes"])
    changes |= {name: values[name] for name in ("epochs", "seed") if values[name] is not None}
    settings = read_recipe(recipe, changes)
    from lvef.models.families import settings_of
    from lvef.training.training_data import open_training_data, with_stores

    settings_of(settings.family, settings.network, f"{recipe}: [network]")
    settings = with_stores(settings, values["data"], values["weight"])
    training_data = open_training_data(settings, values["data"])
    if training_data.without_ef:
        click.echo(f"lvef: {training_data.without_ef} clips have no EF and are left out.", err=True)
    machine = Machine(*(values[name] for name in ("device", "devices", "num_nodes", "strategy", "workers")))
    options = RunOptions(out, machine, values["init"], recipe_name=find_recipe(recipe).name)
    return settings, training_data, options


def figures_text(figures: dict[str, float]) -> str:
    """Figures on one line."""
    return ", ".join(f"{name} {figures[name]:.4g}" for name in SHOWN if name in figures)


def _cross_validate(
    settings: Recipe, training_data: TrainingData, options: RunOptions, folds: int, *, as_json: bool
) -> None:
    from lvef.training.cross_validation import cross_validate

    def on_fold(number: int, fitted: FitResult) -> None:
        if fitted.figures:
            click.echo(f"Fold {number}: {figures_text(fitted.figures['held_out'])}", err=True)

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


def _command(values: Mapping[str, Any]) -> str:
    """The command line for the card: names of files, not their places on this machine."""
    words = ["lvef train", values["recipe"].name, *(f"--data {folder.name}" for folder in values["data"])]
    given = {"weight": "weight", "epochs": "epochs", "seed": "seed", "set": "changes", "init": "init"}
    for option, name in (given | {"folds": "folds", "fold": "fold"}).items():
        value = values[name]
        for one in value if isinstance(value, tuple) else (value,):
            if one is not None:
                words.append(f"--{option} {one.name if isinstance(one, Path) else one}")
    return " ".join([*words, "--out RUN"])
