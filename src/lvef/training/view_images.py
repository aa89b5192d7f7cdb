"""Images that the view family learns from, and what keeps it from learning the wrong thing.

- Stills of CAMUS and animated stills made from them (A4C and A2C), and phantoms of both views, so that neither real nor
  synthetic grain means *apical*; synthetic clips of other views and of what is no echo (`lvef.synthesis.foreign`).
- The A2C stills of CAMUS have lost their aspect ratio and went through another resampling. So the sector of every still is
  brought to one aspect ratio, A4C and A2C alike, before the aspect is drawn at random, and the network is shown images
  coarser than either.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lvef.core.errors import QualityRefusal
from lvef.core.records import Box, Clip, FrameArray, PixelAspect
from lvef.core.terms import MEASURABLE_VIEWS, RECOGNISED_VIEWS, View
from lvef.datasets.camus import CamusStill
from lvef.io.atomic import atomic_path
from lvef.synthesis.foreign import FOREIGN_CLASSES, foreign_clip
from lvef.synthesis.phantom.draw import PhantomOptions, draw_phantom
from lvef.synthesis.phantom.render import render_phantom
from lvef.training.animated_stills import open_arrays
from lvef.transforms.frames import fit, place
from lvef.transforms.sector import find_sector

STREAM = 70811
"""Keeps these random numbers apart from those of datasets that `lvef synthesize` writes for the same seed."""

STORED_SIZE = 128
"""Side at which images are kept."""

SECTOR_ASPECT = 1.22
"""Width over height that the sector of every still is brought to: that of a whole sector of 75 degrees."""

FRAMES, FRAME_RATE_HZ = 6, 10.0
"""Of each synthetic clip: half a second, in which the heart moves and the grain changes."""

PER_CINE = 3
"""Frames taken of each cine of animated stills, evenly spaced."""

REAL, SYNTHETIC = "real", "synthetic"
"""Origins of an image's grain."""


@dataclass(frozen=True)
class ViewImages:
    """Images with their views.

    Attributes:
        images: ``(n, size, size)`` uint8.
        labels: ``(n, size, size)`` uint8 of `lvef.core.terms.Structure`; 0 where nothing is known.
        views: ``(n,)`` places in `RECOGNISED_VIEWS`.
        groups: ``(n,)`` where each comes from, such as ``real A4C`` or ``synthetic PLAX``: groups are drawn evenly.
    """

    images: FrameArray
    labels: FrameArray
    views: NDArray[np.int64]
    groups: NDArray[np.str_]

    def __len__(self) -> int:
        """Number of images."""
        return len(self.images)


def join(parts: Iterable[ViewImages]) -> ViewImages:
    """All of them, in order."""
    found = list(parts)
    names = ("images", "labels", "views", "groups")
    return ViewImages(*(np.concatenate([getattr(part, name) for part in found]) for name in names))


def same_sector(frames: FrameArray, box: Box, size: int, *, labels: bool = False) -> FrameArray:
    """A sector's box at `SECTOR_ASPECT` in a square, whatever its aspect was; ``(n, size, size)`` uint8."""
    placement = place(box, size, PixelAspect(box.width / box.height / SECTOR_ASPECT, "training"))
    return fit(frames, placement, size, labels=labels)


def _of_view(frames: FrameArray, labels: FrameArray, view: View, group: str) -> ViewImages:
    n = len(frames)
    return ViewImages(
        frames, labels, np.full(n, RECOGNISED_VIEWS.index(view)), np.full(n, group, dtype="U64")
    )


def _box_of(clip: Clip) -> Box:
    """The sector's box; all of the image where no sector is found."""
    try:
        return find_sector(clip).box
    except QualityRefusal:
        return Box(0, 0, clip.frames.shape[2], clip.frames.shape[1])


def still_images(stills: Iterable[CamusStill]) -> ViewImages:
    """Stills with their sectors at one aspect ratio."""
    parts = []
    for still in stills:
        box = find_sector(still.clip).box
        frames = same_sector(still.image[None], box, STORED_SIZE)
        labels = same_sector(still.mask[None], box, STORED_SIZE, labels=True)
        parts.append(_of_view(frames, labels, still.view, f"{REAL} {still.view}"))
    return join(parts)


