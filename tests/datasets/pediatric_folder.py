"""A fabricated folder in the layout of EchoNet-Pediatric: two views, lists without frame rate, contours, tiny clips."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import polars as pl

from tests.datasets.echonet_folder import write_avi

ED, ES = 4, 20
VIEWS = ("A4C", "PSAX")


def write(root: Path, n: int = 12) -> Path:
    """Write n clips of each view: clip i is of patient i % (n - 1) and in fold patient % 10; both views share visits."""
    root.mkdir(parents=True, exist_ok=True)
    first = root / "clip.avi"
    write_avi(first)
    for view in VIEWS:
        folder = root / view
        (folder / "Videos").mkdir(parents=True)
        table = file_list(n, view)
        table.write_csv(folder / "FileList.csv")
        outlines(table, view).write_csv(folder / "VolumeTracings.csv")
        for name in table["FileName"]:
            os.link(first, folder / "Videos" / name)
    first.unlink()
    return root


def file_list(n: int, view: str) -> pl.DataFrame:
    """Rows as the owners write them; the first has no weight and height, and an unknown sex."""
    patients = [i % (n - 1) for i in range(n)]
    number = {"A4C": 100, "PSAX": 200}[view]
    return pl.DataFrame(
        {
            "FileName": [f"CR{p:07x}-CR{i:07x}-{number + i:06d}.avi" for i, p in enumerate(patients)],
            "EF": [55.5 + i for i in range(n)],
            "Sex": ["U", *("FM"[i % 2] for i in range(1, n))],
            "Age": [i % 19 for i in range(n)],
            "Weight": ["nan", *(f"{10 + i}.5" for i in range(1, n))],
            "Height": ["nan", *(f"{90 + i}.0" for i in range(1, n))],
            "Split": [p % 10 for p in patients],
        }
    )


def outlines(table: pl.DataFrame, view: str) -> pl.DataFrame:
    """ES then ED of every clip but the second (no ES) and the third (no ED): half an ellipse, or a circle on PSAX."""
    rows = []
    for i, name in enumerate(table["FileName"]):
        for frame, scale, missing in ((ES, 0.7, "No Systolic"), (ED, 1.0, "No Diastolic")):
            if (i, missing) in ((1, "No Systolic"), (2, "No Diastolic")):
                rows.append((name, None, None, missing))
                continue
            rows += [(name, int(x), int(y), str(frame)) for x, y in outline(view, scale)]
    schema = {"FileName": pl.String, "X": pl.Int64, "Y": pl.Int64, "Frame": pl.String}
    return pl.DataFrame(rows, schema=schema, orient="row")


def outline(view: str, scale: float) -> np.ndarray:
    """Points from one hinge over the apex to the other, or around a circle, whole pixels."""
    angle = np.linspace(np.pi, 2 * np.pi, 24) if view == "A4C" else np.linspace(0, 2 * np.pi, 24)[:-1]
    width, height = (16 * scale, 56 * scale) if view == "A4C" else (20 * scale, 20 * scale)
    return np.rint(np.stack([56 + width * np.cos(angle), 80 + height * np.sin(angle)], 1))
