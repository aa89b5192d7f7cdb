"""The commands that are disturbed, with small inputs, and what their outputs say, without times and places."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import polars as pl

from tests.faults.injection import KINDS
from tests.faults.processes import start

PHANTOMS = ("--frames", "28", "--size", "80", "--heart-rate-bpm", "120-130", "--frame-rate-hz", "25")
PHANTOMS += ("--rhythm", "sinus", "--ef-percent", "50-60")
SMALL_PHANTOMS = ("--frames", "16", "--size", "56", "--heart-rate-bpm", "120-130", "--frame-rate-hz", "16")
RECIPE = """
name = "tiny"
family = "small-video"
title = "tiny"
epochs = 3
batch_size = 2
[network]
stem = 4
widths = [8, 8]
blocks = [1, 1]
time_strides = [1, 2]
[clip]
frames = 8
duration_s = 1.0
clips = 1
"""

PARTS = "part-*.parquet"
"""Files of an archive that `lvef measure --ray` writes."""

CLUSTER = "cluster"
"""File of the inputs: the address of a cluster that runs."""

DROPPED = {
    "seconds",
    "minutes",
    "finished",
    "resumed",
    "machine",
    "packages",
    "created",
    "total_seconds",
    "command",
    "begun",
}
"""Values that differ from run to run, in any JSON object."""


@dataclass(frozen=True)
class Command:
    """A command.

    Attributes:
        name: Of it.
        args: Its arguments, from the folder of inputs and that of outputs.
        listed: Items of its table, from the folder of outputs.
        has_workers: Whether it has processes beside its own.
        joins: Whether it works on a cluster that runs, whose address the file `CLUSTER` of the inputs has.
        entries: How many files and folders it writes, where they are fewer than a fault may wait for.
    """

    name: str
    args: Callable[[Path, Path], list[str]]
    listed: Callable[[Path], list[str]]
    has_workers: bool = False
    joins: bool = False
    entries: int = 0

    @property
    def kinds(self) -> tuple[str, ...]:
        """Faults that it can meet."""
        out = () if self.has_workers else ("kill-worker",)
        # A cluster that runs opens the clips in processes of its own.
        out += ("stall", "share-lost") if self.joins else ()
        return tuple(kind for kind in KINDS if kind not in out)


def _measure_on_cluster(inputs: Path, out: Path, *address: str) -> list[str]:
    words = ["measure", str(inputs / "phantoms" / "Videos"), "-o", str(out / "out"), "-j", "2"]
    return [*words, "--threads", "1", "-q", "--ray", *address]


def _column(path: Path, name: str) -> list[str]:
    with path.open(newline="", encoding="utf-8") as file:
        return [row[name] for row in csv.DictReader(file)]


COMMANDS = {
    command.name: command
    for command in (
        Command(
            "measure",
            lambda i, o: ["measure", str(i / "phantoms" / "Videos"), "-o", str(o / "out"), "-j", "2", "-q"],
            lambda o: _column(o / "out" / "results.csv", "path"),
        ),
        Command(
            "measure-ray",
            _measure_on_cluster,
            lambda o: [str(row["path"]) for row in _rows_of_parts(o / "out")],
            has_workers=True,
            entries=5,
        ),
        Command(
            "measure-ray-joined",
            lambda i, o: _measure_on_cluster(i, o, (i / CLUSTER).read_text()),
            lambda o: [str(row["path"]) for row in _rows_of_parts(o / "out")],
            has_workers=True,
            joins=True,
            entries=5,
        ),
        Command(
            "prepare",
            lambda i, o: [
                *("data", "prepare", "clips", str(i / "manifest.csv"), "-o", str(o / "out"), "-j", "2", "-q")
            ],
            lambda o: pl.read_parquet(o / "out" / "index.parquet")["item"].to_list(),
        ),
        Command(
            "synthesize",
            lambda i, o: [
                *("synthesize", "phantom", str(o / "out"), "--clips", "5", "--seed", "3", *SMALL_PHANTOMS),
                *("--rhythm", "sinus", "-j", "2", "-q"),
            ],
            lambda o: _column(o / "out" / "FileList.csv", "FileName"),
            has_workers=True,
        ),
        Command(
            "evaluate",
            lambda i, o: [
                "evaluate",
                "synthetic",
                str(i / "phantoms"),
                "-o",
                str(o / "out"),
                "--threads",
                "1",
                "-q",
            ],
            lambda o: _column(o / "out" / "clips.csv", "clip"),
        ),
        Command(
            "train",
            lambda i, o: [
                *("train", str(i / "tiny.toml"), "--data", str(i / "store"), "-o", str(o / "out")),
                *("--logger", "csv", "--device", "cpu", "-j", "1", "-q"),
            ],
            lambda o: _column(o / "out" / "metrics.csv", "epoch"),
            has_workers=True,
            entries=10,
        ),
    )
}


def make_inputs(folder: Path) -> Path:
    """Four phantoms, their manifest and store, and a recipe; made once."""
    ready = folder / "ready"
    if ready.exists():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    phantoms = folder / "phantoms"
    commands = (
        ("synthesize", "phantom", str(phantoms), "--clips", "4", "--seed", "3", *PHANTOMS, "-j", "1", "-q"),
        ("data", "prepare", "clips", str(folder / "manifest.csv"), "-o", str(folder / "store"), "-q"),
    )
    for number, args in enumerate(commands):
        child = start(args, folder, f"input{number}")
        assert child.process.wait() == 0, child.said()
        (folder / "manifest.csv").write_text((phantoms / "manifest.csv").read_text())
    (folder / "tiny.toml").write_text(RECIPE)
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    ready.touch()
    return folder


def contents(folder: Path) -> dict[str, Any]:
    """What each file of an output folder says.

    Raises:
        ValueError: A file is not whole; its name is in the message.
    """
    found: dict[str, Any] = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        name = path.relative_to(folder).as_posix()
        if path.name.startswith("."):
            continue
        try:
            said = _said(path)
        except Exception as error:
            raise ValueError(f"{name} is not whole: {type(error).__name__}: {error}") from error
        if not path.match(PARTS):
            found[name] = said
    if rows := _rows_of_parts(folder):
        found["parts"] = rows
    return found


def _rows_of_parts(folder: Path) -> list[dict[str, Any]]:
    """The rows of an archive; which part a row is in, and in which order, differs from run to run."""
    rows = [row for path in folder.rglob(PARTS) for row in pl.read_parquet(path).to_dicts()]
    for row in rows:
        row["measurement"] = json.loads(row["measurement"])
    return sorted((_plain(row) for row in rows), key=lambda row: str(row["key"]))


def temporaries(folder: Path) -> list[str]:
    """Hidden files that were left; a lock, which stays on purpose, is none."""
    return sorted(
        p.relative_to(folder).as_posix() for p in folder.rglob(".*") if p.is_file() and p.name != ".lock"
    )


def _said(path: Path) -> Any:
    data = path.read_bytes()
    match path.suffix:
        case ".json":
            return _plain(json.loads(data))
        case ".jsonl":
            # A line that was cut off is skipped by its reader; that it is made anew is seen in the tables.
            return len(data) >= 0
        case ".csv":
            rows = list(csv.reader(io.StringIO(data.decode())))
            if not rows or len({len(row) for row in rows}) != 1:
                raise ValueError("rows of different length")
            left_out = [i for i, name in enumerate(rows[0]) if name in DROPPED]
            return [[v for i, v in enumerate(row) if i not in left_out] for row in rows]
        case ".parquet":
            table = pl.read_parquet(io.BytesIO(data))
            return table.to_dicts()
        case ".png":
            image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
            if image is None:
                raise ValueError("no image")
            return hashlib.sha256(image.tobytes()).hexdigest()
        case ".mp4" | ".avi":
            import av

            with av.open(str(path)) as container:
                frames = sum(1 for _ in container.decode(video=0))
            if not frames:
                raise ValueError("no frames")
            return frames, hashlib.sha256(data).hexdigest()
        case ".ckpt":
            import torch

            torch.load(path, weights_only=True)
            return "checkpoint"
    return hashlib.sha256(data).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items() if key not in DROPPED}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value
