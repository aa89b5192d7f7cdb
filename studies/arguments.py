"""What the programs of this package have in common on their command lines: which stills, which network."""

from __future__ import annotations

import argparse
from pathlib import Path

from lvef.core.errors import DataError
from lvef.datasets.camus import CamusStill, read_split, read_stills
from lvef.measure.options import MeasureOptions


def stills_parser(description: str | None, split: str) -> argparse.ArgumentParser:
    """A parser with ``--data``, ``--split``, ``--patients`` and ``--weights``.

    Args:
        description: The module's docstring.
        split: Default of ``--split``.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder that holds database_nifti")
    parser.add_argument("--split", default=split, help="training or validation")
    parser.add_argument(
        "--patients", type=Path, help="file with patient names, one a line, instead of a split"
    )
    parser.add_argument("--weights", default=MeasureOptions.weights, help="installed network or its folder")
    return parser


def stills_of(args: argparse.Namespace) -> list[CamusStill]:
    """The stills that were asked for.

    Raises:
        DataError: The collection, the split or the list of patients is not there.
    """
    if args.patients is None:
        return list(read_stills(args.data, read_split(args.data, args.split)))
    try:
        names = args.patients.read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError):
        raise DataError(
            f"{args.patients} cannot be read; a file with patient names, one a line, was expected."
        ) from None
    return list(read_stills(args.data, names))
