"""``lvef evaluate --synthetic``: evaluation on clips with known truth."""

from __future__ import annotations

from pathlib import Path

from lvef.measure.options import MeasureOptions


def evaluate_synthetic(
    folder: Path, options: MeasureOptions, *, out: Path | None, as_json: bool, seed: int
) -> int:
    """Evaluate, print and write.

    Args:
        folder: The synthetic dataset.
        options: Model, engine, precision and threads.
        out: Folder for the page, tables and plots, or None.
        as_json: Print the summary as JSON.
        seed: Of the bootstrap.

    Returns:
        The exit code.

    Raises:
        LvefError: Nothing can be evaluated, or nothing can be written.
    """
    # Loaded here, so that help and usage errors stay fast.
    from lvef.cli.progress import show_progress
    from lvef.cli.show_tables import show_report, write_files
    from lvef.evaluation.results import exit_code_of, used_weights
    from lvef.evaluation.runner import CaseRunner
    from lvef.evaluation.synthetic.evaluation import SyntheticSettings, evaluate_clips
    from lvef.evaluation.synthetic.report import make_report
    from lvef.evaluation.synthetic.truth import read_dataset
    from lvef.io.atomic import make_folder
    from lvef.measure import pipeline

    clips = read_dataset(folder)
    measurer = pipeline.Measurer(options)
    if out is not None:
        make_folder(out)
    weights = used_weights(measurer.predictor, len(clips))
    settings = SyntheticSettings(folder, options, seed)
    with show_progress() as progress, CaseRunner(out, progress=progress) as runner:
        evaluation = evaluate_clips(settings, measurer, runner, weights=weights, clips=clips)
    report = make_report(evaluation, with_plots=out is not None)
    show_report(report, as_json=as_json)
    if out is not None:
        write_files(report, out, evaluation.resumed)
    return exit_code_of(evaluation.results)
