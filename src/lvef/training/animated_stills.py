"""Short animated stills as training cines of the segmentation model: frames and labels of every instant.

The stills are those of the training patients only. A cine is shown as serving shows it: sector found once for the cine,
cut out, padded to a square.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from lvef.core.errors import DataError, LvefError
from lvef.core.records import FrameArray
from lvef.core.terms import Phase
from lvef.core.workers import ProcessPool
from lvef.datasets.camus import CamusStill, read_split, read_stills
from lvef.io.atomic import atomic_path
from lvef.synthesis.animated_stills.animate import AnimationOptions, animate_stills
from lvef.synthesis.animated_stills.matching import StillPair
from lvef.synthesis.animated_stills.motion import fit_contraction
from lvef.transforms.frames import fit, place
from lvef.transforms.sector import find_sector

STREAM = 60418
"""Keeps the random numbers of these cines apart from those of datasets that `lvef synthesize` writes for the same seed."""

FRAME_RATE_HZ = 20.0
"""Of the cines: enough to place the frames around an instant at a twentieth of a second."""

STORED_SIZE = 160
"""Side at which training images are kept: zooming in by up to a quarter still finds real detail."""

VARIANTS, SEED = 2, 1
"""Cines of each patient and view, and the seed of their random numbers."""

FRAMES = 24
"""Frames of a cine: 1.2 s, one beat or more above 50/min."""


def animate(
    pair: Sequence[CamusStill], size: int, variant: int, seed: int
) -> tuple[FrameArray, FrameArray] | None:
    """One cine of a patient and view with an EF drawn evenly, or None where the pair cannot be animated.

    Args:
        pair: ED and ES still of one patient and view.
        size: Side of the squares in pixels.
        variant: Which of several cines of the pair.
        seed: From which all random numbers come, with the patient's name and the view.

    Returns:
        Frames and labels, each ``(FRAMES, size, size)`` uint8.
    """
    by_phase = {still.phase: still for still in pair}
    if len(by_phase) < 2:
        return None
    ed, es = by_phase[Phase.ED], by_phase[Phase.ES]
    name = f"{ed.patient} {ed.view}"
    rng = np.random.default_rng([seed, STREAM, variant, *name.encode()])
    options = AnimationOptions(size=size, n_frames=FRAMES, frame_rate_hz=FRAME_RATE_HZ)
    try:
        stills = StillPair(ed.image, es.image, ed.mask, es.mask, ed.spacing, ed.view, ed.patient)
        made = animate_stills(fit_contraction(stills), options, rng, name=name)
        placement = place(find_sector(made.clip).box, size, made.clip.spacing)
    except LvefError:
        return None
    labels = fit(np.asarray(made.labels, np.uint8), placement, size, labels=True)
    return fit(made.clip.frames, placement, size), labels


def pairs_of(stills: Iterable[CamusStill]) -> list[list[CamusStill]]:
    """Stills grouped by patient and view; those of a patient and view come one after the other."""
    return [list(both) for _, both in groupby(stills, key=lambda s: (s.patient, s.view))]


def still_squares(stills: Iterable[CamusStill], size: int) -> tuple[FrameArray, FrameArray]:
    """Images and masks of stills as a network sees them, ``(n, size, size)`` each: sector found, padded to a square."""
    images, masks = [], []
    for still in stills:
        placement = place(find_sector(still.clip).box, size, still.spacing)
        images.append(fit(still.image[None], placement, size))
        masks.append(fit(still.mask[None], placement, size, labels=True))
    none = np.empty((0, size, size), np.uint8)
    return np.concatenate([none, *images]), np.concatenate([none, *masks])


def read_animated(path: Path, patients: Iterable[str]) -> tuple[FrameArray, FrameArray]:
    """Frames and labels ``(cines, FRAMES, size, size)`` of the named patients, from the file that `make_animated` writes.

    Raises:
        DataError: The file is missing or of another kind.
    """
    with open_arrays(path, "animated stills", "the .npz file that lvef train makes was expected") as stored:
        mine = np.isin(stored["patients"], list(patients))
        frames, labels = stored["frames"][mine], stored["labels"][mine]
    return frames, labels


@contextmanager
def open_arrays(path: Path, what: str, remedy: str) -> Iterator[Mapping[str, NDArray[Any]]]:
    """The arrays of an ``.npz`` file by name, for as long as the block lasts.

    Args:
        path: The file.
        what: What it holds, for the message; so is ``remedy``.
        remedy: What to do where it does not.

    Raises:
        DataError: The file is missing or of another kind: reading it, or what the block does with the arrays, failed.
    """
    damaged = (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError, IndexError, BadZipFile)
    try:
        with np.load(path, allow_pickle=False) as stored:
            yield stored
    except damaged as error:
        raise DataError(f"{path}: no {what} ({type(error).__name__}); {remedy}.") from None


def _job(args: tuple[list[CamusStill], int, int, int]) -> tuple[str, tuple[FrameArray, FrameArray] | None]:
    return args[0][0].patient, animate(*args)


def make_animated(data: Path, path: Path, *, jobs: int = 1) -> None:
    """Animate the stills of CAMUS's training patients and write them as one ``.npz`` file: frames, labels, patients.

    Args:
        data: Folder of CAMUS that holds ``database_nifti``.
        path: File to write.
        jobs: Processes.

    Raises:
        DataError: The dataset cannot be read, or the file cannot be written.
    """
    print(f"Animated stills: writing {path.name}; this takes minutes.", file=sys.stderr)  # noqa: T201
    pairs = pairs_of(read_stills(data, read_split(data, "training")))
    todo = [(pair, STORED_SIZE, variant, SEED) for variant in range(VARIANTS) for pair in pairs]
    with ProcessPool(jobs) as pool:
        done = [future.result() for future in [pool.submit(partial(_job, args)) for args in todo]]
    made = [(patient, cine) for patient, cine in done if cine is not None]
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez(
            file,
            frames=np.stack([frames for _, (frames, _) in made]),
            labels=np.stack([labels for _, (_, labels) in made]),
            patients=np.array([patient for patient, _ in made]),
        )
