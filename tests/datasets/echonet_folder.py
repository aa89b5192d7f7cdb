"""A fabricated folder in the layout of EchoNet-Dynamic: two tables and tiny clips."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import polars as pl

HEADER = ("FileName", "EF", "ESV", "EDV", "FrameHeight", "FrameWidth", "FPS", "NumberOfFrames", "Split")
N_FRAMES = 32
CHORDS = 20


def write(root: Path, n: int = 12, seed: int = 0) -> Path:
    """Write n clips: tables as the owners hand them out, videos that are one file under n names."""
    root.mkdir(parents=True, exist_ok=True)
    table = file_list(n, seed)
    table.write_csv(root / "FileList.csv")
    volume_tracings(table, seed).write_csv(root / "VolumeTracings.csv")
    (root / "Videos").mkdir()
    first = root / "Videos" / f"{table['FileName'][0]}.avi"
    write_avi(first)
    for name in table["FileName"][1:]:
        os.link(first, root / "Videos" / f"{name}.avi")
    return root


def file_list(n: int, seed: int = 0) -> pl.DataFrame:
    """Rows with EF = 100 (EDV - ESV) / EDV; three of four clips are TRAIN, then VAL and TEST in turn."""
    rng = np.random.default_rng(seed)
    edv = rng.uniform(40, 250, n)
    esv = edv * rng.uniform(0.25, 0.75, n)
    split = ["TRAIN" if i % 4 < 3 else ("VAL" if i % 8 < 4 else "TEST") for i in range(n)]
    values = {
        "FileName": [f"0X{i:08X}" for i in rng.permutation(n) + 0x1A2B3C],
        "EF": 100 * (edv - esv) / edv,
        "ESV": esv,
        "EDV": edv,
        "FrameHeight": [112] * n,
        "FrameWidth": [112] * n,
        "FPS": [50] * n,
        "NumberOfFrames": [N_FRAMES] * n,
        "Split": split,
    }
    return pl.DataFrame({name: values[name] for name in HEADER})


def volume_tracings(table: pl.DataFrame, seed: int = 0) -> pl.DataFrame:
    """ED on frame 4 and ES on frame 20 of every clip, 21 lines each; the ventricle is half an ellipse."""
    rng = np.random.default_rng(seed)
    n = len(table)
    at = (np.arange(CHORDS) + 0.5) / CHORDS
    x = rng.uniform(50, 60, n)[:, None]
    parts = []
    for frame, width, length in ((4, 14.0, 60.0), (20, 9.0, 48.0)):
        half = width * np.sqrt(at * (2 - at))[None]
        y = 20 + length * at[None] + np.zeros((n, 1))
        axis = np.stack([x, 20 + 0 * x, x, 20 + length + 0 * x], -1)
        chords = np.stack([x - half, y, x + half, y], -1)
        parts.append((frame, np.concatenate([axis, chords], 1).reshape(n, -1)))
    both = np.concatenate([lines for _, lines in parts], 1).reshape(-1, 4)
    frames = np.tile(np.repeat([frame for frame, _ in parts], CHORDS + 1), n)
    names = pl.Series("FileName", table["FileName"] + ".avi").gather(
        np.repeat(np.arange(n), 2 * (CHORDS + 1))
    )
    points = {name: np.round(both[:, i], 4) for i, name in enumerate(("X1", "Y1", "X2", "Y2"))}
    return pl.DataFrame({"FileName": names, **points, "Frame": frames})


def write_avi(path: Path, n_frames: int = N_FRAMES, size: int = 112) -> None:
    """Motion JPEG, as the clips are handed out."""
    import cv2

    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 50.0, (size, size))
    for i in range(n_frames):
        picture = np.zeros((size, size, 3), np.uint8)
        cv2.circle(picture, (size // 2, size // 2), 20 + i % 8, (200, 200, 200), 3)
        writer.write(picture)
    writer.release()
    assert path.stat().st_size > 0
