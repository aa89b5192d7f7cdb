"""``lvef train``: a network from a recipe and prepared stores, or from CAMUS."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lvef.cli.lazy import Verb
from lvef.cli.options import FILE, FOLDER, Integer, is_quiet, is_verbose, note, out_option
from lvef.cli.train_options import (
    LoggerNames,
    SharedArguments,
    print_result,
    training_extra,
    training_options,
)
from lvef.core.terms import SEGMENTATION, VIEW

if TYPE_CHECKING:
    from lvef.training.camus_run import CamusResult
    from lvef.training.cross_validation import CrossValidationResult
    from lvef.training.fit import FitResult
    from lvef.training.recipe import Recipe
    from lvef.training.run_folder import RunOptions
    from lvef.training.training_data import TrainingData

SHOWN = ("n", "mae", "mae_lengths", "rmse", "bias", "r", "r2", "median_mae", "ef_n", "ef_mae", "ef_negative")
"""Metrics that are printed, in this order."""

DEFAULT_FOLDS = 5
"""Folds of ``--fold`` without ``--folds``."""


@dataclass(frozen=True)
class TrainArguments(SharedArguments):
    """Values of the options of ``lvef train``."""

    folds: int | None = None
    """Cross-validation by patient with so many folds; with --fold, how many folds there are."""
    fold: int | None = None
    """Hold out this fold only, counted from 0. [folds: 5]"""
    start: Path | None = None
    """Segmentation: run whose weights are the first ones; the same fold must be held out."""
    animated: Path | None = None
    """Segmentation, view: file of animated stills; if missing, it is made by --workers processes. [default: in --out]"""
    average: tuple[Path, ...] = ()
    """Segmentation: train nothing, and write the mean of the weights of these runs; give it again for each run."""
    teachers: tuple[Path, ...] = ()
    """Segmentation: run whose probabilities are learned beside the labels, on the same images; give it again for each run,
    and their mean is learned. The same fold must be held out."""
    leave_out: Path | None = None
    """Segmentation, view: file of patients to hold out, one a line, in place of a fold."""
    from_frames: bool = False
    """Clip models: only learn first weights from single frames, of --data made by lvef data prepare volume-traces, and write
    start.pt into --out, for --init. [epochs: 20]"""
    loggers: tuple[str, ...] | None = None
    """Where the curves go, names with commas between them: csv, tensorboard, mlflow, wandb. [default: csv,tensorboard]"""
    fast_dev_run: bool = False
    """Only try the command: all steps, up to the exported model, on one batch, and write nothing."""

    @property
    def words(self) -> dict[str, Any]:
        """The options that the card's command repeats."""
        names = ("weight", "epochs", "seed", "init", "folds", "fold", "start", "animated", "average")
        named = {"set": self.changes, "teacher": self.teachers, "leave-out": self.leave_out}
        return {name: getattr(self, name) for name in names} | named


TRAIN_RANGES = {
    "folds": Integer(min=2),
    "start": FOLDER,
    "animated": FILE,
    "average": FOLDER,
    "teachers": FOLDER,
    "leave_out": FILE,
    "loggers": LoggerNames(),
}
"""What the options of `TrainArguments` may be, where their types are too general."""


