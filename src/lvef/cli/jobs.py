"""What can be measured, for the commands that measure: files, folders, a pair of stills, two views, a whole study."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lvef.cli.options import FOLDER, PATH, combine
from lvef.core.errors import ConfigError, DataError, GeometryError
from lvef.core.terms import View
from lvef.measure.options import MeasureOptions

if TYPE_CHECKING:
    from lvef.measure.batch import Job
    from lvef.measure.pipeline import Measurer
    from lvef.measure.results import Result

LINE = "X1,Y1,X2,Y2,MM"
"""Form of a line of known length."""

DEFAULT_OUT = Path("lvef-out")
"""Output folder where none is given."""


SECTIONS = {
    "Input": ("ed", "es", "a4c", "a2c", "study"),
    "Output": ("out", "as_json", "format", "video", "summary", "resume"),
    "Corrections": ("clip", "correction", "reader"),
    "Model": ("weights", "backend", "precision", "threads", "second_opinion", "per_beat", "thresholds"),
    "View and patient": ("view", "sex", "height_cm", "weight_kg"),
    "Frames": ("ed_frame", "es_frame", "frame_rate_hz", "max_frames"),
    "Scale": (
        "mm_per_px",
        "scale_line",
        "a2c_mm_per_px",
        "a2c_scale_line",
        "a2c_keeps_scale",
        "prefer_manual_scale",
    ),
}
"""Headings of the help of commands that measure."""

METAVARS = {"scale_line": LINE, "a2c_scale_line": LINE}
"""What help shows in place of the type."""


@dataclass(frozen=True)
class Inputs:
    """What is to be measured, one of the four ways.

    Attributes:
        paths: Clips and folders.
        ed: ED still of a pair, or None.
        es: ES still of a pair, or None.
        a4c: A4C clip of a biplane study, or None.
        a2c: A2C clip of a biplane study, or None.
        study: Folder of all clips of a study, or None.
    """

    paths: tuple[Path, ...] = ()
    ed: Path | None = None
    es: Path | None = None
    a4c: Path | None = None
    a2c: Path | None = None
    study: Path | None = None


input_options = combine(
    click.argument("paths", nargs=-1, type=PATH, metavar="PATH..."),
    click.option("--ed", type=PATH, help="End-diastolic still of a pair; goes with --es."),
    click.option("--es", type=PATH, help="End-systolic still of a pair; goes with --ed."),
    click.option("--a4c", type=PATH, help="Apical four-chamber clip of a biplane study; goes with --a2c."),
    click.option("--a2c", type=PATH, help="Apical two-chamber clip of a biplane study; goes with --a4c."),
    click.option(
        "--study",
        type=FOLDER,
        help="Folder with all clips of one study: each clip is measured; the best A4C and the best A2C give the biplane EF.",
    ),
)
"""The argument and the options of `Inputs`."""


def check_inputs(inputs: Inputs, options: MeasureOptions) -> None:
    """Refuse arguments that do not go together.

    Raises:
        UsageError: With what to write instead.
    """
    pair, biplane = (inputs.ed, inputs.es), (inputs.a4c, inputs.a2c)
    for names, given in (("--ed and --es", pair), ("--a4c and --a2c", biplane)):
        if any(given) and not all(given):
            raise click.UsageError(f"{names} go together: give both.")
    ways = [bool(inputs.paths), any(pair), any(biplane), inputs.study is not None]
    if sum(ways) == 0 and Path(options.second_opinion).exists() and options.second_opinion:
        raise click.UsageError(
            f"--second-opinion took {options.second_opinion} as the name of a model: write --second-opinion "
            "after the files, or give a model, as in --second-opinion=auto."
        )
    if sum(ways) == 0:
        raise click.UsageError("Give a file or folder, or --ed with --es, or --a4c with --a2c, or --study.")
    if sum(ways) > 1:
        raise click.UsageError(
            "Give either files, or a pair (--ed, --es), or a biplane study (--a4c, --a2c), or --study."
        )
    if inputs.study is not None and options.view is not View.UNKNOWN:
        raise click.UsageError("--view states the view of one clip, but --study measures many: omit it.")
    if (options.ed_frame is None) != (options.es_frame is None):
        raise click.UsageError("--ed-frame and --es-frame go together: give both.")
    if options.ed_frame is not None and not inputs.paths:
        raise click.UsageError(
            "--ed-frame and --es-frame choose frames of one clip; a pair or a biplane study has none."
        )
    if inputs.a4c is None and (options.a2c_mm_per_px, options.a2c_scale_line) != (None, None):
        raise click.UsageError(
            "--a2c-mm-per-px and --a2c-scale-line belong to a biplane study (--a4c, --a2c); otherwise give --mm-per-px or "
            "--scale-line."
        )
    _check_scale(options)
    if (options.height_cm is None) != (options.weight_kg is None):
        raise click.UsageError("--height-cm and --weight-kg go together: give both.")
    if options.height_cm is not None and options.weight_kg is not None:
        from lvef.geometry.ejection import body_surface_area

        try:
            body_surface_area(options.height_cm, options.weight_kg)
        except GeometryError as error:
            raise click.UsageError(str(error)) from None


def _check_scale(options: MeasureOptions) -> None:
    from lvef.measure.manual_scale import check_scale_options

    try:
        check_scale_options(options)
    except ConfigError as error:
        raise click.UsageError(str(error)) from None


def is_one(inputs: Inputs) -> bool:
    """Whether one result was asked for: the shape of JSON follows from the arguments, not from what was found."""
    return not inputs.paths or (len(inputs.paths) == 1 and not inputs.paths[0].is_dir())


def find_files(paths: Sequence[Path]) -> list[Path]:
    """The files, and folders of stills, behind the paths given. A missing one stays: it fails on its own.

    Raises:
        DataError: A folder without an echo file.
    """
    from lvef.io.formats import ARCHIVE_SUFFIXES
    from lvef.io.open import find_clips, find_inputs

    found: dict[Path, None] = {}
    for path in paths:
        inside = find_inputs([path]) if path.exists() else [path]
        if not inside:
            packed = sorted(p.name for p in path.rglob("*") if p.suffix.lower() in ARCHIVE_SUFFIXES)[:3]
            remedy = f"it holds {', '.join(packed)}: unpack that" if packed else "check the path"
            raise DataError(f"{path} is a folder in which no echo file was found: {remedy}.")
        found |= dict.fromkeys(inside)
    return find_clips(found)


def make_jobs(inputs: Inputs, files: Sequence[Path], measurer: Measurer) -> list[Job]:
    """What there is to measure.

    Args:
        inputs: What was given.
        files: The files behind ``inputs.paths``.
        measurer: Measures them.
    """
    from lvef.measure.batch import Job
    from lvef.measure.results import Result

    def clip(path: Path) -> Callable[[], Result]:
        return lambda: Result(*measurer.measure(path))

    if inputs.ed is not None and inputs.es is not None:
        ed, es = inputs.ed, inputs.es
        return [Job((ed, es), lambda: Result(*measurer.measure_pair(ed, es)), "pair")]
    if inputs.a4c is not None and inputs.a2c is not None:
        a4c, a2c = inputs.a4c, inputs.a2c

        def both() -> Result:
            measurement, parts = measurer.measure_biplane(a4c, a2c)
            return Result(measurement, None, parts)

        return [Job((a4c, a2c), both, "biplane")]
    if inputs.study is not None:
        folder = inputs.study
        if not folder.is_dir():
            raise DataError(f"{folder}: there is no such folder; give the folder of the clips of one study.")
        inside = find_files([folder])

        def whole() -> Result:
            measurement, parts = measurer.measure_study(folder, inside)
            return Result(measurement, None, parts)

        return [Job(tuple(inside), whole, "study", folder)]
    return [Job((path,), clip(path)) for path in files]
