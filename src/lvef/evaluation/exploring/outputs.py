"""The files of an exploration: which there are, and writing them into a folder."""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lvef
from lvef.core.errors import DataError
from lvef.evaluation.exploring.examples import Examples
from lvef.evaluation.exploring.page import page_of
from lvef.evaluation.exploring.pictures import make_pictures
from lvef.evaluation.exploring.records import Exploration
from lvef.evaluation.exploring.summary import outliers_csv, summary_csv, to_summary
from lvef.evaluation.output_folder import RUN_NAME, earlier_files, last_name, make_folder
from lvef.io.atomic import remove_files, write_bytes_atomic, write_text_atomic
from lvef.measure.environment import describe_machine, package_versions
from lvef.measure.report import to_json

RUN_SCHEMA = "lvef-exploration-run/1"
"""Version of the layout of ``run.json``."""


def write_exploration(
    folder: Path, found: Exploration, examples: Examples | None, manifest: Path, seconds: float
) -> list[str]:
    """Write everything about an exploration. Files of an earlier one that this one does not have are removed.

    Args:
        folder: Made when it is missing.
        found: What was found.
        examples: Opened items, or None where none were asked for.
        manifest: The file that was explored, for ``run.json``.
        seconds: How long reading, describing and opening took, for ``run.json``.

    Returns:
        Names of the files written.

    Raises:
        DataError: The folder cannot be made or a file cannot be written.
    """
    make_folder(folder)
    earlier = earlier_files(folder, RUN_SCHEMA)
    pictures = make_pictures(found, examples)
    texts = {
        "summary.csv": summary_csv(found),
        "outliers.csv": outliers_csv(found),
        "summary.json": to_json(to_summary(found)),
        "index.html": page_of(found, pictures, examples),
    }
    for name, picture in pictures.items():
        write_bytes_atomic(folder / name, picture.png)
    for name, text in texts.items():
        write_text_atomic(folder / name, text)
    written = sorted([*texts, *pictures])
    remove_files(folder, earlier - set(written))
    # Last, because it says that all the rest is there.
    write_text_atomic(folder / RUN_NAME, to_json(_run_record(examples, manifest, seconds, written)))
    return [*written, RUN_NAME]


def _run_record(
    examples: Examples | None, manifest: Path, seconds: float, written: Sequence[str]
) -> dict[str, Any]:
    return {
        "schema": RUN_SCHEMA,
        "lvef_version": lvef.__version__,
        "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "seconds": round(seconds, 3),
        "settings": {"manifest": last_name(manifest), "examples": examples is not None},
        "manifest_sha256": _digest(manifest),
        "examples": None
        if examples is None
        else {"shown": len(examples.tiles), "unreadable": list(examples.unreadable)},
        "files": list(written),
        "machine": describe_machine(),
        "packages": package_versions(),
    }


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(
            f"{path} was read, but cannot be read again ({error.strerror}): run it again."
        ) from None
