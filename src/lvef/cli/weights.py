"""``lvef weights``: installed models, published networks made into such, and calibration of a model."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lvef.cli.lazy import VerbGroup
from lvef.cli.options import (
    PATH,
    build,
    is_quiet,
    json_option,
    note,
    options_from,
    out_option,
    print_json,
    verbosity_options,
    workers_option,
)
from lvef.evaluation.calibration import CalibrationCounts, CalibrationPlan
from lvef.measure.options import MeasureOptions

if TYPE_CHECKING:
    from lvef.inference.card import Card

READER = "echonet-dynamic"
"""Collection on whose training clips the published networks were trained."""

TRAINING_PATIENTS = 7465
"""Clips, one a patient, of its training split."""

LICENCE = "as published by its authors"
"""What the cards say; the authors' release names no licence for the weights, and their data has terms of its own."""

TITLES = {
    "echonet-ef": "EF of an apical four-chamber clip: EchoNet-Dynamic's video network, imported",
    "echonet-lv": "Left ventricle on apical four-chamber frames: EchoNet-Dynamic's segmentation, imported",
}
"""One line for people."""

LIMITS = {
    "echonet-ef": (
        "Its authors report an EF error of 4.1 points on their own test patients; nothing was measured here.",
    ),
    "echonet-lv": (
        "Marks the cavity alone: neither wall nor atrium, so what depends on them cannot be checked.",
        "Its authors report a Dice of .92 on their own test patients; nothing was measured here.",
    ),
}
"""Known weaknesses of each."""

LIMITS_OF_BOTH = (
    "Trained on apical four-chamber clips of one hospital, 112 x 112 pixels, cut to the sector.",
    "Mean and spread of the grey values are those of the training clips, to two decimals.",
)
"""Known weaknesses of both."""


@click.group(cls=VerbGroup)
def weights() -> None:
    """Models: what is installed, whether it is intact, import, calibration.

    A model is a folder with model.onnx and card.json. Nothing is downloaded: you fetch the file of a published model from
    its authors, lvef reads it.

    Examples:
      lvef weights list
      lvef weights verify
      lvef weights import echonet-ef r2plus1d_18_32_2_pretrained.pt -o echonet-ef
    """


@weights.command("list", short_help="Installed models, a line each.")
@json_option()
def list_(as_json: bool) -> None:
    """List the installed models: name, version, kind, EF error on other hospitals' clips, licence.

    Examples:
      lvef weights list
      lvef weights list --json
    """
    from lvef.cli.info import gather_models
    from lvef.core.errors import WeightsError

    models, problem = gather_models(None)
    if problem:
        raise WeightsError(problem)
    if as_json:
        print_json(models)
        return
    from lvef.cli.show import print_models

    print_models(models)


@weights.command(short_help="All that the card of a model says.")
@click.argument("model")
@json_option()
def info(model: str, as_json: bool) -> None:
    """Print all that the card of MODEL says: licence, training data, metrics with intervals, citation.

    MODEL is the name of an installed model, or a folder with model.onnx and card.json.

    Examples:
      lvef weights info camus-seg
      lvef weights info FOLDER --json
    """
    from lvef.cli.info import gather_models

    [facts], _ = gather_models(model)
    if as_json:
        print_json(facts)
        return
    from lvef.cli.show import print_model

    print_model(facts)


@weights.command(short_help="Hash, card and one inference of each model.")
@click.argument("models", nargs=-1, metavar="[MODEL]...")
@options_from(MeasureOptions, only=("backend",))
@json_option()
@verbosity_options("")
@click.pass_context
def verify(ctx: click.Context, models: tuple[str, ...], backend: str, as_json: bool) -> None:
    """Verify each MODEL, or all that are installed.

    The card is complete, model.onnx is the file for which the card was written (SHA-256), the engine loads it, one inference
    on zeros gives the output that the card states, and the calibration beside it belongs to it.

    Examples:
      lvef weights verify
      lvef weights verify camus-seg FOLDER --backend onnxruntime

    Exit code: 0 all is right, 1 a model is wrong, 2 usage error.
    """
    from lvef.core.errors import WeightsError
    from lvef.inference.card import CARD_NAME
    from lvef.inference.catalogue import find_model, model_folders
    from lvef.measure.verification import verify_model

    # A folder is verified even where its card is damaged; a name must be that of an installed model.
    folders = [
        Path(name) if (Path(name) / CARD_NAME).is_file() else find_model(name).folder for name in models
    ]
    found = [verify_model(folder, backend) for folder in folders or model_folders()]
    if not found:
        raise WeightsError('No model is installed: run pip install "lvef[weights]".')
    if as_json:
        print_json([asdict(one) | {"folder": str(one.folder)} for one in found])
    else:
        from lvef.cli.show import print_lines

        shown = [one for one in found if one.problem or not is_quiet()]
        print_lines(
            (f"{v.name} {v.version}".strip(), v.problem or f"ok: {', '.join(v.checked)}") for v in shown
        )
    ctx.exit(1 if any(one.problem for one in found) else 0)


