"""``lvef evaluate``: models on stills with expert masks, on the clips of a dataset, on synthetic clips."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from lvef.cli.cluster import ray_options, ray_pool
from lvef.cli.lazy import VerbGroup
from lvef.cli.options import (
    PATH,
    Integer,
    build,
    combine,
    complete_models,
    json_option,
    note,
    options_from,
    out_option,
    seed_option,
    verbosity_options,
    workers_option,
)
from lvef.measure.options import MeasureOptions

F = TypeVar("F", bound=Callable[..., Any])

STILLS_SPLITS = ("validation", "training", "testing")
"""Splits of CAMUS; the first is the default."""

MANIFEST_SPLITS = ("test", "val", "train", "all")
"""Splits of a manifest; the first is the default."""

ENGINE = ("backend", "precision", "threads")
"""Options of measuring that evaluations have."""

MAX_OVERLAYS = 40
"""Cases that a contact sheet can hold."""

FORMER_OPTIONS = {"--data": "stills", "--manifest": "dataset", "--synthetic": "synthetic"}
"""Options of 0.1.0 in the place of the verbs."""


@dataclass(frozen=True)
class StillsArguments:
    """Values of the options of ``lvef evaluate stills`` beside those that all verbs have."""

    split: str | None = None
    """Patients to evaluate on. [default: validation]"""
    patients: Path | None = None
    """File with patient names, one a line, instead of a split."""
    runs: tuple[Path, ...] = ()
    """Folder of a training run with held-out.txt and its model; give it again for each fold. Every patient is evaluated with
    the model that has not seen it, and all are pooled."""
    robustness: bool = False
    """Also evaluate under 19 perturbations of the image (20 times as long)."""
    write_card: bool = False
    """Put the metrics into the model's card; they are then measured in f32."""


@dataclass(frozen=True)
class DatasetArguments:
    """Values of the options of ``lvef evaluate dataset`` beside those that all verbs have."""

    split: str | None = None
    """Clips to evaluate. [default: test]"""
    predictions: tuple[Path, ...] = ()
    """CSV of item and ef_percent (or predicted_percent) in place of a model; give it again for more."""
    train_cards: tuple[Path, ...] = ()
    """Model whose training patients must not be evaluated, beside those given: that of a file of predictions, or one that
    training began with."""
    runs: tuple[Path, ...] = ()
    """Folder of a training run whose loss curves are shown."""
    overlays: int = 0
    """So many evaluated cases, and as many of training, are shown with predicted and reference lines. [default: 0]"""


DATASET_RANGES: dict[str, click.ParamType[Any]] = {
    "split": click.Choice(MANIFEST_SPLITS),
    **dict.fromkeys(("predictions", "train_cards", "runs"), PATH),
    "overlays": Integer(0, MAX_OVERLAYS),
}
"""What the options of `DatasetArguments` may be, where their types are too general."""


def _common_options(weights: str) -> Callable[[F], F]:
    """What all three verbs share."""
    return combine(
        click.option(
            "--weights",
            multiple=True,
            shell_complete=complete_models,
            help=f"Installed model, or a folder with model.onnx and card.json{weights}.  "
            f"[default: {MeasureOptions.weights}]",
        ),
        options_from(MeasureOptions, only=ENGINE),
        out_option("Folder for page, tables and plots."),
        json_option("Print the summary as JSON instead of a table."),
        verbosity_options("Say on stderr what is done with each case."),
        seed_option("Seed of the bootstrap."),
    )


def _engine(values: Mapping[str, Any]) -> MeasureOptions:
    """Runtime, precision and threads of a command's values."""
    return MeasureOptions(**{name: values[name] for name in ENGINE})


def _refuse_former(ctx: click.Context, parameter: click.Parameter, value: str | None) -> None:
    if value is not None and ctx.get_parameter_source(parameter.name or "") is ParameterSource.COMMANDLINE:
        [option] = parameter.opts
        raise click.UsageError(
            f"{option} {value}: write lvef evaluate {FORMER_OPTIONS[option]} {value}.", ctx
        )


