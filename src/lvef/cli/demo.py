"""``lvef demo``: measure a real echo that is already on the machine, or a phantom whose EF is known."""

from __future__ import annotations

import json
from contextlib import nullcontext, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import click

from lvef.cli.lazy import Verb
from lvef.cli.options import FOLDER, build, json_option, note, options_from, print_json, verbosity_options
from lvef.measure.options import MeasureOptions

PHANTOM_FILE, TRUTH_FILE = "phantom.avi", "phantom.truth.json"
"""The phantom's clip and its truth, in the output folder."""

DEFAULT_OUT = Path("lvef-demo")
"""Output folder where none is given."""


@click.command(cls=Verb)
@click.option(
    "-o", "--out", type=FOLDER, default=DEFAULT_OUT, show_default=True, help="Folder for the outputs."
)
@click.option(
    "--phantom",
    is_flag=True,
    help="Measure the clip of a synthetic phantom instead, and show its known EF beside the measured one.",
)
@json_option()
@options_from(MeasureOptions, only=("weights", "backend", "precision"))
@verbosity_options()
@click.pass_context
def demo(ctx: click.Context, /, out: Path, phantom: bool, as_json: bool, **values: str) -> None:
    """Measure a real echo: the cine of pydicom-data, or where that is not installed the shorter one of pydicom.

    With --phantom, measure a synthetic clip whose EF is known. Neither needs a file of yours or a network connection.

    Examples:
      lvef demo --out demo
      lvef demo --phantom
    """
    options = build(MeasureOptions, values)
    code = _measure_phantom(out, options, as_json) if phantom else _measure_echo(out, options, as_json)
    ctx.exit(code)


def _measure_echo(out: Path, options: MeasureOptions, as_json: bool) -> int:
    from lvef.cli.measure import Request, run_request
    from lvef.io.open import long_sample_cine, sample_cine

    clip = long_sample_cine() or sample_cine()
    code = run_request(Request(paths=(clip,), out=out, as_json=as_json, resume=False), options)
    _print_files(out / clip.stem)
    return code


def _measure_phantom(out: Path, options: MeasureOptions, as_json: bool) -> int:
    """Write the clip of a phantom to a file, measure that file, and show both EFs."""
    from lvef.cli.measure import Request, run_request
    from lvef.io.atomic import make_folder
    from lvef.stores.synthetic_files import write_truth, write_video
    from lvef.synthesis.phantom.render import sample_phantom

    make_folder(out)
    synthetic = sample_phantom()
    clip = out / PHANTOM_FILE
    write_video(clip, synthetic)
    truth = write_truth(out / TRUTH_FILE, synthetic)
    printed = StringIO()
    with redirect_stdout(printed) if as_json else nullcontext():
        code = run_request(Request(paths=(clip,), out=out, as_json=as_json, resume=False), options)
    if as_json:
        print_json({"measurement": json.loads(printed.getvalue()), "truth": truth})
    else:
        _print_truth(out / clip.stem, truth)
    note(f"Clip: {clip}. Truth: {out / TRUTH_FILE}.")
    _print_files(out / clip.stem)
    return code


def _print_truth(folder: Path, truth: dict[str, Any]) -> None:
    from lvef.measure.serializers import MEASUREMENT_NAME, read_measurement

    plane, space = truth["plane_ef_percent"], truth["ef_percent"]
    found = read_measurement(folder / MEASUREMENT_NAME).ef_percent
    click.echo(
        f"Known EF: {plane:.1f} % by disks in the plane of the clip, {space:.1f} % of the body in space."
    )
    if found is not None:
        click.echo(f"Measured EF: {found:.1f} %, {_difference(found - plane)} that in the plane.")


def _difference(points: float) -> str:
    return f"{abs(points):.1f} points {'above' if points > 0 else 'below'}"


def _print_files(folder: Path) -> None:
    from lvef.report.outputs import OVERLAY_NAME, SUMMARY_NAME

    for name, what in ((SUMMARY_NAME, "the result on one page"), (OVERLAY_NAME, "the clip with contours")):
        if (folder / name).is_file():
            note(f"Look at {folder / name}: {what}.")