def animated_images(path: Path, patients: Iterable[str]) -> ViewImages:
    """Frames of animated stills of the named patients, with their sectors at one aspect ratio.

    Args:
        path: From `lvef.training.animated_stills.make_animated`.
        patients: Whose.

    Raises:
        DataError: The file is missing or of another kind.
    """
    mine, parts = set(patients), []
    with open_arrays(path, "animated stills", "the .npz file that lvef train makes was expected") as stored:
        # A patient's cines stand together, the A4C before the A2C; where one could not be made, the view is not known.
        named = enumerate(stored["patients"].tolist())
        runs = [list(run) for _, run in groupby(named, key=lambda row: row[1])]
        known = [
            (cine, view)
            for run in runs
            if len(run) == len(MEASURABLE_VIEWS) and run[0][1] in mine
            for (cine, _), view in zip(run, MEASURABLE_VIEWS, strict=True)
        ]
        shown = np.linspace(0, stored["frames"].shape[1] - 1, PER_CINE).astype(int)
        frames, labels = (stored[name][:, shown] for name in ("frames", "labels"))
    for cine, view in known:
        lit = frames[cine].max(0) > 0
        ys, xs = np.flatnonzero(lit.any(1)), np.flatnonzero(lit.any(0))
        box = Box(int(xs[0]), int(ys[0]), int(xs[-1]) + 1, int(ys[-1]) + 1)
        shown_frames = same_sector(frames[cine], box, STORED_SIZE)
        shown_labels = same_sector(labels[cine], box, STORED_SIZE, labels=True)
        parts.append(_of_view(shown_frames, shown_labels, view, f"{REAL} {view}"))
    return join(parts)


def phantom_images(view: View, count: int, seed: int) -> ViewImages:
    """Frames of apical phantoms."""
    parts = []
    for number in range(count):
        rng = np.random.default_rng([seed, STREAM, number, *view.encode()])
        options = PhantomOptions(n_frames=FRAMES, frame_rate_hz=FRAME_RATE_HZ, view=view, size=STORED_SIZE)
        made = render_phantom(draw_phantom(rng, options), rng)
        placement = place(_box_of(made.clip), STORED_SIZE)
        frames = fit(made.clip.frames, placement, STORED_SIZE)
        labels = fit(np.asarray(made.labels, np.uint8), placement, STORED_SIZE, labels=True)
        parts.append(_of_view(frames, labels, view, f"{SYNTHETIC} {view}"))
    return join(parts)


def foreign_images(name: str, count: int, seed: int) -> ViewImages:
    """Frames of synthetic clips of one of `FOREIGN_CLASSES`: the sector, or all of the image where none is found."""
    parts = []
    for number in range(count):
        rng = np.random.default_rng([seed, STREAM, number, *name.encode()])
        frames = foreign_clip(name, rng, n_frames=FRAMES, size=STORED_SIZE)
        clip = Clip(frames, np.arange(len(frames)) / FRAME_RATE_HZ, "made so", name)
        frames = fit(clip.frames, place(_box_of(clip), STORED_SIZE), STORED_SIZE)
        parts.append(_of_view(frames, np.zeros_like(frames), FOREIGN_CLASSES[name], f"{SYNTHETIC} {name}"))
    return join(parts)


def read_or_make(path: Path, make: Sequence[tuple[str, int]], seed: int) -> ViewImages:
    """Synthetic images from a file, which is made where it is missing.

    Args:
        path: ``.npz`` file.
        make: Names, ``A4C`` and ``A2C`` for phantoms and those of `FOREIGN_CLASSES`, and how many clips of each.
        seed: Of all random numbers.

    Raises:
        DataError: It cannot be read or written.
    """
    if not path.exists():
        parts = []
        for name, count in make:
            print(f"Synthetic clips: {count} of {name}.", file=sys.stderr)  # noqa: T201
            if name in MEASURABLE_VIEWS:
                parts.append(phantom_images(View(name), count, seed))
            else:
                parts.append(foreign_images(name, count, seed))
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            np.savez(file, **vars(join(parts)))
    with open_arrays(path, "synthetic images", "remove it to make it anew") as stored:
        arrays = [stored[name] for name in ("images", "labels", "views", "groups")]
    return ViewImages(*arrays)
