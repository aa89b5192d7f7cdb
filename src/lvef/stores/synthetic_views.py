"""A folder of synthetic clips of every view, with a table of what each shows: to repeat the test of refusals."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np

from lvef.core.errors import DataError
from lvef.core.runner import Progress
from lvef.core.serialization import csv_text
from lvef.io.atomic import make_folder, write_bytes_atomic, write_text_atomic
from lvef.io.avi import BEST_QUALITY, encode_motion_jpeg
from lvef.synthesis.foreign import FOREIGN_CLASSES, foreign_clip

RATE_HZ = 25.0
"""Frames per second."""

FRAMES = 50
"""Frames of a clip: two seconds, in which the slowest heart that is drawn (45 a minute) beats once."""

TABLE = "views.csv"
"""Name of the table: file, class, view."""


def clip_rng(seed: int, name: str, number: int) -> np.random.Generator:
    """Random generator of one clip: it depends on the seed, the class and the number alone."""
    return np.random.default_rng([seed, zlib.crc32(name.encode()), number])


def write_views(out: Path, *, seed: int, each: int, size: int, progress: Progress) -> int:
    """Write clips of all classes.

    Args:
        out: Empty or new folder.
        seed: From which all random numbers come; that of the final test is `lvef.synthesis.foreign.FINAL_SEED`.
        each: Clips of each class.
        size: Side of the square in pixels.
        progress: Progress callbacks.

    Returns:
        Number of clips.

    Raises:
        DataError: The folder is not empty or cannot be made.
    """
    if not make_folder(out):
        raise DataError(f"{out}: holds files already; give an empty or a new folder.")
    progress.start(len(FOREIGN_CLASSES) * each)
    rows = []
    for name, view in FOREIGN_CLASSES.items():
        for number in range(1, each + 1):
            frames = foreign_clip(
                name, clip_rng(seed, name, number), n_frames=FRAMES, size=size, rate_hz=RATE_HZ
            )
            file = f"{name}-{number:03d}.avi"
            write_bytes_atomic(out / file, encode_motion_jpeg(frames, RATE_HZ, quality=BEST_QUALITY))
            rows.append((file, name, str(view)))
            progress.advance()
    write_text_atomic(out / TABLE, csv_text(("file", "class", "view"), rows))
    return len(rows)