@weights.command("import", short_help="A model that others published, from their file.")
@click.argument("name", type=click.Choice(list(TITLES)))
@click.argument("file", type=click.Path(path_type=Path))
@out_option("Folder to write.", required=True)
@click.option(
    "--crop",
    type=click.Choice(["fan", "whole"]),
    default="fan",
    show_default=True,
    help="Part of the image to use; whole for EchoNet-Dynamic's own clips, which are cropped already.",
)
@click.option("--half", is_flag=True, help="Store the weights in half precision: half the size on disk.")
@json_option("Print what was written as JSON.")
@verbosity_options("")
def import_(name: str, file: Path, out: Path, crop: str, half: bool, as_json: bool) -> None:
    """Make the checkpoint FILE of the published model NAME into a folder that lvef measure --weights takes.

    The file is read without running anything that it says. Needs torch, once; measuring with the result does not.

    Examples:
      lvef weights import echonet-ef r2plus1d_18_32_2_pretrained.pt -o echonet-ef
      lvef weights import echonet-lv deeplabv3_resnet50_random.pt -o echonet-lv
      lvef weights import echonet-lv deeplabv3_resnet50_random.pt -o half --half
      lvef measure clip.avi --weights echonet-ef

    Exit code: 0 model written, 1 something failed, 2 usage error.
    """
    from lvef.core.config import to_mapping
    from lvef.core.errors import MissingExtraError
    from lvef.core.journal import file_sha256
    from lvef.inference.card import CARD_NAME, MODEL_NAME
    from lvef.io.atomic import write_text_atomic

    try:
        from lvef.models.published import import_published
    except ImportError:
        raise MissingExtraError("Importing a model", "train") from None
    made = _make_folder(out, {CARD_NAME, MODEL_NAME})
    model = out / MODEL_NAME
    try:
        digest, parameters = import_published(name, file, model, half=half)
    except BaseException:
        if made:
            out.rmdir()
        raise
    card = _make_card(name, crop, half, digest, parameters, file_sha256(model))
    write_text_atomic(out / CARD_NAME, json.dumps(to_mapping(card), indent=2) + "\n")
    _print_import(card, file, digest, model, out, as_json)


def _make_card(name: str, crop: str, half: bool, digest: str, parameters: int, model_sha256: str) -> Card:
    """The card of an imported model; ``digest`` is of the authors' file, ``model_sha256`` of the ONNX file."""
    from lvef.core.terms import EF_CLIP, SEGMENTATION
    from lvef.datasets.registry import find_reader
    from lvef.inference.card import INTENDED_USE, NO_CHECK, Card, Training, sampling_text
    from lvef.models.published import CLIP_FRAMES, CLIP_STEP_S, RELEASE, SIDE_PX, find_published
    from lvef.transforms.spec import ClipSpec, InputSpec

    published, data = find_published(name), find_reader(READER)
    grey_as_it_is = 1 / 255  # the network scales by itself, each of its three channels
    clip = None
    if name == "echonet-ef":
        duration = (CLIP_FRAMES - 1) * CLIP_STEP_S
        clip = ClipSpec(CLIP_FRAMES, duration, size=SIDE_PX, crop=crop, mean=0.0, std=grey_as_it_is)
    return Card(
        name=name,
        version="1.0.0",
        kind=SEGMENTATION if clip is None else EF_CLIP,
        title=TITLES[name],
        licence=LICENCE,
        intended_use=INTENDED_USE,
        input=InputSpec(size=SIDE_PX, crop=crop, mean=0.0, std=grey_as_it_is, mirror=False)
        if clip is None
        else clip.square,
        classes=("background", "lv") if clip is None else (),
        architecture={
            "family": published.architecture,
            "parameters": parameters,
            "stored": "float16" if half else "float32",
            "published_as": RELEASE + published.file,
            "source_sha256": digest,
        },
        training=Training(
            data="EchoNet-Dynamic, training split, by its authors",
            licence=data.licence,
            citation=data.citation,
            patients=TRAINING_PATIENTS,
            patients_sha256="unknown",
            recipe="none: published by its authors",
            command=f"lvef weights import {name} {published.file}",
            minutes=0.0,
        ),
        model_sha256=model_sha256,
        sampling=sampling_text(clip),
        limits=(*((NO_CHECK,) if clip else ()), *LIMITS[name], *LIMITS_OF_BOTH),
        clip=clip,
    )