@click.command(cls=Verb)
@training_options(TrainArguments, TRAIN_RANGES, {"teachers": "--teacher", "loggers": "--logger"})
@out_option("Folder of the run; made, or gone on from where an earlier start stopped.", required=True)
@click.option(
    "--resume/--fresh",
    default=True,
    show_default=True,
    help="Go on from the last checkpoint in --out, or remove what is there and start anew.",
)
def train(out: Path, resume: bool, as_json: bool, **values: Any) -> None:  # noqa: ANN401
    """Train the model of a RECIPE on prepared stores.

    RECIPE is a file, or the name of a recipe that comes with lvef (camus-seg, small-video, two-stream-tuned ...). Keeps the
    best and the last checkpoint, and at the end writes the network as it is served: model.onnx with its card. A run that
    was interrupted resumes with the same command, with the same result. Recipes of the families segmentation and
    view train on CAMUS itself and keep the last checkpoint.

    Examples:
      lvef train small-video --data STORE -o runs/small-video --fast-dev-run
      lvef train small-video --data STORE -o runs/small-video
      lvef train small-video --data A --data B --weight 0.5 --weight 1 -o run
      lvef train two-stream-report --data STORE -o runs/cv --folds 5
      lvef train r2plus1d-echonet --data STORE -o run --devices 4 --strategy ddp
      lvef train camus-seg --data CAMUS --start runs/start -o runs/all
      lvef train camus-view --data CAMUS --animated animated.npz -o runs/view
      lvef train camus-seg --data CAMUS --average run0 --average run1 -o mean
      lvef train camus-seg --data CAMUS --start a --teacher b --teacher c -o d

    Exit code: 0 done, 1 something failed, 2 usage error.
    """
    given = TrainArguments(**values)
    folds, fold = given.folds, given.fold
    with training_extra(), ExitStack() as stack:
        from lvef.training.callbacks import check_loggers
        from lvef.training.run_folder import RunOptions

        check_loggers(given.loggers or ())
        options = RunOptions(
            out,
            given.machine(),
            given.init,
            not resume,
            recipe_name=given.recipe_name,
            loggers=given.loggers,
            leave_out=given.leave_out,
            teachers=given.teachers,
            quiet=is_quiet(),
            verbose=is_verbose(),
            command=_command(given.recipe, given.data, given.words),
        )
        if given.fast_dev_run:
            from lvef.training.dev_run import dev_options

            if given.average:
                raise click.UsageError("--fast-dev-run tries a training; --average trains nothing.")
            fold = 0 if folds is not None and fold is None else fold
            options = stack.enter_context(dev_options(options))
        family = _family_of(given.recipe)
        of_fold = {"fold": fold} | ({"n_folds": folds} if folds else {})
        if given.start or given.average or given.teachers:
            if family != SEGMENTATION:
                raise click.UsageError(
                    "--start, --average and --teacher are for recipes of the family segmentation."
                )
            options = replace(options, init=given.start)
        if family in (SEGMENTATION, VIEW):
            if given.from_frames:
                raise click.UsageError("--from-frames is for recipes of clip models.")
            _train_on_camus(family, given, options, of_fold, given.animated, given.average, as_json)
            return
        if given.animated or given.leave_out:
            raise click.UsageError(
                "--animated and --leave-out are for recipes of the families segmentation and view."
            )
        if given.from_frames:
            _start_from_frames(given, options, as_json)
            return
        settings, training_data = given.prepared()
        if folds is not None and fold is None:
            _cross_validate(settings, training_data, options, folds, as_json=as_json)
            return
        from lvef.training.fit import fit

        n_folds = folds or DEFAULT_FOLDS
        if fold is not None:
            options = replace(options, fold=f"{fold} of {n_folds}")
        partition = training_data.partition(fold, n_folds)
        if given.fast_dev_run:
            from lvef.training.dev_run import small_partition, small_recipe

            settings, partition = small_recipe(settings), small_partition(partition)
        fitted = fit(settings, training_data, partition, options)
    if given.fast_dev_run:
        _show_trial(fitted.seconds, as_json)
        return
    if not fitted.figures:
        return  # not the first process of several
    print_result(fitted, as_json, _show)


def _family_of(recipe: Path) -> str:
    from lvef.training.recipe import find_recipe, read_values

    return str(read_values(find_recipe(recipe)).get("family", ""))


def _train_on_camus(
    family: str,
    given: SharedArguments,
    options: RunOptions,
    fold: dict[str, int | None],
    animated: Path | None,
    average: tuple[Path, ...],
    as_json: bool,
) -> None:
    from lvef.training import dev_run
    from lvef.training.camus_run import read_camus_recipe

    if len(given.data) != 1 or given.weight or given.init:
        first = ", first weights by --start," if family == SEGMENTATION else ""
        raise click.UsageError(
            f"Recipes of the family {family} take one --data CAMUS{first} and no --weight or --init."
        )
    if options.leave_out and fold["fold"] is not None:
        raise click.UsageError("Give either --fold or --leave-out.")
    if family == VIEW:
        from lvef.training.view import ViewRecipe, train_view

        changes = {name: value for name, value in fold.items() if value is not None}
        recipe = read_camus_recipe(ViewRecipe, given.recipe, given.settings | changes)
        recipe = dev_run.small_view(recipe) if options.fast_dev_run else recipe
        _show_run(train_view(recipe, given.data[0], options, animated), options, as_json)
        return
    from lvef.training.segmentation import SegmentationRecipe, average_runs, train_segmentation

    if "n_folds" in fold and fold["fold"] is None:
        raise click.UsageError("Segmentation trains one fold at a time; give --fold beside --folds.")
    settings = read_camus_recipe(SegmentationRecipe, given.recipe, given.settings | fold)
    settings = dev_run.small_segmentation(settings) if options.fast_dev_run else settings
    if average:
        done = average_runs(settings, average, given.data[0], options)
    else:
        done = train_segmentation(settings, given.data[0], options, animated)
    _show_run(done, options, as_json)
    if not (as_json or options.fast_dev_run or settings.backbone):
        click.echo(f"Measure with it: lvef measure --weights {done.network}.")


