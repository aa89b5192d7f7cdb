"""What is decided of each file: view, decision, EF with its 90 % prediction interval, and the reason.

    python -m studies.decisions FOLDER...
    python -m studies.decisions

Without a folder: the ultrasound files of pydicom and, where it is installed, of pydicom-data. Prints a Markdown table. A
single still has no EF: the table says whether its view alone would be refused, as in a pair of stills.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

import pydicom
from pydicom.data.data_manager import DATA_ROOT
from pydicom.errors import InvalidDicomError

from lvef.core.errors import DataError, run_main
from lvef.core.short_wording import first_note, short_text
from lvef.core.terms import View
from lvef.core.wording import VIEW_TEXT
from lvef.measure.decision import CAUTION_CODES
from lvef.measure.options import MeasureOptions
from lvef.measure.pipeline import Measurer
from studies.view_recognition import decide


def ultrasound_files() -> Iterator[Path]:
    """Ultrasound files of the packages pydicom and pydicom-data."""
    found = find_spec("data_store")
    more = [] if found is None or found.origin is None else [Path(found.origin).parent / "data"]
    for folder in (Path(DATA_ROOT) / "test_files", *more):
        for path in sorted(folder.glob("*.dcm")):
            try:
                with warnings.catch_warnings(action="ignore"):
                    header = pydicom.dcmread(path, specific_tags=["Modality"], stop_before_pixels=True)
            except (InvalidDicomError, OSError, EOFError, ValueError):
                continue
            if header.get("Modality") == "US":
                yield path


def files_of(given: Sequence[Path]) -> list[Path]:
    """The files given, and those in the folders given, except texts.

    Raises:
        DataError: There is no file.
    """
    found = [path for one in given for path in (sorted(one.rglob("*")) if one.is_dir() else [one])]
    files = [path for path in found if path.is_file() and path.suffix not in (".md", ".txt")]
    if given and not files:
        raise DataError(f"{', '.join(map(str, given))}: no file found; a folder with clips was expected.")
    return files or list(ultrasound_files())


def row(measurer: Measurer, path: Path) -> str:
    """The row of a file."""
    m, clip = measurer.measure(path)
    view, probability = m.view, m.view_probability
    note = first_note(m.reason_code, "; ".join(n.code for n in m.notices), CAUTION_CODES)
    if view is View.UNKNOWN and clip is not None and measurer.view_model is not None:
        # Refused before its view was looked at.
        decided, code, view, _, _ = decide(measurer.view_model, clip, still=True)
        if decided == "refused":
            note += f"; as a view refused as well: {short_text(code)}"
        probability = None
    shown = "unknown" if view is View.UNKNOWN else VIEW_TEXT[view]
    shown += "" if probability is None else f" ({probability:.2f})"
    frames = "-" if clip is None else str(len(clip.frames))
    ef = "-" if m.ef_percent is None else f"{m.ef_percent:.0f} %"
    if m.ef_low_percent is not None and m.ef_high_percent is not None:
        ef += f" ({m.ef_low_percent:.0f} to {m.ef_high_percent:.0f})"
    return f"| `{path.name}` | {frames} | {shown} | {m.decision or m.status} | {ef} | {note} |"


def main(argv: Sequence[str] | None = None) -> None:
    """Read the arguments and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", type=Path, nargs="*", metavar="FOLDER", help="folders or files")
    args = parser.parse_args(argv)
    measurer = Measurer(MeasureOptions(precision="f32"))
    print("| file | frames | view | decision | EF (90 % prediction interval) | reason or first warning |")  # noqa: T201
    print("|---|---|---|---|---|---|")  # noqa: T201
    for path in files_of(args.folders):
        print(row(measurer, path), flush=True)  # noqa: T201


if __name__ == "__main__":
    run_main(main)