@click.group(
    cls=VerbGroup,
    epilog="Example: lvef evaluate stills CAMUS --out evaluation",
    # Options of 0.1.0 that stand beside the former ones must not be complained of first.
    context_settings={"ignore_unknown_options": True},
)
@combine(
    *(
        click.option(name, hidden=True, expose_value=False, is_eager=True, callback=_refuse_former)
        for name in FORMER_OPTIONS
    )
)
def evaluate() -> None:
    """Evaluate models with the code that measures.

    Prints each metric with its 95 % confidence interval, its reference and the baseline; with --out writes a page, tables
    and plots as well.
    """


@evaluate.command()
@click.argument("data", type=PATH)
@options_from(StillsArguments, ranges={"split": click.Choice(STILLS_SPLITS), "runs": PATH})
@_common_options("; give it again for each further model")
@click.pass_context
def stills(ctx: click.Context, /, out: Path | None, as_json: bool, write_card: bool, **values: Any) -> None:  # noqa: ANN401
    """Evaluate on stills with expert masks: overlap, distances, EF.

    DATA is the folder of the dataset CAMUS, with database_nifti and database_split in it.

    Examples:
      lvef evaluate stills CAMUS --out evaluation
      lvef evaluate stills CAMUS --patients held-out.txt --weights RUN/camus-seg
      lvef evaluate stills CAMUS --robustness -o evaluation
      lvef evaluate stills CAMUS --weights camus-seg --weights other -o both
      lvef evaluate stills CAMUS --runs fold0 --runs fold1 --runs fold2 -o pool
      lvef evaluate stills CAMUS --weights RUN/camus-seg --write-card

    Exit code: 0 done, 1 something failed, 2 usage error.
    """
    options, weights, runs = _engine(values), values["weights"], values["runs"]
    split, patients = values["split"], values["patients"]
    if split and patients:
        raise click.UsageError("Give either --split or --patients.")
    if runs and weights:
        raise click.UsageError("Give either --weights or --runs: a run names its own model.")
    if runs and (split or patients):
        raise click.UsageError("--runs goes without --split and --patients: a run names its own patients.")
    if write_card and runs:
        raise click.UsageError("--write-card does not go with --runs: the metrics belong to several models.")
    if write_card and len(weights) > 1:
        raise click.UsageError("--write-card needs one --weights: a card holds the metrics of its own model.")
    if write_card and options.precision not in ("auto", "f32"):
        raise click.UsageError(
            "--write-card needs --precision f32: a card holds metrics that every machine can repeat."
        )
    # Imported here and below, so that help and usage errors come at once.
    from lvef.cli.progress import show_progress
    from lvef.cli.show_tables import show_report
    from lvef.evaluation.runner import CaseRunner
    from lvef.evaluation.stills.evaluation import Plan, card_metrics, load_models, write_card_metrics
    from lvef.evaluation.stills.evaluation import evaluate as evaluate_stills
    from lvef.evaluation.stills.report import make_report
    from lvef.inference.card import CARD_NAME
    from lvef.io.atomic import check_writable

    options = replace(options, precision="f32") if write_card else options
    names = weights or (MeasureOptions.weights,)
    plan = build(Plan, values | {"split": split or STILLS_SPLITS[0], "weights": names, "options": options})
    models = load_models(plan)
    if write_card:
        predictor = models.models[0].predictor
        check_writable(predictor.entry.folder / CARD_NAME)
    with show_progress() as progress, CaseRunner(out, progress=progress) as runner:
        evaluation = evaluate_stills(plan, models, runner)
    report = make_report(evaluation, plan, with_files=out is not None)
    show_report(report, out, as_json=as_json)
    if write_card and evaluation.failed:
        note(
            f"The card of {predictor.entry.name} keeps its metrics, because not every still could be evaluated."
        )
    elif write_card:
        figures = card_metrics(evaluation, evaluation.labels[0])
        write_card_metrics(predictor.entry.folder, figures)
        note(f"{len(figures)} metrics written into the card of {predictor.entry.name}.")
    ctx.exit(1 if evaluation.failed else 0)


