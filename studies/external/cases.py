"""The clips and stills of the benchmark, with whatever is known of their ventricles."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from PIL import Image

from lvef.core.errors import DataError, MissingExtraError
from lvef.core.records import BoolArray, Clip
from lvef.datasets.camus import read_split
from lvef.evaluation.stills.robustness import PERTURBATIONS as ALL_PERTURBATIONS
from lvef.evaluation.synthetic.truth import TrueClip, TrueCurve, TrueMask, read_curve, read_dataset, read_mask
from lvef.io.open import open_clip
from lvef.stores.synthetic import Source, Task, synthesize
from lvef.stores.synthetic_sources import (
    AnimatedStillsSource,
    PhantomSource,
    animated_stills_tasks,
    phantom_tasks,
)
from lvef.transforms.sector import find_sector
from studies.external.drawings import Drawn, Rgb, read_beat, read_line

BEAT, BEAT_FILE, BEAT_FRAME_S = "echoxflow-beat", "echoxflow-contoured-beat.gif", 0.070
"""The contoured beat, its file, and the time between its frames that the file states."""

DRAWN_STILLS = {
    "multix-consensus": ("multix_pic3.png", "multix_pic2.png"),
    "multix-experts": ("multix_pic1.png", None),
    "borders": ("borders.jpg", None),
}
"""Stills with a drawn contour, and the same frame with another drawing where there is one. The consensus is the red line; of
the eleven experts of the first image the middle of the band that their lines fill counts (on the image that has both,
its Dice with the consensus is .988)."""

WALLS_LOST = ("multix-experts",)
"""Images of which the lines of eleven readers hide most of the wall: reported, but left out of the means."""

CINES = "hazy-*.mkv", "echotracker-a4c.mp4"
"""Unlabelled cines of the folder."""

DICOM_CINES = "color3d_jpeg_baseline.dcm", "examples_ybr_color.dcm"
"""Unlabelled cines that pydicom finds: the first comes with the package pydicom-data, the second with pydicom itself."""

PERTURBATIONS = (
    "zoom 0.7",
    "gamma 0.5",
    "gamma 2",
    "gain -40 %",
    "gain +40 %",
    "blur 1.5 px",
    "mirrored",
    "sector shadow",
    "narrow fan",
    "112 px, JPEG 50",
)
"""Changes of the evaluation suite that leave a cine its ventricle and need no labels."""

MOTION_SEED = 1
"""Seed of the animated stills."""

MOTION_PATIENTS = 40
"""Patients of the default list: the first of fold 0 of `lvef.training.camus_run.held_out`, seed 1, five folds, of CAMUS's
training patients. Networks trained on all training patients have met them; the validation patients stay closed."""


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """One clip or still.

    Attributes:
        name: Its name.
        clip: What a model is shown.
        truth: Cavity of each frame that has a reference.
    """

    name: str
    clip: Clip
    truth: Mapping[int, BoolArray] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class SyntheticCase:
    """A clip of a synthetic collection with its truth."""

    clip: Clip
    true: TrueClip
    curve: TrueCurve
    mask: TrueMask


def drawn_cases(shared: Path) -> list[Case]:
    """The beat and the stills on which experts drew, the drawing taken out.

    Raises:
        DataError: A file is missing or has no drawing.
    """
    frames = _images(shared / BEAT_FILE)
    cases = [_drawn_case(BEAT, read_beat(frames))]
    for name, (file, other) in DRAWN_STILLS.items():
        [image] = _images(shared / file)
        again = None if other is None else _images(shared / other)[0]
        cases.append(_drawn_case(name, [read_line(image, again)]))
    return cases


def cine_cases(shared: Path) -> list[Case]:
    """The unlabelled cines; those that are not there are left out.

    Raises:
        DataError: None is there.
    """
    paths = [path for pattern in CINES for path in sorted(shared.glob(pattern))] + _dicom_cines()
    if not paths:
        raise DataError(f"{shared}: holds none of {', '.join(CINES)}; give the folder with --shared.")
    return [Case(path.stem, replace(open_clip(path), source=path.name)) for path in paths]


def perturbed(clip: Clip, change: str) -> Clip:
    """A clip with every frame changed alike, cut to its sector first: the changes take the probe to lie above the middle."""
    box = find_sector(clip).box
    cut = clip.frames[:, box.y0 : box.y1, box.x0 : box.x1]
    nothing = np.zeros(cut.shape[1:], np.uint8)
    seed = zlib.crc32(change.encode())
    changed = [
        ALL_PERTURBATIONS[change](np.ascontiguousarray(f), nothing, np.random.default_rng(seed))[0]
        for f in cut
    ]
    return replace(
        clip,
        frames=np.stack(changed),
        region=None,
        chroma=None,
        spacing=None,
        source=f"{clip.source} {change}",
    )


def phantoms(
    out: Path, clips: int, seed: int, jobs: int, walls: str | None = None
) -> Iterator[SyntheticCase]:
    """Phantoms of a seed and kind of walls (None is the default); made once for all models, in ``out``."""
    tasks = phantom_tasks(clips, seed, "TEST")
    folder = out / (f"phantoms-seed{seed}" if walls is None else f"phantoms-seed{seed}-{walls}-walls")
    return _synthetic(PhantomSource(walls=walls), tasks, folder, seed, jobs)


def animated_stills(out: Path, camus: Path, patients: Sequence[str], jobs: int) -> Iterator[SyntheticCase]:
    """One animated pair of stills a patient; made once for all models, in ``out``."""
    tasks = animated_stills_tasks(camus, patients, 1, "TEST")
    return _synthetic(
        AnimatedStillsSource(camus), tasks, out / f"motion-seed{MOTION_SEED}", MOTION_SEED, jobs
    )


def default_patients(camus: Path) -> list[str]:
    """See `MOTION_PATIENTS`.

    Raises:
        DataError: The collection's lists are not there.
        MissingExtraError: torch is not installed.
    """
    try:
        from lvef.training.cases import held_out
    except ImportError:
        raise MissingExtraError("The default list of patients", "train") from None
    return held_out(read_split(camus, "training"), 0, 5, 1)[:MOTION_PATIENTS]


def _images(path: Path) -> list[Rgb]:
    """Frames of an image file in colour."""
    try:
        with Image.open(path) as image:
            frames = []
            for number in range(getattr(image, "n_frames", 1)):
                image.seek(number)
                frames.append(np.asarray(image.convert("RGB"), np.uint8))
            return frames
    except OSError:
        raise DataError(f"{path}: cannot be read; the folder of external images was expected.") from None


def _drawn_case(name: str, drawn: Sequence[Drawn]) -> Case:
    frames = np.stack([one.image for one in drawn])
    timing = "still" if len(frames) == 1 else "file"
    clip = Clip(frames, np.arange(len(frames), dtype=np.float64) * BEAT_FRAME_S, timing, name)
    return Case(name, clip, {i: one.cavity for i, one in enumerate(drawn)})


def _dicom_cines() -> list[Path]:
    from pydicom.data import get_testdata_file

    found = [get_testdata_file(name, download=False) for name in DICOM_CINES]
    return [Path(str(path)) for path in found if path]


def _synthetic(
    source: Source, tasks: Sequence[Task], folder: Path, seed: int, jobs: int
) -> Iterator[SyntheticCase]:
    synthesize(source, tasks, folder, seed=seed, workers=jobs)
    wanted = {task.name for task in tasks}
    for true in read_dataset(folder):
        if true.name in wanted and true.beats and not true.error:
            curve = read_curve(true.curve)
            mask = read_mask(true.mask, len(curve.times_s))
            yield SyntheticCase(replace(open_clip(true.video), source=true.video.name), true, curve, mask)
