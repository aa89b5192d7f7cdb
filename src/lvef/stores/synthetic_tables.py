"""The tables of a synthetic collection, from the journal of what is written.

::

    OUT/
      FileList.csv            EchoNet-Dynamic's columns; EF, EDV, ESV by disks on the true contour in the plane
      VolumeTracings.csv      ED and ES frame of the representative beat, 21 lines each
      Beats.csv               every true whole beat
      Parameters.jsonl        an object a clip: all that it was made with
      manifest.csv            the same list as lvef's own table, with patients, views, masks and scale
      LICENCE.txt             who may use it
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from lvef.core.journal import Entry
from lvef.datasets.echonet_list import LIST, NUMBERS, SPLITS
from lvef.datasets.manifest import make_manifest, write_manifest
from lvef.datasets.volume_tracings import COLUMNS as TRACING_COLUMNS
from lvef.datasets.volume_tracings import LINES
from lvef.io.atomic import write_text_atomic
from lvef.stores.synthetic_files import file_names
from lvef.synthesis.truth import TrueBeat

TRACINGS = "VolumeTracings.csv"
"""Name of the table of traced lines, as EchoNet-Dynamic's."""

BEATS = "Beats.csv"
"""Name of the table of true beats."""

PARAMETERS = "Parameters.jsonl"
"""Name of the file with all that each clip was made with."""

MANIFEST = "manifest.csv"
"""Name of lvef's own table."""

LICENCE_FILE = "LICENCE.txt"
"""Name of the file that says who may use the collection."""

TABLES = (LIST, TRACINGS, BEATS, PARAMETERS, MANIFEST, LICENCE_FILE)
"""All files beside the clips' own and the run's."""

EF_METHOD = "known: disks on the true contour in the plane"
"""How the EF of the list was come by."""


@dataclass(frozen=True, slots=True)
class Terms:
    """Who may use a collection.

    Attributes:
        collection: Its short name.
        licence: SPDX name.
        text: Sentences for people, with the citation where one is asked for.
        citation: How those whose pictures it holds ask to be cited, or empty.
    """

    collection: str
    licence: str
    text: str
    citation: str = ""


def write_tables(out: Path, entries: Iterable[Entry], terms: Terms) -> None:
    """Write all tables.

    Args:
        out: The collection's folder.
        entries: Of the clips that are written.
        terms: Who may use them.

    Raises:
        DataError: One cannot be written.
    """
    clips = sorted(entries, key=lambda entry: (entry["patient"], entry["number"]))
    write_text_atomic(out / LICENCE_FILE, terms.text + "\n")
    rows = [[c["item"], *(c["listed"][name] for name in NUMBERS), c["split"]] for c in clips]
    write_text_atomic(out / LIST, _csv(["FileName", *NUMBERS, "Split"], rows))
    lines = [[f"{c['item']}.avi", *line] for c in clips for line in c["tracings"]]
    write_text_atomic(out / TRACINGS, _csv(TRACING_COLUMNS, lines))
    names = [field.name for field in fields(TrueBeat)] + ["rhythm"]
    beats = [[c["item"], *(beat[name] for name in names)] for c in clips for beat in c["beats"]]
    write_text_atomic(out / BEATS, _csv(["FileName", *names], beats))
    made = [
        {"FileName": c["item"], **{k: c[k] for k in ("patient", "split", "view", "key", "parameters")}}
        for c in clips
    ]
    write_text_atomic(out / PARAMETERS, "".join(json.dumps(m, ensure_ascii=False) + "\n" for m in made))
    write_manifest(make_manifest([_row(c, out, terms) for c in clips], MANIFEST), out / MANIFEST)


def _row(clip: Entry, out: Path, terms: Terms) -> dict[str, Any]:
    """A clip as a row of the manifest."""
    listed, spacing = clip["listed"], clip["spacing_mm"] or (None, None)
    video, mask, _ = file_names(clip["item"])
    n_frames, rate = int(listed["NumberOfFrames"]), float(listed["FPS"])
    return {
        "item": clip["item"],
        "collection": terms.collection,
        "patient": clip["patient"],
        "kind": "clip",
        "view": clip["view"],
        "root": out.absolute().as_posix(),
        "path": video,
        "mask_path": mask,
        "tracing_path": TRACINGS,
        "n_frames": n_frames,
        "frame_rate_hz": rate,
        "duration_s": n_frames / rate,
        "height_px": int(listed["FrameHeight"]),
        "width_px": int(listed["FrameWidth"]),
        "spacing_x_mm": spacing[0],
        "spacing_y_mm": spacing[1],
        "ef_percent": listed["EF"],
        "edv_ml": listed["EDV"],
        "esv_ml": listed["ESV"],
        "ef_method": EF_METHOD,
        "ed_frame": clip["ed_frame"],
        "es_frame": clip["es_frame"],
        "n_traced_frames": len(clip["tracings"]) // LINES,
        "split": str(SPLITS[clip["split"]]),
        "split_name": clip["split"],
        "told_by": LIST,
        "licence": terms.licence,
    }


def _csv(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()
