"""``lvef evaluate --manifest``: how well networks read the EFs of a manifest's clips."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lvef.measure.options import MeasureOptions

if TYPE_CHECKING:
    from lvef.evaluation.ef.entering import Entered
    from lvef.evaluation.ef.run import EfPlan
    from lvef.evaluation.ef.summary import EfSummary
    from lvef.evaluation.report import Plot

SPLITS = ("test", "val", "train", "all")
"""Parts of a manifest that can be judged; the first is the default."""

MOST_OVERLAYS = 40
"""Cases that a sheet can hold."""


def check_words(given: Sequence[str], split: str | None) -> None:
    """Refuse words that do not go with ``--manifest``.

    Args:
        given: Options that were given and belong to stills or synthetic collections.
        split: The split that was asked for.

    Raises:
        UsageError: With what to write instead.
    """
    if given:
        raise click.UsageError(
            f"{given[0]} does not go with --manifest: it belongs to stills with expert masks, --data."
        )
    if split is not None and split not in SPLITS:
        raise click.UsageError(f"--split {split} does not go with --manifest: it has {', '.join(SPLITS)}.")


def evaluate_manifest(
    manifest: Path,
    options: MeasureOptions,
    *,
    split: str | None,
    weights: Sequence[str],
    predictions: Sequence[Path],
    train_cards: Sequence[Path],
    runs: Sequence[Path],
    overlays: int,
    seed: int,
    out: Path | None,
    as_json: bool,
) -> int:
    """Judge, print and write.

    Args:
        manifest: The manifest's file.
        options: Engine, precision and threads.
        split: Part of the manifest, or None for the test part.
        weights: Names or folders of networks; without predictions the default network stands for none.
        predictions: Files of predictions.
        train_cards: Further networks whose training patients must not be judged on.
        runs: Folders of training runs whose losses are shown.
        overlays: Cases that are shown with their lines.
        seed: Of the bootstrap.
        out: Folder for page, tables and pictures, or None.
        as_json: Print the summary as JSON.

    Returns:
        The exit code.

    Raises:
        LvefError: Nothing can be judged, or nothing can be written.
    """
    # Loaded here, so that help and wrong words answer at once.
    from lvef.evaluation.ef.entering import enter
    from lvef.evaluation.ef.run import EfPlan

    plan = EfPlan(
        manifest,
        split or SPLITS[0],
        tuple(weights) or (() if predictions else (options.weights,)),
        tuple(predictions),
        tuple(train_cards),
        tuple(runs),
        overlays if out is not None else 0,
        seed,
        options,
    )
    entered = enter(plan)
    summary, pictures = _judge(plan, entered, out)
    _show(summary, as_json=as_json)
    if out is not None:
        from lvef.evaluation.ef.outputs import write_evaluation

        written = write_evaluation(out, summary, plan, pictures)
        e = summary.evaluation
        resumed = f", {e.resumed} clips from an earlier run" if e.resumed else ""
        click.echo(
            f"Written to {out} in {e.seconds:.0f} s{resumed}: {len(written)} files; open {out / 'index.html'}.",
            err=True,
        )
    return summary.evaluation.exit_code


def _judge(plan: EfPlan, entered: Entered, out: Path | None) -> tuple[EfSummary, dict[str, Plot]]:
    from lvef.cli.progress import progress_bar
    from lvef.evaluation.ef.run import Bench, judge
    from lvef.evaluation.ef.summary import summarise
    from lvef.evaluation.output import make_folder

    if out is not None:
        make_folder(out)
    with (
        progress_bar(entered.steps) as (say, advance),
        Bench(out, say=lambda sentence: say(f"lvef: {sentence}"), advance=advance) as bench,
    ):
        evaluation = judge(
            entered.selection,
            entered.networks,
            entered.predicted,
            bench,
            unknown=entered.unknown,
            notices=entered.notices,
        )
        training = {n.label: bench.measure(n, entered.training_cases) for n in entered.networks}
    summary = summarise(evaluation, entered.manual, plan.seed)
    if out is None:
        return summary, {}
    from lvef.evaluation.ef.pictures import make_pictures

    pictures = make_pictures(
        summary,
        entered.manual,
        overlays=plan.overlays,
        training=training if entered.training_cases else None,
        training_cases=entered.training_cases,
        losses=entered.losses,
    )
    return summary, pictures


def _show(summary: EfSummary, *, as_json: bool) -> None:
    if as_json:
        from lvef.core.serialization import to_json
        from lvef.evaluation.ef.tables import to_values

        click.echo(to_json(to_values(summary)), nl=False)
    else:
        from lvef.cli.show_ef import print_summary

        print_summary(summary)
