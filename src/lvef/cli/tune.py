"""``lvef tune``: better settings for a recipe, by a grid or by a search."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lvef.cli.lazy import Verb
from lvef.cli.options import Integer, is_quiet, is_verbose, note, out_option
from lvef.cli.train_options import SharedArguments, print_result, training_extra, training_options

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

    from lvef.training.tune import TuneResult

GRIDS = ("report",)
"""Values of ``--grid``; `lvef.training.tune` has them too, but loads torch."""

DEFAULT_TRIALS = 20
"""Trials of a search."""


@click.command(cls=Verb)
@training_options(SharedArguments)
@out_option("Folder of the search; made, or gone on from.", required=True)
@click.option(
    "--grid", type=click.Choice(GRIDS), help="Run through a grid; report has the report's 16 points."
)
@click.option(
    "--trials",
    type=Integer(min=1),
    help=f"Search with so many trials over all processes that share the storage.  [default: {DEFAULT_TRIALS}]",
)
@click.option(
    "--storage",
    help="Address of a database (sqlite:///FILE, postgresql://...) or path of a journal file that all processes "
    "see.  [default: a journal in --out]",
)
def tune(
    as_json: bool,
    out: Path,
    grid: str | None,
    trials: int | None,
    storage: str | None,
    **shared: Any,  # noqa: ANN401
) -> None:
    """Look for the settings of a RECIPE with the lowest validation loss.

    What a search varies stands under [search] in the recipe. Several processes and machines may share one search: give each
    the same command and a --storage and --out that all of them see. A search that was stopped goes on when the command is
    given again, each trial from its last checkpoint.

    Examples:
      lvef tune two-stream-report --data STORE --out runs/grid --grid report
      lvef tune small-video --data STORE --out runs/search --trials 30
      lvef tune small-video --data STORE -o run --storage postgresql://host/lvef

    Exit code: 0 done, 1 something failed, 2 usage error.
    """
    if grid is not None and trials is not None:
        raise click.UsageError("--grid and --trials exclude each other: a grid has its number of trials.")
    given = SharedArguments(**shared)
    with training_extra():
        from lvef.training.run_folder import RunOptions
        from lvef.training.tune import Search
        from lvef.training.tune import tune as look

        settings, training_data = given.prepared()
        options = RunOptions(
            out,
            given.machine(),
            given.init,
            recipe_name=given.recipe_name,
            quiet=is_quiet(),
            verbose=is_verbose(),
        )
        search = Search(out, grid, trials or DEFAULT_TRIALS, storage, options)
        found = look(settings, training_data, search, _print_trial)
    print_result(found, as_json, _show)
    if not found.best:
        click.get_current_context().exit(1)


def _print_trial(trial: FrozenTrial) -> None:
    loss = "" if trial.value is None else f", validation loss {trial.value:.5g}"
    note(f"Trial {trial.number + 1}: {trial.state.name.lower()}{loss}")


def _show(found: TuneResult) -> None:
    ordered = sorted(
        found.trials, key=lambda row: float("inf") if row["val_loss"] is None else row["val_loss"]
    )
    for row in ordered:
        settings = ", ".join(f"{k} {_short(v)}" for k, v in row.items() if "." in k or k == "batch_size")
        loss = "         -" if row["val_loss"] is None else f"{row['val_loss']:10.5g}"
        click.echo(f"{loss}  {row['state']:9} {settings}")
    if found.best:
        click.echo(f"{found.out}: best settings in best.toml, all trials in trials.csv.")
    else:
        click.echo(f"{found.out}: no trial ended with a loss that is a number.", err=True)


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
