"""``lvef demo``: the whole way on a real echo that is already on the machine, or on a phantom whose EF is known."""

from __future__ import annotations

import json
from contextlib import nullcontext, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lvef.cli.derived import build, options_from
from lvef.core.errors import DataError
from lvef.measure.options import MeasureOptions

if TYPE_CHECKING:
    from lvef.synthesis.truth import SyntheticClip

DEMO_FILE = "examples_ybr_color.dcm"
"""An apical four-chamber cine in the ``pydicom`` package: 30 frames in 1.0 s, no whole beat."""

PHANTOM_FILE, TRUTH_FILE = "phantom.avi", "phantom.truth.json"
"""The phantom's film and what is known of it, in the output folder."""

PHANTOM_SEED = 1
"""Seed of the phantom: the first one. It is not chosen for its answer."""

PHANTOM_EF_PERCENT = 55.0
"""EF of the phantom's ventricle in space."""

PHANTOM_RATE_BPM, PHANTOM_FRAME_RATE_HZ, PHANTOM_FRAMES = 70.0, 50.0, 150
"""Heart rate, frames a second and number of frames: three seconds, in which two or three beats are whole."""

DEFAULT_OUT = Path("lvef-demo")
"""Output folder where none is given."""


@click.command(
    epilog="""\b
Examples:
  lvef demo --out demo
  lvef demo --phantom"""
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=DEFAULT_OUT,
    show_default=True,
    help="Folder for the outputs.",
)
@click.option(
    "--phantom",
    is_flag=True,
    help="Measure the film of a computed heart instead, and show its known EF beside the measured one.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@options_from(MeasureOptions, only=("weights", "backend", "precision"))
@click.pass_context
def demo(ctx: click.Context, /, out: Path, phantom: bool, as_json: bool, **values: str) -> None:
    """Measure the real echo that comes with the pydicom package, and say where to look.

    With --phantom a heart is computed and filmed first, so that the true EF is known. Neither needs a file of yours or a
    network connection.
    """
    options = build(MeasureOptions, values)
    code = _measure_phantom(out, options, as_json) if phantom else _measure_echo(out, options, as_json)
    ctx.exit(code)


def _measure_echo(out: Path, options: MeasureOptions, as_json: bool) -> int:
    from pydicom.data import get_testdata_file

    from lvef.cli.measure import Request, run_request

    found = get_testdata_file(DEMO_FILE, download=False)
    if not isinstance(found, str):
        raise DataError(
            f"{DEMO_FILE} is missing from the installed pydicom: run pip install --force-reinstall pydicom."
        )
    code = run_request(Request(paths=(Path(found),), out=out, as_json=as_json, resume=False), options)
    _say_where(out / Path(DEMO_FILE).stem)
    return code


def _measure_phantom(out: Path, options: MeasureOptions, as_json: bool) -> int:
    """Make a phantom, write its film as a file, measure that file as any other, and show both EFs."""
    from lvef.cli.measure import Request, run_request
    from lvef.evaluation.output_folder import make_folder
    from lvef.measure.report import to_json
    from lvef.preparation.synthetic_files import write_truth, write_video

    make_folder(out)
    synthetic = make_phantom()
    film = out / PHANTOM_FILE
    write_video(film, synthetic)
    truth = write_truth(out / TRUTH_FILE, synthetic)
    printed = StringIO()
    with redirect_stdout(printed) if as_json else nullcontext():
        code = run_request(Request(paths=(film,), out=out, as_json=as_json, resume=False), options)
    if as_json:
        click.echo(to_json({"measurement": json.loads(printed.getvalue()), "truth": truth}), nl=False)
    else:
        _print_truth(out / film.stem, truth)
    click.echo(f"The film is {film}, all that is known of it {out / TRUTH_FILE}.", err=True)
    _say_where(out / film.stem)
    return code


def make_phantom() -> SyntheticClip:
    """The phantom of the demo: always the same, in an apical four-chamber view, with three seconds of sinus rhythm."""
    import numpy as np

    from lvef.synthesis.acquisition import RhythmKind
    from lvef.synthesis.phantom.case import PhantomOptions, draw_phantom
    from lvef.synthesis.phantom.render import render

    rng = np.random.default_rng(PHANTOM_SEED)
    options = PhantomOptions(
        ef_percent=PHANTOM_EF_PERCENT,
        heart_rate_bpm=PHANTOM_RATE_BPM,
        rhythm=RhythmKind.SINUS,
        frame_rate_hz=PHANTOM_FRAME_RATE_HZ,
        n_frames=PHANTOM_FRAMES,
    )
    return render(draw_phantom(rng, options, name=Path(PHANTOM_FILE).stem), rng)


def _print_truth(folder: Path, truth: dict[str, Any]) -> None:
    from lvef.measure.outputs import MEASUREMENT_NAME
    from lvef.measure.report import read_measurement

    plane, space = truth["plane_ef_percent"], truth["ef_percent"]
    found = read_measurement(folder / MEASUREMENT_NAME).ef_percent
    click.echo(
        f"Known EF: {plane:.1f} % by disks in the plane of the film, {space:.1f} % of the body in space."
    )
    if found is not None:
        click.echo(f"Measured EF: {found:.1f} %, {_difference(found - plane)} that of the plane.")


def _difference(points: float) -> str:
    return f"{abs(points):.1f} points {'above' if points > 0 else 'below'}"


def _say_where(folder: Path) -> None:
    from lvef.measure.outputs import OVERLAY_NAME, SUMMARY_NAME

    for name, what in ((SUMMARY_NAME, "the answer on one page"), (OVERLAY_NAME, "the film with contours")):
        if (folder / name).is_file():
            click.echo(f"Look at {folder / name}: {what}.", err=True)
