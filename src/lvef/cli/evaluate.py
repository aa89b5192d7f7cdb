"""``lvef evaluate``: models on stills with expert masks, on clips with known truth, on the clips of a dataset."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from lvef.cli.derived import build, options_from
from lvef.cli.evaluate_manifest import MAX_OVERLAYS
from lvef.cli.evaluate_manifest import SPLITS as MANIFEST_SPLITS
from lvef.measure.options import MeasureOptions

FILE = click.Path(path_type=Path)

SPLITS = ("validation", "training", "testing")
"""Splits of CAMUS; the first is the default."""

OF_STILLS = ("--data", "--synthetic", "--patients", "--runs", "--robustness", "--write-card")
"""Options that do not go with ``--manifest``."""

OF_MANIFESTS = ("--predictions", "--train-card", "--run", "--overlays")
"""Options that go with ``--manifest`` only."""


@click.command(
    epilog="""\b
Examples:
  lvef evaluate --data CAMUS --out evaluation
  lvef evaluate --data CAMUS --patients RUN/held-out.txt --weights RUN/camus-seg --robustness
  lvef evaluate --data CAMUS --weights camus-seg --weights other/network --out both
  lvef evaluate --data CAMUS --runs fold0 --runs fold1 --runs fold2 --out pooled
  lvef evaluate --data CAMUS --weights RUN/camus-seg --write-card
  lvef evaluate --synthetic PHANTOMS --out out/phantoms
  lvef evaluate --manifest echonet.parquet --weights A --weights B --split test --overlays 8 --out out/ef
  lvef evaluate --manifest echonet.parquet --predictions RUN/predictions.csv --split val --json

