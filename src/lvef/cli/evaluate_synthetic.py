"""``lvef evaluate --synthetic``: how well clips with known truth are measured."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lvef.measure.options import MeasureOptions

if TYPE_CHECKING:
    from lvef.evaluation.synthetic.run import Judgement, SyntheticPlan
    from lvef.evaluation.synthetic.summary import Summary


def check_words(given: Sequence[str], weights: Sequence[str]) -> None:
    """Refuse words that do not go with ``--synthetic``.

    Args:
        given: Options that were given and belong to stills.
        weights: Networks that were given.

    Raises:
        UsageError: With what to write instead.
    """
    if given:
        raise click.UsageError(
            f"{given[0]} does not go with --synthetic: it belongs to stills with expert masks, --data."
        )
    if len(weights) > 1:
        raise click.UsageError(
            "--synthetic wants one --weights: judge each network into a folder of its own."
        )


def evaluate_synthetic(
    folder: Path, options: MeasureOptions, *, out: Path | None, as_json: bool, seed: int
) -> int:
    """Judge, print and write.

    Args:
        folder: The synthetic collection.
        options: Network, engine, precision and threads.
        out: Folder for page, tables and pictures, or None.
        as_json: Print the summary as JSON.
        seed: Of the bootstrap.

    Returns:
        The exit code.

    Raises:
        LvefError: Nothing can be judged, or nothing can be written.
    """
    # Loaded here, so that help and wrong words answer at once.
    from lvef.evaluation.synthetic.run import SyntheticPlan
    from lvef.evaluation.synthetic.summary import summarise

    plan = SyntheticPlan(folder, options, seed)
    judgement = _judge(plan, out)
    summary = summarise(judgement, seed)
    _show(summary, as_json=as_json)
    if out is not None:
        from lvef.evaluation.synthetic.outputs import write_judgement

        written = write_judgement(out, summary, plan)
        resumed = f", {judgement.resumed} clips from an earlier run" if judgement.resumed else ""
        click.echo(
            f"Written to {out} in {judgement.seconds:.0f} s{resumed}: {len(written)} files; open {out / 'index.html'}.",
            err=True,
        )
    return judgement.exit_code


def _judge(plan: SyntheticPlan, out: Path | None) -> Judgement:
    from lvef.cli.progress import progress_bar
    from lvef.evaluation.output import make_folder
    from lvef.evaluation.results import used_weights
    from lvef.evaluation.synthetic.run import judge
    from lvef.evaluation.synthetic.truth_files import read_collection
    from lvef.measure import pipeline

    clips = read_collection(plan.folder)
    measurer = pipeline.Measurer(plan.options)
    if out is not None:
        make_folder(out)
    weights = used_weights(measurer.predictor, len(clips))
    with progress_bar(len(clips)) as (say, advance):
        return judge(
            plan,
            measurer,
            weights=weights,
            clips=clips,
            out=out,
            say=lambda sentence: say(f"lvef: {sentence}"),
            advance=advance,
        )


def _show(summary: Summary, *, as_json: bool) -> None:
    if as_json:
        from lvef.core.serialization import to_json
        from lvef.evaluation.synthetic.summary import to_values

        click.echo(to_json(to_values(summary)), nl=False)
    else:
        from lvef.cli.show_synthetic import print_summary

        print_summary(summary)
