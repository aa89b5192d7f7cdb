"""What synthetic datasets are made of: phantoms, and animated stills of CAMUS; and a folder of clips of every view.

The split of a patient never depends on the seed, so that datasets made with different seeds can be joined without a patient
in two splits.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lvef.core.errors import DataError, QualityRefusal
from lvef.core.runner import Progress
from lvef.core.serialization import csv_text
from lvef.core.terms import Phase, View
from lvef.datasets.camus import CITATION, LICENCE, pair_of, read_names, read_split, read_stills
from lvef.io.atomic import make_folder, write_bytes_atomic, write_text_atomic
from lvef.io.avi import BEST_QUALITY, encode_motion_jpeg
from lvef.stores.synthetic import Task
from lvef.stores.synthetic_files import Terms
from lvef.synthesis.foreign import FOREIGN_CLASSES, foreign_clip
from lvef.synthesis.truth import SyntheticClip

if TYPE_CHECKING:
    from lvef.synthesis.animated_stills.motion import ContractionModel

EIGHTHS = ("TRAIN", "TRAIN", "TRAIN", "VAL", "TRAIN", "TRAIN", "TRAIN", "TEST")
"""Splits of eight patients in a row: 75, 12.5 and 12.5 %."""

PHANTOM_TERMS = Terms(
    "lvef-phantom",
    "Apache-2.0",
    "These clips were computed: they show no patient. They come under the licence of the program that made them, "
    "Apache-2.0: anyone may use, change and pass them on, for any purpose.",
)
"""Who may use phantoms."""

ANIMATED_STILLS_TERMS = Terms(
    "camus-motion",
    LICENCE,
    "These clips are made of stills of the dataset CAMUS and come under its licence, CC BY-NC-SA 4.0: non-commercial "
    "scientific use only, under the same licence, naming the source. Networks trained on them carry that licence too.\n"
    f"Cite: {CITATION}.",
    CITATION,
)
"""Who may use animated stills."""

SUBGROUPS = ("training", "validation")
"""Lists of CAMUS whose stills may be animated; the third, testing, stays closed."""


@dataclass(frozen=True, slots=True)
class Between:
    """A value, or where the two differ a range from which it is drawn evenly for each clip."""

    low: float
    high: float

    def draw(self, rng: np.random.Generator) -> float:
        """A value of the range."""
        return self.low if self.low == self.high else float(rng.uniform(self.low, self.high))


@dataclass(frozen=True, slots=True)
class ClipOptions:
    """What each clip is to be; what is None is drawn anew for each.

    Attributes:
        view: A4C or A2C.
        ef_percent: EF of a phantom in space, or EF to which the motion of stills is scaled.
        heart_rate_bpm: Mean heart rate.
        rhythm: Name of a `lvef.synthesis.volume_curves.RhythmKind`.
        frame_rate_hz: Frames per second.
        n_frames: Frames of a clip.
        size: Side of the image in pixels.
    """

    view: View = View.A4C
    ef_percent: Between | None = None
    heart_rate_bpm: Between | None = None
    rhythm: str | None = None
    frame_rate_hz: Between | None = None
    n_frames: int | None = None
    size: int = 112

    def draw(self, rng: np.random.Generator) -> dict[str, Any]:
        """The options of one clip but for its view, with values drawn from the ranges."""
        from lvef.synthesis.volume_curves import RhythmKind

        # A stream of its own, so that asking for a range changes nothing else of a clip.
        own = rng.spawn(1)[0]
        return {
            "ef_percent": self.ef_percent and self.ef_percent.draw(own),
            "heart_rate_bpm": self.heart_rate_bpm and self.heart_rate_bpm.draw(own),
            "rhythm": self.rhythm and RhythmKind(self.rhythm),
            "frame_rate_hz": self.frame_rate_hz and self.frame_rate_hz.draw(own),
            "n_frames": self.n_frames,
            "size": self.size,
        }


@dataclass(frozen=True, slots=True)
class PhantomSource:
    """Phantoms.

    Attributes:
        options: What each clip is to be.
        walls: Name of a `lvef.synthesis.phantom.draw.Walls`; None for its default.
    """

    options: ClipOptions = ClipOptions()
    walls: str | None = None

    @property
    def settings(self) -> dict[str, Any]:
        """Everything the clips depend on beside the seed."""
        # Datasets begun before there was a choice of walls have no such setting and can be continued.
        walls = {} if self.walls is None else {"walls": self.walls}
        return {"made_of": "phantoms", **asdict(self.options), **walls}

    @property
    def terms(self) -> Terms:
        """Anyone may use them."""
        return PHANTOM_TERMS

    def make(self, task: Task, rng: np.random.Generator) -> SyntheticClip:
        """Draw a phantom and render it."""
        from lvef.synthesis.phantom.draw import PhantomOptions, Walls, draw_phantom
        from lvef.synthesis.phantom.render import render_phantom

        walls = Walls.INCOMPRESSIBLE if self.walls is None else Walls(self.walls)
        options = PhantomOptions(view=self.options.view, walls=walls, **self.options.draw(rng))
        return render_phantom(draw_phantom(rng, options, name=task.name), rng)


def phantom_tasks(n: int, seed: int, split: str | None = None) -> list[Task]:
    """``n`` phantoms, each a patient of its own, whom no dataset of another seed has.

    Args:
        n: How many.
        seed: Of the dataset.
        split: One split for all; None for 75, 12.5 and 12.5 %.
    """
    return [
        Task(name, f"{name}-seed{seed}", 1, split or EIGHTHS[(k - 1) % len(EIGHTHS)], (k,))
        for k, name in ((k, f"phantom{k:05d}") for k in range(1, n + 1))
    ]


@dataclass(frozen=True, slots=True)
class AnimatedStillsSource:
    """Animated stills of CAMUS.

    Attributes:
        root: Folder that holds ``database_nifti`` and ``database_split``.
        options: What each clip is to be.
        own_ef: Keep each patient's own EF.
    """

    root: Path
    options: ClipOptions = ClipOptions()
    own_ef: bool = False

    @property
    def settings(self) -> dict[str, Any]:
        """Everything the clips depend on beside the seed; not where the dataset lies."""
        return {"made_of": "stills of CAMUS", **asdict(self.options), "own_ef": self.own_ef}

    @property
    def terms(self) -> Terms:
        """Those of CAMUS."""
        return ANIMATED_STILLS_TERMS

    def make(self, task: Task, rng: np.random.Generator) -> SyntheticClip:
        """Read a patient's stills and animate them.

        Raises:
            QualityRefusal: A still is missing or cannot be used.
            GeometryError: The pair cannot be animated.
        """
        from lvef.synthesis.animated_stills.animate import AnimationOptions, animate_stills

        options = AnimationOptions(own_ef=self.own_ef, **self.options.draw(rng))
        model = _contraction(self.root, task.patient, self.options.view)
        return animate_stills(model, options, rng, name=task.name)


def camus_patients(
    root: Path, subgroup: str | None = None, names: Path | None = None
) -> tuple[list[str], list[str]]:
    """Patients of CAMUS whose stills may be animated.

    Args:
        root: Folder that holds ``database_nifti`` and ``database_split``.
        subgroup: One of `SUBGROUPS`, or None for both.
        names: File with names, one a line, instead of a subgroup.

    Returns:
        Those with a folder, and those without one; each in the order of the lists.

    Raises:
        DataError: The dataset, its lists or the file of names is not there, or the file names testing patients.
    """
    if not root.is_dir():
        raise DataError(
            f"{root}: no such folder; the folder of CAMUS was expected, with database_nifti and database_split in it."
        )
    if names is None:
        wanted = [p for group in ([subgroup] if subgroup else SUBGROUPS) for p in read_split(root, group)]
    else:
        wanted = read_names(names)
        known = {p for group in SUBGROUPS for p in read_split(root, group)}
        other = [p for p in wanted if p not in known]
        if other:
            raise DataError(
                f"{names}: {other[0]} ({len(other)} such) is in neither the training nor the validation list of CAMUS; "
                "only their stills are animated, the testing patients stay closed."
            )
    wanted = list(dict.fromkeys(wanted))
    there = [p for p in wanted if _has_stills(root, p)]
    if not there:
        raise DataError(
            f"{root}: holds stills of none of the {len(wanted)} patients asked for; expected database_nifti in it."
        )
    return there, [p for p in wanted if p not in set(there)]


def animated_stills_tasks(
    root: Path, patients: Sequence[str], per_patient: int = 1, split: str | None = None
) -> list[Task]:
    """Clips of patients of CAMUS.

    Args:
        root: Folder that holds ``database_split``.
        patients: Names.
        per_patient: Clips of each.
        split: One split for all; None for VAL or TRAIN of training patients (one in eight, seven in eight) and TEST of
            validation patients.

    Raises:
        DataError: The list of training patients is missing.
    """
    training = set(read_split(root, SUBGROUPS[0])) if split is None else set()
    tasks = []
    for patient in patients:
        key = int.from_bytes(hashlib.sha256(patient.encode()).digest()[:4])
        part = split or (("VAL" if key % 8 == 0 else "TRAIN") if patient in training else "TEST")
        numbers = range(1, per_patient + 1)
        tasks += [Task(f"{patient}-{k}", patient, k, part, (key, k)) for k in numbers]
    return tasks


def validation_patients(root: Path, patients: Sequence[str]) -> list[str]:
    """Those of the patients that CAMUS keeps for validation.

    Raises:
        DataError: Their list is missing.
    """
    kept = set(read_split(root, SUBGROUPS[1]))
    return [patient for patient in patients if patient in kept]


@lru_cache(maxsize=1)
def _contraction(root: Path, patient: str, view: View) -> ContractionModel:
    """The contraction of a patient's ventricle, fitted once for all clips of that patient."""
    from lvef.synthesis.animated_stills.matching import StillPair
    from lvef.synthesis.animated_stills.motion import fit_contraction

    stills = list(read_stills(root, [patient]))
    try:
        ed, es = pair_of(stills, patient, view)
        pair = StillPair(ed.image, es.image, ed.mask, es.mask, ed.spacing, view, patient)
    except DataError as error:
        raise QualityRefusal("no_pair", str(error)) from None
    return fit_contraction(pair)


def _has_stills(root: Path, patient: str) -> bool:
    return (root / "database_nifti" / patient).is_dir() or any(
        (root / "a2c_192" / f"{patient}_2CH_{phase}.png").is_file() for phase in Phase
    )


VIEWS_RATE_HZ = 25.0
"""Frames per second."""

VIEWS_FRAMES = 50
"""Frames of a clip: two seconds, in which the slowest heart that is drawn (45 a minute) beats once."""

VIEWS_TABLE = "views.csv"
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
            rng = clip_rng(seed, name, number)
            frames = foreign_clip(name, rng, n_frames=VIEWS_FRAMES, size=size, rate_hz=VIEWS_RATE_HZ)
            file = f"{name}-{number:03d}.avi"
            write_bytes_atomic(out / file, encode_motion_jpeg(frames, VIEWS_RATE_HZ, quality=BEST_QUALITY))
            rows.append((file, name, str(view)))
            progress.advance()
    write_text_atomic(out / VIEWS_TABLE, csv_text(("file", "class", "view"), rows))
    return len(rows)
