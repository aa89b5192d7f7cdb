"""A made-up manifest whose clips are never opened, answers to it, and a measurer that gives them."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from lvef.core.records import Clip, Measurement, PixelSpacing
from lvef.core.terms import Status
from lvef.datasets.manifest import make_manifest, write_manifest
from lvef.evaluation.dataset.cases import Case, Selection
from lvef.evaluation.dataset.evaluation import DatasetEvaluation, Method
from lvef.evaluation.dataset.predictions import EfResult
from lvef.evaluation.runner import UsedWeights
from lvef.io.avi import encode_motion_jpeg
from tests.measure.made_up import ellipse_tracing, failed, refused

WEIGHTS = UsedWeights("fake", "1", "ab" * 32, "CC0-1.0", "openvino", "f32", "Test CPU", 4)

SIZE = 112


def rows(efs, *, root: Path, split: str = "test", start: int = 1, **columns):
    """Rows of a manifest, one patient a clip unless told otherwise; a column may be a list."""
    listed = []
    for i, ef in enumerate(efs):
        row = {
            "item": f"clip{start + i:03d}",
            "collection": "made-up",
            "patient": f"patient{start + i:03d}",
            "kind": "clip",
            "view": "A4C",
            "root": str(root),
            "path": f"Videos/clip{start + i:03d}.avi",
            "height_px": SIZE,
            "width_px": SIZE,
            "ef_percent": ef,
            "ef_method": "made up",
            "split": split,
            "licence": "CC0-1.0",
        }
        row |= {name: value[i] if isinstance(value, list) else value for name, value in columns.items()}
        listed.append(row)
    return listed


def write(path: Path, *parts) -> Path:
    """Write a manifest of several `rows`."""
    write_manifest(make_manifest([row for part in parts for row in part]), path)
    return path


def write_predictions(path: Path, efs: dict[str, object], column: str = "ef_percent") -> Path:
    """A file of predictions."""
    path.write_text("".join([f"item,{column}\n", *(f"{item},{ef}\n" for item, ef in efs.items())]))
    return path


def made_evaluation(references, *answers, patients=None, typical=55.0, **columns):
    """An evaluation of answers that are known; None is a refusal."""
    cases = tuple(
        Case(
            f"clip{i:03d}",
            "made-up",
            f"p{i}" if patients is None else patients[i],
            "test",
            Path(f"clip{i:03d}.avi"),
            float(ef),
            view="A4C",
            side_px=SIZE,
            **{name: value[i] for name, value in columns.items()},
        )
        for i, ef in enumerate(references)
    )
    methods = []
    for number, efs in enumerate(answers):
        results = tuple(
            EfResult(case.item, "ok", ef_percent=float(ef))
            if ef is not None
            else EfResult(case.item, "refused", "no_fan", "No fan was found.")
            for case, ef in zip(cases, efs, strict=True)
        )
        methods.append(Method("abcdef"[number], results, WEIGHTS))
    selection = Selection("made.csv", "test", cases, (), {}, typical, "made up", "EF of made-up: made up", ())
    return DatasetEvaluation(selection, tuple(methods))


def ellipse(scale: float):
    """A ventricle whose lines are known; its volume goes with the cube of the scale."""
    return ellipse_tracing((56.0, 50.0), (16.0 * scale, 30.0 * scale), 200)


def write_traced(folder: Path, efs) -> Path:
    """Clips of three frames (ED, ES, one more), their table of tracings and a manifest with two training clips."""
    (folder / "Videos").mkdir(parents=True)
    lines = []
    parts = [rows(efs, root=folder), rows([50.0, 60.0], root=folder, split="train", start=len(efs) + 1)]
    for row in [row for part in parts for row in part]:
        row |= {"ed_frame": 0, "es_frame": 1, "tracing_path": "VolumeTracings.csv"}
        frames = np.full((3, SIZE, SIZE), 60, np.uint8)
        (folder / row["path"]).write_bytes(encode_motion_jpeg(frames, 50.0, quality=95))
        for frame, scale in ((0, 1.0), (1, float(np.cbrt(1 - row["ef_percent"] / 100)))):
            t = ellipse(scale)
            for (x1, y1), (x2, y2) in [(t.apex, t.base), *t.chords]:
                lines.append([f"{row['item']}.avi", x1, y1, x2, y2, frame])
    with (folder / "VolumeTracings.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["FileName", "X1", "Y1", "X2", "Y2", "Frame"])
        writer.writerows(lines)
    return write(folder / "manifest.parquet", *parts)


class KnowingMeasurer:
    """Answers by the file's name with an EF and lines that it was told.

    Args:
        efs: Name of a clip -> EF, None for a refusal, ``"gone"`` for a file that cannot be read.
        shift: Pixels that its lines lie to the right of the true ones.
        swapped: Whether it draws ES larger than ED.
    """

    def __init__(self, efs, shift: float = 0.0, *, swapped: bool = False):
        self.efs, self.shift, self.swapped = efs, shift, swapped
        self.asked: list[str] = []

    def measure(self, path: Path):
        self.asked.append(path.stem)
        ef = self.efs[path.stem]
        if ef == "gone":
            return failed(str(path)), None
        frames = np.zeros((3, SIZE, SIZE), np.uint8)
        clip = Clip(frames, np.arange(3) / 50, "made", str(path), PixelSpacing(1.0, 1.0, "made"))
        if ef is None:
            return refused(str(path)), clip
        scales = [1.0, float(np.cbrt(1 - ef / 100)), 1.0]
        if self.swapped:
            scales[:2] = scales[1::-1]
        tracings = tuple(_moved(ellipse(scale), self.shift) for scale in scales)
        return Measurement(str(path), Status.OK, ef_percent=ef, tracings=tracings), clip


def _moved(tracing, shift):
    step = np.array([shift, 0.0])
    parts = ("contour", "apex", "base", "mitral", "chords")
    return replace(tracing, **{name: getattr(tracing, name) + step for name in parts})


def labels(rhythm: str) -> str:
    """The JSON of a manifest's further labels."""
    return json.dumps({"rhythm": rhythm})
