"""Short animated stills as training cines of the segmentation model: frames and labels of every instant.

The stills are those of the training patients only. A cine is shown as serving shows it: sector found once for the cine,
cut out, padded to a square.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from itertools import groupby
from multiprocessing import get_context
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from lvef.core.errors import DataError, LvefError, run_main
from lvef.core.records import FrameArray
from lvef.core.terms import Phase
from lvef.datasets.camus import CamusStill, read_split, read_stills
from lvef.synthesis.animated_stills.animate import AnimationOptions, animate_stills
from lvef.synthesis.animated_stills.matching import StillPair
from lvef.synthesis.animated_stills.motion import fit_contraction
from lvef.transforms.frames import fit, place
from lvef.transforms.sector import find_sector

STREAM = 60418
"""Keeps the random numbers of these cines apart from those of datasets that `lvef synthesize` writes for the same seed."""

FRAME_RATE_HZ = 20.0
"""Of the cines: enough to place the frames around an instant at a twentieth of a second."""

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


def read_animated(path: Path, patients: Iterable[str]) -> tuple[FrameArray, FrameArray]:
    """Frames and labels ``(cines, FRAMES, size, size)`` of the named patients, from the file that `main` writes.

    Raises:
        DataError: The file is missing or of another kind.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            mine = np.isin(stored["patients"], list(patients))
            return stored["frames"][mine], stored["labels"][mine]
    except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError, BadZipFile) as error:
        raise DataError(
            f"{path}: no animated stills ({type(error).__name__}); the .npz file that lvef.training.animated writes "
            "was expected."
        ) from None


def _job(args: tuple[list[CamusStill], int, int, int]) -> tuple[str, tuple[FrameArray, FrameArray] | None]:
    return args[0][0].patient, animate(*args)


def main(argv: Sequence[str] | None = None) -> None:
    """Write the cines of CAMUS's training patients as one ``.npz`` file: frames, labels, patients."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds database_nifti")
    parser.add_argument("--out", type=Path, required=True, help=".npz file to write")
    parser.add_argument("--size", type=int, default=160)
    parser.add_argument("--variants", type=int, default=2, help="cines of each patient and view")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    args = parser.parse_args(argv)
    pairs = pairs_of(read_stills(args.data, read_split(args.data, "training")))
    jobs = [(pair, args.size, variant, args.seed) for variant in range(args.variants) for pair in pairs]
    frames, labels, patients = [], [], []
    with get_context("spawn").Pool(args.jobs) as pool:
        for patient, made in pool.imap(_job, jobs, chunksize=4):
            if made is not None:
                frames.append(made[0])
                labels.append(made[1])
                patients.append(patient)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    np.savez(args.out, frames=np.stack(frames), labels=np.stack(labels), patients=np.array(patients))


if __name__ == "__main__":
    run_main(main)
