"""``lvef demo``: the whole way on a real echo that is already on the machine."""

from __future__ import annotations

from pathlib import Path

import click

from lvef.cli.derived import build, options_from
from lvef.core.errors import DataError
from lvef.measure.options import MeasureOptions

DEMO_FILE = "examples_ybr_color.dcm"
"""An apical four-chamber cine in the ``pydicom`` package: 30 frames in 1.0 s, no whole beat."""

DEFAULT_OUT = Path("lvef-demo")
"""Output folder where none is given."""


@click.command(epilog="Example: lvef demo --out demo")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=DEFAULT_OUT,
    show_default=True,
    help="Folder for the outputs.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@options_from(MeasureOptions, only=("weights", "backend", "precision"))
@click.pass_context
def demo(ctx: click.Context, /, out: Path, as_json: bool, **values: str) -> None:
    """Measure the real echo that comes with the pydicom package, and say where to look.

    It needs no file of yours and no network connection.
    """
    from pydicom.data import get_testdata_file

    from lvef.cli.measure import Request, run_request
    from lvef.measure.outputs import OVERLAY_NAME, SUMMARY_NAME

    found = get_testdata_file(DEMO_FILE, download=False)
    if not isinstance(found, str):
        raise DataError(
            f"{DEMO_FILE} is missing from the installed pydicom: run pip install --force-reinstall pydicom."
        )
    request = Request(paths=(Path(found),), out=out, as_json=as_json, resume=False)
    code = run_request(request, build(MeasureOptions, values))
    folder = out / Path(DEMO_FILE).stem
    for name, what in ((SUMMARY_NAME, "the answer on one page"), (OVERLAY_NAME, "the film with contours")):
        if (folder / name).is_file():
            click.echo(f"Look at {folder / name}: {what}.", err=True)
    ctx.exit(code)