def _start_from_frames(given: SharedArguments, options: RunOptions, as_json: bool) -> None:
    from lvef.training.frame_start import EPOCHS, write_start
    from lvef.training.recipe import read_recipe

    recipe = read_recipe(given.recipe, given.settings)
    epochs = 1 if options.fast_dev_run else given.epochs or EPOCHS
    made = write_start(recipe, given.data, options, epochs, note)
    text = (
        f"{made.path}: lengths of lines off by {made.error:.3f} standard deviations on validation frames (always the "
        f"mean: {made.error_of_mean:.3f})."
    )
    print_result(made, as_json, lambda _: click.echo(text))


def _show_trial(seconds: float, as_json: bool) -> None:
    """Say that a trial run came to its end."""
    if as_json:
        click.echo(json.dumps({"fast_dev_run": True, "seconds": round(seconds, 1)}, indent=2))
    else:
        click.echo(
            f"One batch was trained and validated, and the model was exported, in {seconds:.0f} s. Nothing was written."
        )


def _show_run(done: CamusResult, options: RunOptions, as_json: bool) -> None:
    if options.fast_dev_run:
        _show_trial(60 * done.minutes, as_json)
        return
    print_result(done, as_json, _show_camus)


def _show_camus(done: CamusResult) -> None:
    resumed = f", {done.resumed} of them earlier" if done.resumed else ""
    click.echo(
        f"{done.out}: {_epochs(done.epochs)}{resumed}, {done.minutes:.1f} min. The model: {done.network}."
    )


def _epochs(n: int) -> str:
    return f"{n} epoch" if n == 1 else f"{n} epochs"


def metrics_text(figures: dict[str, float]) -> str:
    """Figures on one line."""
    return ", ".join(f"{name} {figures[name]:.4g}" for name in SHOWN if name in figures)


def _cross_validate(
    settings: Recipe, training_data: TrainingData, options: RunOptions, folds: int, *, as_json: bool
) -> None:
    from lvef.training.cross_validation import cross_validate

    def on_fold(number: int, fitted: FitResult) -> None:
        if fitted.figures:
            note(f"Fold {number}: {metrics_text(fitted.figures['held_out'])}")

    found = cross_validate(settings, training_data, options, folds, on_fold)
    print_result(found, as_json, _show_folds)


def _show_folds(found: CrossValidationResult) -> None:
    click.echo(f"{len(found.folds)} folds by patient, each evaluated on the patients it held out:")
    for name in SHOWN:
        if name in found.mean:
            click.echo(f"  {name:12} {found.mean[name]:.4g} +- {found.spread[name]:.3g}")
    click.echo(f"All held-out cases together: {metrics_text(found.pooled)}.")
    click.echo(f"{found.out}: predictions in held_out.csv, figures in folds.json.")


def _show(fitted: FitResult) -> None:
    went_on = f", {fitted.resumed} of them earlier" if fitted.resumed else ""
    click.echo(
        f"{fitted.out}: {_epochs(fitted.epochs)}{went_on}, best after epoch {fitted.best_epoch + 1}, {fitted.seconds:.0f} s."
    )
    for part, figures in fitted.figures.items():
        click.echo(f"  {part.replace('_', ' ')}: {metrics_text(figures)}")
    if fitted.network:
        click.echo(f"The model: {fitted.network} (lvef measure --weights {fitted.network}).")


def _command(recipe: Path, data: tuple[Path, ...], given: Mapping[str, Any]) -> str:
    """The command line for the card: names of files, not their places on this machine."""
    words = ["lvef train", recipe.name, *(f"--data {folder.name}" for folder in data)]
    for name, value in given.items():
        for one in value if isinstance(value, tuple) else (value,):
            if one is not None:
                words.append(f"--{name} {one.name if isinstance(one, Path) else one}")
    return " ".join([*words, "--out RUN"])