@evaluate.command()
@click.argument("manifest", type=PATH)
@options_from(
    DatasetArguments, ranges=DATASET_RANGES, names={"train_cards": "--train-card", "runs": "--losses"}
)
@workers_option("With --ray: workers; 0 takes one for each processor of the cluster.")
@ray_options
@_common_options("; give it again for each further model")
@click.pass_context
def dataset(ctx: click.Context, /, out: Path | None, as_json: bool, **values: Any) -> None:  # noqa: ANN401
    """Evaluate on the clips of a dataset: EF against the dataset's.

    MANIFEST is made by lvef data import or lvef synthesize.

    Examples:
      lvef evaluate dataset echonet.parquet --split test --overlays 8 -o out/ef
      lvef evaluate dataset echonet.parquet --weights A --weights B -o out/both
      lvef evaluate dataset echonet.parquet --predictions predictions.csv --json
      lvef evaluate dataset echonet.parquet -o out/ef --ray head:6379

    Exit code: 0 done, 1 something failed, 2 usage error, 3 only refusals.
    """
    options, ray = _engine(values), values["ray"]
    from lvef.cli.progress import show_progress
    from lvef.cli.show_tables import show_report
    from lvef.evaluation.dataset.analysis import analyse
    from lvef.evaluation.dataset.evaluation import Plan, load_inputs
    from lvef.evaluation.dataset.evaluation import evaluate as evaluate_dataset
    from lvef.evaluation.dataset.report import make_report
    from lvef.evaluation.runner import CaseRunner

    if ray is not None:
        # Without a number each worker would take all processors of its node.
        options = replace(options, threads=max(options.threads, 1))
    changed = {
        "split": values["split"] or MANIFEST_SPLITS[0],
        "weights": values["weights"] or (() if values["predictions"] else (options.weights,)),
        "overlays": values["overlays"] if out is not None else 0,
        "options": options,
    }
    plan = build(Plan, values | changed)
    inputs = load_inputs(plan)
    cluster = ray_pool(ray, values["worker_memory"], workers=values["workers"], threads=options.threads)
    with (
        cluster as pool,
        show_progress() as progress,
        CaseRunner(out, progress=progress, pool=pool) as runner,
    ):
        evaluation = evaluate_dataset(inputs, runner)
    report = make_report(
        analyse(evaluation, inputs.tracings, plan.seed), inputs, plan, with_files=out is not None
    )
    show_report(report, out, as_json=as_json)
    ctx.exit(evaluation.exit_code)


@evaluate.command()
@click.argument("folder", type=PATH)
@_common_options("; one only")
@click.pass_context
def synthetic(ctx: click.Context, /, folder: Path, out: Path | None, as_json: bool, **values: Any) -> None:  # noqa: ANN401
    """Evaluate on clips with known truth: EF, beats, timing, contours.

    FOLDER is made by lvef synthesize.

    Examples:
      lvef evaluate synthetic PHANTOMS --out out/phantoms
      lvef evaluate synthetic PHANTOMS --weights camus-seg --precision f32

    Exit code: 0 done, 1 something failed, 2 usage error, 3 only refusals.
    """
    options, weights = _engine(values), values["weights"]
    if len(weights) > 1:
        raise click.UsageError("Give one --weights: evaluate each model into a folder of its own.")
    from lvef.cli.progress import show_progress
    from lvef.cli.show_tables import show_report
    from lvef.evaluation.runner import CaseRunner, exit_code_of, used_weights
    from lvef.evaluation.synthetic.evaluation import SyntheticSettings, evaluate_clips
    from lvef.evaluation.synthetic.report import make_report
    from lvef.evaluation.synthetic.truth import read_dataset
    from lvef.measure import pipeline

    options = replace(options, weights=weights[0] if weights else options.weights)
    clips = read_dataset(folder)
    measurer = pipeline.Measurer(options)
    used = used_weights(measurer.predictor, len(clips))
    settings = SyntheticSettings(folder, options, values["seed"])
    with show_progress() as progress, CaseRunner(out, progress=progress) as runner:
        evaluation = evaluate_clips(settings, measurer, runner, weights=used, clips=clips)
    report = make_report(evaluation, with_plots=out is not None)
    show_report(report, out, as_json=as_json)
    ctx.exit(exit_code_of(evaluation.results))