def _make_folder(out: Path, known: set[str]) -> bool:
    """Make the folder, and say whether it was made; one that holds other things is left alone."""
    from lvef.core.errors import DataError, explained

    with explained(DataError, f"{out}: cannot be made", "; name another folder."):
        if out.is_dir():
            foreign = sorted(p.name for p in out.iterdir() if p.name not in known)
            if foreign:
                raise DataError(
                    f"{out}: holds {foreign[0]} already; name a new folder, or one of an earlier import."
                )
            return False
        out.mkdir(parents=True)
    return True


def _print_import(card: Card, file: Path, digest: str, model: Path, out: Path, as_json: bool) -> None:

    size = model.stat().st_size
    note(f"Written. Use it with: lvef measure FILE --weights {out}")
    if as_json:
        values: dict[str, Any] = {
            "name": card.name,
            "folder": str(out),
            "kind": card.kind,
            "parameters": card.architecture["parameters"],
            "model_bytes": size,
            "model_sha256": card.model_sha256,
            "source_sha256": digest,
            "licence": card.licence,
            "citation": card.training.citation,
        }
        print_json(values)
        return
    click.echo(f"{file}: SHA-256 {digest}")
    click.echo(f"{out}: {card.title}; {card.architecture['parameters']:,} parameters, {size / 1e6:.0f} MB")
    click.echo(f"Weights: {card.licence}. Data: {card.training.licence}")
    click.echo(f"Cite: {card.training.citation}")


@weights.command(short_help="The prediction interval of a model.")
@click.argument("weights")
@click.option("--data", type=PATH, required=True, help="Folder of the dataset CAMUS.")
@click.option(
    "--run",
    type=PATH,
    required=True,
    help="Folder of a training run of the same recipe with held-out patients: held-out.txt and the model, which measures "
    "these patients.",
)
@out_option("Folder for synthetic clips, page, tables and plots.", required=True)
@options_from(CalibrationCounts)
@workers_option("Processes and cases at once; 0 leaves the choice to lvef.")
@options_from(MeasureOptions, only=("backend", "precision", "threads"))
@json_option("Print the summary as JSON instead of a table.")
@verbosity_options("Say on stderr what is done with each case.")
def calibrate(
    weights: str,
    data: Path,
    run: Path,
    out: Path,
    workers: int,
    as_json: bool,
    **values: Any,  # noqa: ANN401
) -> None:
    """Calibrate the prediction interval of the model WEIGHTS and write interval.json beside it.

    Measures pairs of stills, animated stills and phantoms with a known reference EF, fits the interval, and evaluates its
    coverage on patients and phantoms that were not used for the fit. An interrupted run resumes.

    Examples:
      lvef weights calibrate camus-seg --data CAMUS --run RUN -o out/calibration
      lvef weights calibrate FOLDER --data CAMUS --run RUN --phantoms 96 -o out

    Exit code: 0 done, 1 something failed, 2 usage error.
    """
    from lvef.cli.progress import show_progress
    from lvef.cli.show_tables import show_report
    from lvef.evaluation.calibration.run import run_calibration
    from lvef.io.atomic import make_folder

    options = build(MeasureOptions, values)
    plan = CalibrationPlan(weights, data, run, build(CalibrationCounts, values), options)
    make_folder(out)
    with show_progress() as progress:
        report, path = run_calibration(plan, out, workers, progress)
    show_report(report, out, as_json=as_json)
    note(f"Prediction interval written to {path}.")
