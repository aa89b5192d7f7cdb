"""``lvef evaluate``: networks on stills with expert masks, on clips with known truth, on the EFs of a manifest."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lvef.cli.derived import build, options_from
from lvef.cli.evaluate_manifest import MAX_OVERLAYS
from lvef.cli.evaluate_manifest import SPLITS as MANIFEST_SPLITS
from lvef.measure.options import MeasureOptions

if TYPE_CHECKING:
    from lvef.evaluation.stills.evaluation import Evaluation
    from lvef.evaluation.stills.models import EvaluatedModels, Plan

FILE = click.Path(path_type=Path)

SPLITS = ("validation", "training", "testing")
"""Parts of the collection that can be judged on."""


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
    help="Folder of the collection CAMUS, with database_nifti and database_split in it.",
)
@click.option(
    "--synthetic",
    type=FILE,
    help="Folder made by lvef synthesize: judge its clips, whose truth is known, instead of stills.",
)
@click.option(
    "--manifest",
    type=FILE,
    help="Manifest of clips with EF (lvef data import): judge the EFs, instead of stills.",
)
@click.option(
    "--split",
    type=click.Choice((*SPLITS, *MANIFEST_SPLITS)),
    help="Patients to judge on, as the collection splits them: validation, training or testing of --data, test, val, train "
    "or all of --manifest.  [default: validation, test]",
)
@click.option("--patients", type=FILE, help="File with patient names, one a line, instead of a split.")
@click.option(
    "--weights",
    multiple=True,
    help="Installed network, or a folder with model.onnx and card.json; give it again for each further network.  "
    f"[default: {MeasureOptions.weights}]",
)
@click.option(
    "--runs",
    type=FILE,
    multiple=True,
    help="Folder of a training run with held-out.txt and its network; give it again for each fold. Every patient is judged "
    "by the network that has not seen it, and all are pooled.",
)
@click.option(
    "--predictions",
    type=FILE,
    multiple=True,
    help="CSV of item and ef_percent (or predicted_percent) in place of a network, with --manifest; give it again for more.",
)
@click.option(
    "--train-card",
    "train_cards",
    type=FILE,
    multiple=True,
    help="Network whose training patients must not be judged on, beside those given: that of a file of predictions, or one "
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
    help="So many judged cases, and as many of training, are shown with predicted and manual lines, with --manifest.",
)
@click.option(
    "--robustness", is_flag=True, help="Also judge under 19 changes of the picture (20 times as long)."
)
@options_from(MeasureOptions, only=("backend", "precision", "threads"))
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), help="Folder for page, tables and pictures."
)
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON instead of a table.")
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the bootstrap."
)
@click.option(
    "--write-card",
    is_flag=True,
    help="Put the figures into the network's card; they are then measured in f32.",
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
    """Judge networks on stills with expert masks, on synthetic clips, or on the EFs of a manifest.

    Every still goes through the code that serves. Prints overlap with the masks and agreement of EF, each with its 95 %
    interval, its reference and the trivial answer; with --out writes a page, tables and pictures as well. With --synthetic
    whole clips are measured, and EF, beats and timing are compared with what is known of them. With --manifest the EF of
    each clip is compared with the collection's, for one or more networks or files of predictions.
    """
    options = build(MeasureOptions, engine)
    of_stills: dict[str, object] = {"--patients": patients, "--runs": runs, "--robustness": robustness}
    of_stills |= {"--write-card": write_card}
    of_manifests: dict[str, object] = {"--predictions": predictions, "--train-card": train_cards}
    of_manifests |= {"--run": loss_runs, "--overlays": overlays}
    if manifest is not None:
        from lvef.cli import evaluate_manifest as for_manifest

        others = {"--data": data, "--synthetic": synthetic} | of_stills
        for_manifest.check_options([name for name, value in others.items() if value], split)
        ctx.exit(
            for_manifest.evaluate_manifest(
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
        )
    wrong = [name for name, value in of_manifests.items() if value]
    if wrong:
        raise click.UsageError(f"{wrong[0]} goes with --manifest only.")
    if synthetic is not None:
        from lvef.cli.evaluate_synthetic import check_options, evaluate_synthetic

        stills = {"--data": data, "--split": split} | of_stills
        check_options([name for name, value in stills.items() if value], weights)
        options = replace(options, weights=weights[0] if weights else options.weights)
        ctx.exit(evaluate_synthetic(synthetic, options, out=out, as_json=as_json, seed=seed))
    if data is None:
        raise click.UsageError(
            "Give --data CAMUS to judge on stills, --synthetic FOLDER to judge on made clips, or --manifest FILE to "
            "judge on the EFs of a collection."
        )
    if split in MANIFEST_SPLITS:
        raise click.UsageError(f"--split {split} goes with --manifest; stills have {', '.join(SPLITS)}.")
    _check(split, patients, weights, runs, write_card, options.precision)
    if write_card:
        options = replace(options, precision="f32")
    # Loaded here, so that help and usage errors stay fast.
    from lvef.evaluation.output import make_folder
    from lvef.evaluation.stills.models import Plan, load_models
    from lvef.inference.card import CARD_NAME
    from lvef.io.atomic import check_writable

    plan = Plan(
        data,
        split or SPLITS[0],
        patients,
        weights or (MeasureOptions.weights,),
        runs,
        robustness,
        seed,
        options,
    )
    models = load_models(plan)
    if out is not None:
        make_folder(out)
    if write_card:
        [predictor] = models.folds[0].networks.values()
        check_writable(predictor.entry.folder / CARD_NAME)
    found = _run(plan, models)
    _show(found, as_json=as_json)
    if out is not None:
        from lvef.evaluation.stills.outputs import write_evaluation

        written = write_evaluation(out, found, plan)
        click.echo(
            f"Written to {out} in {found.seconds:.0f} s: {len(written)} files; open {out / 'index.html'}.",
            err=True,
        )
    if write_card:
        from lvef.evaluation.stills.evaluation import card_figures
        from lvef.evaluation.stills.outputs import write_card_figures

        figures = card_figures(found, next(iter(found.figures)))
        write_card_figures(predictor.entry.folder, figures)
        click.echo(f"{len(figures)} figures written into the card of {predictor.entry.name}.", err=True)


def _check(
    split: str | None,
    patients: Path | None,
    weights: tuple[str, ...],
    runs: tuple[Path, ...],
    write_card: bool,
    precision: str,
) -> None:
    """Refuse words that do not go together.

    Raises:
        UsageError: With what to write instead.
    """
    if split and patients:
        raise click.UsageError("Give either --split or --patients.")
    if runs and weights:
        raise click.UsageError("Give either --weights or --runs: a run names its own network.")
    if runs and (split or patients):
        raise click.UsageError("--runs goes without --split and --patients: a run names its own patients.")
    if write_card and runs:
        raise click.UsageError(
            "--write-card does not go with --runs: the figures belong to several networks."
        )
    if write_card and len(weights) > 1:
        raise click.UsageError(
            "--write-card wants one --weights: a card holds the figures of its own network."
        )
    if write_card and precision not in ("auto", "f32"):
        raise click.UsageError(
            "--write-card wants --precision f32: a card holds figures that every machine can repeat."
        )


def _run(plan: Plan, models: EvaluatedModels) -> Evaluation:
    from lvef.cli.progress import show_progress
    from lvef.evaluation.stills.evaluation import evaluate as judge

    with show_progress() as progress:
        progress.start(models.steps)
        return judge(plan, models, progress.advance)


def _show(found: Evaluation, *, as_json: bool) -> None:
    if as_json:
        from lvef.core.serialization import to_json
        from lvef.evaluation.stills.summary import to_summary

        click.echo(to_json(to_summary(found)), nl=False)
    else:
        from lvef.cli.show_stills import print_evaluation

        print_evaluation(found)