Exit code: 0 done, 1 something failed, 2 usage error, 3 only refusals."""
)
@click.option(
    "--data",
    type=FILE,
    help="Folder of the dataset CAMUS, with database_nifti and database_split in it.",
)
@click.option(
    "--synthetic",
    type=FILE,
    help="Folder made by lvef synthesize: evaluate its clips, whose truth is known, instead of stills.",
)
@click.option(
    "--manifest",
    type=FILE,
    help="Manifest of clips with EF (lvef data import): evaluate their EFs, instead of stills.",
)
@click.option(
    "--split",
    type=click.Choice((*SPLITS, *MANIFEST_SPLITS)),
    help="Patients to evaluate on, as the dataset splits them: validation, training or testing of --data, test, val, "
    "train or all of --manifest.  [default: validation, test]",
)
@click.option("--patients", type=FILE, help="File with patient names, one a line, instead of a split.")
@click.option(
    "--weights",
    multiple=True,
    help="Installed model, or a folder with model.onnx and card.json; give it again for each further model.  "
    f"[default: {MeasureOptions.weights}]",
)
@click.option(
    "--runs",
    type=FILE,
    multiple=True,
    help="Folder of a training run with held-out.txt and its model; give it again for each fold. Every patient is evaluated "
    "with the model that has not seen it, and all are pooled.",
)
@click.option(
    "--predictions",
    type=FILE,
    multiple=True,
    help="CSV of item and ef_percent (or predicted_percent) in place of a model, with --manifest; give it again for more.",
)
@click.option(
    "--train-card",
    "train_cards",
    type=FILE,
    multiple=True,
    help="Model whose training patients must not be evaluated, beside those given: that of a file of predictions, or one "
    "that training began with.",
)
@click.option(
    "--run",
    "loss_runs",
    type=FILE,
    multiple=True,
    help="Folder of a training run whose loss curves are shown, with --manifest.",
)
@click.option(
    "--overlays",
    type=click.IntRange(0, MAX_OVERLAYS),
    default=0,
    show_default=True,
    help="So many evaluated cases, and as many of training, are shown with predicted and reference lines, with --manifest.",
)
@click.option(
    "--robustness", is_flag=True, help="Also evaluate under 19 perturbations of the image (20 times as long)."
)
@options_from(MeasureOptions, only=("backend", "precision", "threads"))
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), help="Folder for page, tables and plots."
)
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON instead of a table.")
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the bootstrap."
)
@click.option(
    "--write-card",
    is_flag=True,
    help="Put the metrics into the model's card; they are then measured in f32.",
)
@click.pass_context
def evaluate(
    ctx: click.Context,
    /,
    data: Path | None,
    synthetic: Path | None,
    manifest: Path | None,
    split: str | None,
    patients: Path | None,
    weights: tuple[str, ...],
    runs: tuple[Path, ...],
    predictions: tuple[Path, ...],
    train_cards: tuple[Path, ...],
    loss_runs: tuple[Path, ...],
    overlays: int,
    robustness: bool,
    out: Path | None,
    as_json: bool,
    seed: int,
    write_card: bool,
    **engine: Any,  # noqa: ANN401
) -> None:
    """Evaluate models on stills with expert masks, on synthetic clips, or on the clips of a dataset.

    Every still is measured with the code that serves. Prints overlap with the masks and agreement of EF, each with its
    95 % interval, its reference and the baseline; with --out writes a page, tables and plots as well. With --synthetic
    whole clips are measured, and EF, beats and timing are compared with what is known of them. With --manifest the EF of
    each clip is compared with the dataset's, for one or more models or files of predictions.
    """
    options = build(MeasureOptions, engine)
    given = {
        **{"--data": data, "--synthetic": synthetic, "--manifest": manifest, "--split": split},
        **{"--patients": patients, "--weights": weights, "--runs": runs, "--robustness": robustness},
        **{"--write-card": write_card, "--predictions": predictions, "--train-card": train_cards},
        **{"--run": loss_runs, "--overlays": overlays},
    }
    _check(given, options.precision)
    if manifest is not None:
        from lvef.cli.evaluate_manifest import evaluate_manifest

        code = evaluate_manifest(
            manifest,
            options,
            split=split,
            weights=weights,
            predictions=predictions,
            train_cards=train_cards,
            runs=loss_runs,
            overlays=overlays,
            seed=seed,
            out=out,
            as_json=as_json,
        )
        ctx.exit(code)
    if synthetic is not None:
        from lvef.cli.evaluate_synthetic import evaluate_synthetic

        options = replace(options, weights=weights[0] if weights else options.weights)
        ctx.exit(evaluate_synthetic(synthetic, options, out=out, as_json=as_json, seed=seed))
    assert data is not None
    # Imported here, so that help and usage errors come at once.
    from lvef.cli.progress import show_progress
    from lvef.cli.show_tables import show_report, write_files
    from lvef.evaluation.stills.evaluation import card_figures, write_card_figures
    from lvef.evaluation.stills.evaluation import evaluate as evaluate_stills
    from lvef.evaluation.stills.models import Plan, load_models
    from lvef.evaluation.stills.report import make_report
    from lvef.inference.card import CARD_NAME
    from lvef.io.atomic import check_writable, make_folder

    options = replace(options, precision="f32") if write_card else options
    names = weights or (MeasureOptions.weights,)
    plan = Plan(data, split or SPLITS[0], patients, names, runs, robustness, seed, options)
    models = load_models(plan)
    if out is not None:
        make_folder(out)
    if write_card:
        [predictor] = models.folds[0].networks.values()
        check_writable(predictor.entry.folder / CARD_NAME)
    with show_progress() as progress:
        progress.start(models.steps)
        evaluation = evaluate_stills(plan, models, progress.advance)
    report = make_report(evaluation, plan, with_files=out is not None)
    show_report(report, as_json=as_json)
    if out is not None:
        write_files(report, out)
    if write_card:
        figures = card_figures(evaluation, evaluation.labels[0])
        write_card_figures(predictor.entry.folder, figures)
        click.echo(f"{len(figures)} metrics written into the card of {predictor.entry.name}.", err=True)


def _check(given: Mapping[str, Any], precision: str) -> None:
    """Refuse options that do not go together.

    Args:
        given: Option -> its value; false where it was not given.
        precision: Of the measuring.

    Raises:
        UsageError: With what to write instead.
    """

    def first_of(*names: str) -> str:
        return next((name for name in names if given[name]), "")

    split, weights, runs, write_card = (given[n] for n in ("--split", "--weights", "--runs", "--write-card"))
    stills = "it belongs to stills with expert masks, --data."
    if given["--manifest"]:
        if name := first_of(*OF_STILLS):
            raise click.UsageError(f"{name} does not go with --manifest: {stills}")
        if split and split not in MANIFEST_SPLITS:
            raise click.UsageError(
                f"--split {split} does not go with --manifest: it has {', '.join(MANIFEST_SPLITS)}."
            )
        return
    if name := first_of(*OF_MANIFESTS):
        raise click.UsageError(f"{name} goes with --manifest only.")
    if given["--synthetic"]:
        if name := first_of("--data", "--split", "--patients", "--runs", "--robustness", "--write-card"):
            raise click.UsageError(f"{name} does not go with --synthetic: {stills}")
        if len(weights) > 1:
            raise click.UsageError(
                "--synthetic needs one --weights: evaluate each model into a folder of its own."
            )
        return
    if not given["--data"]:
        raise click.UsageError(
            "Give --data CAMUS to evaluate on stills, --synthetic FOLDER to evaluate on synthetic clips, or --manifest FILE "
            "to evaluate on the clips of a dataset."
        )
    if split in MANIFEST_SPLITS:
        raise click.UsageError(f"--split {split} goes with --manifest; stills have {', '.join(SPLITS)}.")
    if split and given["--patients"]:
        raise click.UsageError("Give either --split or --patients.")
    if runs and weights:
        raise click.UsageError("Give either --weights or --runs: a run names its own model.")
    if runs and (split or given["--patients"]):
        raise click.UsageError("--runs goes without --split and --patients: a run names its own patients.")
    if write_card and runs:
        raise click.UsageError("--write-card does not go with --runs: the metrics belong to several models.")
    if write_card and len(weights) > 1:
        raise click.UsageError("--write-card needs one --weights: a card holds the metrics of its own model.")
    if write_card and precision not in ("auto", "f32"):
        raise click.UsageError(
            "--write-card needs --precision f32: a card holds metrics that every machine can repeat."
        )
