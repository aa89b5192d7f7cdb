"""Realism of synthetic images: phantoms and animated stills beside CAMUS A4C.

Run it as ``python -m studies.appearance --data CAMUS --phantoms FOLDER --motion FOLDER --out out/appearance``; each
folder is a collection from ``lvef synthesize``. Real stills go through the same padding and scaling as 112 x 112 cines. Its
output shows images of the collection: keep it out of repositories.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import lvef
from lvef.core.errors import DataError, run_main
from lvef.core.serialization import to_json
from lvef.core.terms import View
from lvef.datasets.camus import CamusStill, read_split, read_stills
from lvef.evaluation.report import RUN_NAME, earlier_files, last_name
from lvef.io.atomic import make_folder, remove_files, write_bytes_atomic, write_text_atomic
from lvef.measure.environment import describe_machine, package_versions
from studies.appearance.comparison import compare, measure_separability, samples_csv
from studies.appearance.plots import histograms_png, profiles_png, sheets
from studies.appearance.samples import ANIMATED, PHANTOM, Sample, read_collection, sample_of_still
from studies.appearance.tables import tables_md, to_values

RUN_SCHEMA = "lvef-appearance-run/1"
"""Version of the layout of ``run.json``."""

QUALITY = "Good"
"""Image quality of the stills that count, as the collection states it."""

SPLITS = ("training", "validation")
"""Parts of the collection that are used."""

SIZE_PX = 112
"""Side of the square at which images are compared."""


def main(argv: Sequence[str] | None = None) -> None:
    """Command line of this module."""
    args = _parser().parse_args(argv)
    if args.size < 48 or (args.limit is not None and args.limit < 1):
        raise DataError(
            f"--size {args.size} and --limit {args.limit}: at least 48 pixels and one clip were expected."
        )
    stills = [
        still
        for split in args.splits
        for still in read_stills(args.data, read_split(args.data, split))
        if still.view is View.A4C
    ]
    real = [s for s in stills if s.quality in args.quality]
    if not real:
        raise DataError(
            f"{args.data}: holds no A4C still of quality {', '.join(args.quality)}; give another --quality."
        )
    make_folder(args.out)
    delivered = [sample_of_still(s, None) for s in real]
    samples = [sample_of_still(s, args.size) for s in real]
    samples += _synthetic(PHANTOM, args.phantoms, args, stills) + _synthetic(
        ANIMATED, args.motion, args, stills
    )
    rows = compare(samples, delivered)
    separabilities = measure_separability(samples, rows)
    text = tables_md(rows, separabilities, args.size)
    images = {
        "histograms.png": histograms_png(samples, heading="Grey levels, ED and ES"),
        "profiles.png": profiles_png(samples, heading="Grey level across the endocardium"),
    } | sheets(samples, args.size)
    texts = {
        "tables.md": text,
        "appearance.json": to_json(to_values(rows, separabilities, args.size)),
        "pictures.csv": samples_csv(samples),
    }
    _write(args, texts, images)
    print(text)  # noqa: T201


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m studies.appearance",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, required=True, help="folder that holds database_nifti")
    parser.add_argument("--phantoms", type=Path, help="collection from lvef synthesize phantom")
    parser.add_argument("--motion", type=Path, help="collection from lvef synthesize motion")
    parser.add_argument("--out", type=Path, required=True, help="folder for tables and images")
    parser.add_argument(
        "--splits", nargs="+", choices=SPLITS, default=list(SPLITS), help="parts of the real stills"
    )
    parser.add_argument("--quality", nargs="+", default=[QUALITY], help="image qualities of the real stills")
    parser.add_argument("--size", type=int, default=SIZE_PX, help="side of the common square in pixels")
    parser.add_argument("--limit", type=int, help="most clips of each collection")
    return parser


def _synthetic(
    kind: str, folder: Path | None, args: argparse.Namespace, stills: Iterable[CamusStill]
) -> list[Sample]:
    """Samples of a collection. Animated stills of patients whose own stills are of another quality do not count."""
    if folder is None:
        return []
    others = {s.patient for s in stills if s.quality not in args.quality}
    found = [s for s in read_collection(kind, folder, args.size, args.limit) if s.patient not in others]
    if not found:
        raise DataError(
            f"{folder}: none of its clips is an A4C of a patient with images of quality {', '.join(args.quality)}."
        )
    print(f"{kind}: {len(found) // 2} clips of {last_name(folder)}", file=sys.stderr)  # noqa: T201
    return found


def _write(args: argparse.Namespace, texts: dict[str, str], images: dict[str, bytes]) -> None:
    earlier = earlier_files(args.out, RUN_SCHEMA)
    for name, data in images.items():
        write_bytes_atomic(args.out / name, data)
    for name, text in texts.items():
        write_text_atomic(args.out / name, text)
    written = sorted([*texts, *images])
    remove_files(args.out, earlier - set(written))
    settings = {
        name: last_name(value) if isinstance(value, Path) else value
        for name, value in vars(args).items()
        if name != "out"
    }
    record = {
        "schema": RUN_SCHEMA,
        "lvef_version": lvef.__version__,
        "settings": settings,
        "files": written,
        "machine": describe_machine(),
        "packages": package_versions(),
    }
    # Last, because it says that all the rest is there.
    write_text_atomic(args.out / RUN_NAME, to_json(record))


if __name__ == "__main__":
    run_main(main)
