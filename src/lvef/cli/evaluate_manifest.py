"""``lvef evaluate --manifest``: models and files of predictions on the clips of a dataset."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lvef.measure.options import MeasureOptions

SPLITS = ("test", "val", "train", "all")
"""Parts of a manifest that can be evaluated; the first is the default."""

MAX_OVERLAYS = 40
"""Cases that a contact sheet can hold."""


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
    """Evaluate, print and write.

    Args:
        manifest: The manifest's file.
        options: Runtime, precision and threads.
        split: Part of the manifest, or None for the test part.
        weights: Names or folders of models; without predictions the default model stands for none.
        predictions: Files of predictions.
        train_cards: Further models whose training patients must not be evaluated.
        runs: Folders of training runs whose losses are shown.
        overlays: Cases that are shown with their lines.
        seed: Of the bootstrap.
        out: Folder for page, tables and plots, or None.
        as_json: Print the summary as JSON.

    Returns:
        The exit code.

    Raises:
        LvefError: Nothing can be evaluated, or nothing can be written.
    """
    # Imported here, so that help and usage errors come at once.
    from lvef.cli.progress import show_progress
    from lvef.cli.show_tables import show_report, write_files
    from lvef.evaluation.dataset.analysis import analyse
    from lvef.evaluation.dataset.evaluation import Plan, evaluate, load_inputs
    from lvef.evaluation.dataset.report import make_report
    from lvef.evaluation.runner import CaseRunner
    from lvef.io.atomic import make_folder

    plan = Plan(
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
    inputs = load_inputs(plan)
    if out is not None:
        make_folder(out)
    with show_progress() as progress, CaseRunner(out, progress=progress) as runner:
        evaluation = evaluate(inputs, runner)
    report = make_report(analyse(evaluation, inputs.tracings, seed), inputs, plan, with_files=out is not None)
    show_report(report, as_json=as_json)
    if out is not None:
        write_files(report, out, evaluation.resumed)
    return evaluation.exit_code
