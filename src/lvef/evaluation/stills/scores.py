"""Scores of one still: mask and volume by the code that serves, beside those of the expert; of many, by the runner."""

from __future__ import annotations

import math
import zlib
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lvef.core.errors import DataError, GeometryError, LvefError, QualityRefusal
from lvef.core.journal import file_stamp
from lvef.core.records import BoolArray, Clip, FloatArray, PixelSpacing, Tracing, aspect_of
from lvef.core.terms import Phase, Status, Structure, View
from lvef.datasets.camus import CamusStill, StillFiles, find_stills
from lvef.evaluation.metrics import NAN, dice_score
from lvef.evaluation.runner import CaseResult, CaseRunner, settings_key, used_weights
from lvef.geometry.contour import mask_of_contour
from lvef.geometry.ejection import ejection_fraction
from lvef.geometry.simpson import volume_of_tracing
from lvef.geometry.tracing import trace_labels
from lvef.measure.predictor import FrameContext, Predictor
from lvef.measure.predictors import trace_in_image
from lvef.transforms.frames import Placement
from lvef.transforms.sector import Sector, find_sector

STRUCTURES = {"lv": Structure.LV, "myocardium": Structure.MYOCARDIUM, "la": Structure.LA}
"""Structures that are evaluated."""

STRUCTURE_TITLES = {"lv": "LV", "myocardium": "myocardium", "la": "LA"}
"""The same, for people."""

VIEWS = (View.A4C, View.A2C)
"""Views that are evaluated."""

PLACES = tuple((view, phase) for view in VIEWS for phase in Phase)
"""Views and phases, in the order of the tables."""


Image = NDArray[np.uint8]
Perturbation = Callable[[Image, Image, np.random.Generator], tuple[Image, Image]]
"""Image, labels and generator to image and labels."""


@dataclass(frozen=True, slots=True)
class StillScore:
    """One still, predicted and true.

    Attributes:
        patient: Name in the dataset.
        view: ``A4C`` or ``A2C``.
        phase: ``ED`` or ``ES``.
        quality: Image quality as the dataset states it, or empty.
        dice_lv: Dice of the cavity, 0-1; NaN where neither mask holds anything. So are the next two.
        dice_myocardium: Dice of the myocardium.
        dice_la: Dice of the left atrium.
        volume: Volume of the predicted mask; an arbitrary unit shared within a patient and view, NaN if untraceable.
        volume_expert: The same of the expert mask.
        hausdorff_lv: Hausdorff distance in ``distance_unit``; NaN where a mask is empty or it was not asked for. So are the
            next five.
        hausdorff_myocardium: Of the myocardium.
        hausdorff_la: Of the left atrium.
        distance_lv: Mean symmetric surface distance.
        distance_myocardium: Of the myocardium.
        distance_la: Of the left atrium.
        distance_unit: ``mm``, or ``px`` where the image has no scale.
        tracing: The predicted tracing, or None.
        tracing_expert: The tracing of the expert mask, or None.
        spacing: Scale of the image, or None.
    """

    patient: str
    view: str
    phase: str
    quality: str
    dice_lv: float
    dice_myocardium: float
    dice_la: float
    volume: float
    volume_expert: float
    hausdorff_lv: float = NAN
    hausdorff_myocardium: float = NAN
    hausdorff_la: float = NAN
    distance_lv: float = NAN
    distance_myocardium: float = NAN
    distance_la: float = NAN
    distance_unit: str = ""
    tracing: Tracing | None = field(default=None, repr=False, compare=False)
    tracing_expert: Tracing | None = field(default=None, repr=False, compare=False)
    spacing: PixelSpacing | None = field(default=None, repr=False, compare=False)

    @property
    def is_lost(self) -> bool:
        """Whether the model found no ventricle that has a volume."""
        return not np.isfinite(self.volume)

    @property
    def line_mae_lengths(self) -> float:
        """Mean absolute error of the lines' coordinates, in lengths of the expert's long axis; NaN without both tracings."""
        if self.tracing is None or self.tracing_expert is None:
            return NAN
        return line_error(self.tracing, self.tracing_expert)


class Distances(NamedTuple):
    """Distances of two borders, in `unit_of` the spacing; NaN where one of the masks is empty.

    Attributes:
        hausdorff: The farthest any border pixel of one lies from the border of the other.
        mean: Mean over all border pixels of both of the way to the other border (mean symmetric surface distance).
    """

    hausdorff: float
    mean: float


def segment_and_score(
    predictor: Predictor,
    still: CamusStill,
    *,
    other: CamusStill | None = None,
    clean: StillScore | None = None,
) -> tuple[StillScore, NDArray[np.uint8]]:
    """Segment one still as `lvef measure` does and compare it with its mask, pixel by pixel of the original.

    Args:
        predictor: A loaded model.
        still: Image and expert mask.
        other: Still of the other phase of the same patient and view, as context for models that look at it.
        clean: Score of the unperturbed still where this one was perturbed: its EF reference is kept, and distances are
            left out.

    Returns:
        The score, and the predicted labels ``(height, width)``: all background where the image is refused.
    """
    labels, tracing = _segment(predictor, still, other)
    values: dict[str, Any] = {f"dice_{name}": NAN for name in STRUCTURES}
    for name in STRUCTURES if predictor.gives_masks else ("lv",):
        masks = labels == STRUCTURES[name], still.mask == STRUCTURES[name]
        values[f"dice_{name}"] = dice_score(*masks)
        if clean is None:
            distances = border_distances(*masks, still.spacing)
            values |= {f"hausdorff_{name}": distances.hausdorff, f"distance_{name}": distances.mean}
    if clean is None:
        expert, unit = _trace_expert(still), unit_of(still.spacing)
        values |= {"volume_expert": _volume(expert, still), "tracing_expert": expert, "distance_unit": unit}
    else:
        values |= {"volume_expert": clean.volume_expert, "tracing_expert": clean.tracing_expert}
    score = StillScore(
        still.patient,
        str(still.view),
        str(still.phase),
        still.quality,
        volume=_volume(tracing, still),
        tracing=tracing,
        spacing=still.spacing,
        **values,
    )
    return score, labels


def labels_in_image(
    probability: NDArray[np.float32], placement: Placement, shape: tuple[int, ...]
) -> NDArray[np.uint8]:
    """Most probable class of each pixel of the original image, ``shape``; background outside the crop."""
    p, box = placement, placement.box
    held = probability[:, p.pad_y : p.pad_y + p.height, p.pad_x : p.pad_x + p.width]
    full = np.stack([cv2.resize(c, (box.width, box.height), interpolation=cv2.INTER_LINEAR) for c in held])
    labels = np.zeros(shape, np.uint8)
    labels[box.y0 : box.y1, box.x0 : box.x1] = full.argmax(axis=0)[:: -1 if box.upside_down else 1]
    return labels


def labels_in_contour(tracing: Tracing | None, shape: tuple[int, int]) -> NDArray[np.uint8]:
    """The cavity that a contour encloses as labels, ``shape``; all background without one."""
    if tracing is None:
        return np.zeros(shape, np.uint8)
    return mask_of_contour(tracing.contour, shape) * np.uint8(Structure.LV)


def unit_of(spacing: PixelSpacing | None) -> str:
    """``mm`` where the image has a scale, ``px`` (pixels of the image) where it has none."""
    return "px" if spacing is None else "mm"


def border_distances(predicted: BoolArray, truth: BoolArray, spacing: PixelSpacing | None) -> Distances:
    """Hausdorff and mean symmetric surface distance of two masks.

    Distances run between centres of border pixels: pixels of the mask with one of their four neighbours outside it. A mask
    that is cut off by the edge of the image has a border there.

    Args:
        predicted: ``(height, width)``.
        truth: ``(height, width)``.
        spacing: Millimetres per pixel, or None for distances in pixels.

    Raises:
        DataError: The masks differ in size.

    Source:
        Definitions as in A. A. Taha, A. Hanbury, BMC Medical Imaging 15:29, 2015, and the challenge of CAMUS.

    Example:
        >>> a, b = np.zeros((9, 9), bool), np.zeros((9, 9), bool)
        >>> a[2, 2] = b[5, 6] = True
        >>> border_distances(a, b, None)
        Distances(hausdorff=5.0, mean=5.0)
    """
    if predicted.shape != truth.shape:
        raise DataError(
            f"Masks of {predicted.shape} and {truth.shape} pixels cannot be compared; one size was expected."
        )
    if not (predicted.any() and truth.any()):
        return Distances(NAN, NAN)
    # The distance transform costs by the pixel, and most pixels hold neither mask.
    rows, columns = (np.flatnonzero((predicted | truth).any(axis=axis)) for axis in (1, 0))
    window = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    first, second = (mask[window] & ~ndimage.binary_erosion(mask[window]) for mask in (predicted, truth))
    sampling = (1.0, 1.0) if spacing is None else (spacing.y_mm, spacing.x_mm)
    both = ((first, second), (second, first))
    ways = np.concatenate(
        [ndimage.distance_transform_edt(~goal, sampling=sampling)[start] for start, goal in both]
    )
    return Distances(float(ways.max()), float(ways.mean()))


def line_error(predicted: Tracing, expert: Tracing) -> float:
    """Mean absolute error of the lines' coordinates, in lengths of the expert's long axis."""
    first, second = (
        np.concatenate([np.stack([t.apex, t.base])[None], t.chords]) for t in (predicted, expert)
    )
    return float(np.abs(first - second).mean() / np.hypot(*(expert.base - expert.apex)))


def ef_pair(ed: StillScore | None, es: StillScore | None) -> tuple[float, float] | None:
    """EF of the model and of the expert masks from the two stills of a view; None where one has no volume."""
    if ed is None or es is None:
        return None
    if not np.isfinite([ed.volume, es.volume, ed.volume_expert, es.volume_expert]).all():
        return None
    return ejection_fraction(ed.volume, es.volume), ejection_fraction(ed.volume_expert, es.volume_expert)


def ef_pairs(scores: Iterable[StillScore], view: View) -> FloatArray:
    """`ef_pair` of every patient that has one, ``(patients, 2)``."""
    patients: dict[str, dict[str, StillScore]] = {}
    for score in scores:
        if score.view == view:
            patients.setdefault(score.patient, {})[score.phase] = score
    pairs = (ef_pair(stills.get(Phase.ED), stills.get(Phase.ES)) for stills in patients.values())
    return np.array([pair for pair in pairs if pair is not None], dtype=float).reshape(-1, 2)


S = TypeVar("S", CamusStill, StillFiles)


def other_phase(still: S, stills: Iterable[S]) -> S | None:
    """The still of the same patient and view in the other phase, or None."""
    for found in stills:
        if (found.patient, found.view) == (still.patient, still.view) and found.phase != still.phase:
            return found
    return None


def _clip_and_sector(still: CamusStill) -> tuple[Clip, Sector] | None:
    clip = still.clip
    try:
        return clip, find_sector(clip)
    except QualityRefusal:
        return None


def _segment(
    predictor: Predictor, still: CamusStill, other: CamusStill | None
) -> tuple[NDArray[np.uint8], Tracing | None]:
    found = _clip_and_sector(still)
    if found is None:
        return np.zeros(still.mask.shape, np.uint8), None
    clip, sector = found
    frames, box = predictor.shown(clip, sector)
    if not predictor.gives_masks:
        # Lines predict the cavity alone: what they enclose is its mask.
        [tracing] = predictor.trace(frames, box, still.spacing).tracings
        return labels_in_contour(tracing, still.mask.shape), tracing
    context = _clip_and_sector(other) if other is not None and predictor.sees_other_phase else None
    square = None if context is None else predictor.square(*context)
    [(probability, placement)] = predictor.probabilities(
        frames, box, still.spacing, FrameContext(other=square)
    )
    labels = labels_in_image(probability, placement, still.mask.shape)
    if predictor.shape_prior is None or context is None:
        return labels, trace_in_image(probability, placement, still.spacing)
    # Both phases say what the contour of each is, as `lvef measure` has it.
    own_square = predictor.square(clip, sector)
    shown = (frames, box, square), (*predictor.shown(*context), own_square)
    traced = [predictor.trace(f, b, still.spacing, FrameContext(other=s)) for f, b, s in shown]
    tracings = [tracing for one in traced for tracing in one.tracings]
    borders = np.concatenate([one.borders for one in traced])
    return labels, predictor.shape_prior.correct(tracings, borders, clip.pixel_aspect)[0]


def expert_volume(still: CamusStill) -> float:
    """Volume of the expert mask by the method of disks, in the unit of the still's scale; NaN where it cannot be traced."""
    return _volume(_trace_expert(still), still)


def _volume(tracing: Tracing | None, still: CamusStill) -> float:
    return NAN if tracing is None else volume_of_tracing(tracing, still.spacing)


def _trace_expert(still: CamusStill) -> Tracing | None:
    try:
        return trace_labels(still.mask, aspect=aspect_of(still.spacing))
    except GeometryError:
        return None


def score_perturbed(
    predictor: Predictor, still: CamusStill, other: CamusStill | None, change: Perturbation, clean: StillScore
) -> StillScore:
    """Score a perturbed still, with its other phase perturbed too; its EF reference stays that of the unperturbed mask."""
    # Models of one frame would not look at it.
    context = perturb(other, change) if other is not None and predictor.sees_other_phase else None
    return segment_and_score(predictor, perturb(still, change), other=context, clean=clean)[0]


def perturb(still: CamusStill, change: Perturbation) -> CamusStill:
    """A still under a perturbation, image and labels."""
    # The same still gets the same grain in every run and for every model.
    rng = np.random.default_rng(zlib.crc32(f"{still.patient} {still.view} {still.phase}".encode()))
    image, mask = change(still.image, still.mask, rng)
    return replace(still, image=image, mask=mask)


@dataclass(frozen=True, slots=True)
class StillCase:
    """A still to be measured.

    Attributes:
        files: Image and mask.
        other: The same of its other phase, or None.
    """

    files: StillFiles
    other: StillFiles | None

    @property
    def item(self) -> str:
        """Patient, view and phase."""
        return f"{self.files.patient} {self.files.view} {self.files.phase}"

    @property
    def stamp(self) -> str:
        """Changes when an image or a mask does, or the patient's cfg files."""
        cfg = sorted((self.files.root / "database_nifti" / self.files.patient).glob("*.cfg"))
        both = [path for each in (self.files, self.other) if each for path in (each.image, each.mask)]
        return file_stamp([*both, *cfg])


@dataclass(frozen=True, slots=True)
class StillResult(CaseResult):
    """What came of a still.

    Attributes:
        score: Its score, whose tracings have no contour; None where it failed.
        perturbed: Scores under each perturbation, without tracings; empty where that was not asked for.
        cavity: The predicted cavity, packed; see `unpack_cavity`.
    """

    score: StillScore | None = None
    perturbed: tuple[StillScore, ...] = ()
    cavity: str = ""


def find_cases(data: Path, patients: Sequence[str]) -> list[StillCase]:
    """Every still of the patients, beside its other phase.

    Raises:
        DataError: There are none.
    """
    by_patient = (list(own) for _, own in groupby(find_stills(data, patients), attrgetter("patient")))
    return [StillCase(still, other_phase(still, own)) for own in by_patient for still in own]


def measure_cases(
    predictor: Predictor, cases: Sequence[StillCase], runner: CaseRunner, changes: Mapping[str, Perturbation]
) -> tuple[StillResult, ...]:
    """One result a still, in their order.

    Raises:
        OutputError: The journal cannot be written.
    """
    weights = used_weights(predictor, 0)
    key = settings_key(weights, "evaluation/stills", "evaluation/metrics.py", "datasets/camus.py")
    return runner.run(
        cases,
        partial(measure_case, predictor=predictor, changes=changes),
        StillResult,
        key=attrgetter("item"),
        stamp=attrgetter("stamp"),
        made_with="; ".join([key, *changes]),
        model=weights.sha256,
    )


def measure_case(case: StillCase, predictor: Predictor, changes: Mapping[str, Perturbation]) -> StillResult:
    """Score one still, and what each perturbation makes of it.

    Raises:
        LvefError: Image or mask cannot be used.
    """
    still, other = case.files.read(), None
    if case.other is not None and predictor.sees_other_phase:
        try:
            other = case.other.read()
        except LvefError:
            # It fails on its own account; this still is measured as one without another phase.
            other = None
    clean, labels = segment_and_score(predictor, still, other=other)
    scores = (score_perturbed(predictor, still, other, change, clean) for change in changes.values())
    return StillResult(
        case.item,
        str(Status.OK),
        score=replace(
            clean,
            tracing=_without_contour(clean.tracing),
            tracing_expert=_without_contour(clean.tracing_expert),
        ),
        perturbed=tuple(replace(score, tracing=None, tracing_expert=None) for score in scores),
        cavity=b64encode(zlib.compress(np.packbits(labels == Structure.LV).tobytes())).decode(),
    )


def unpack_cavity(cavity: str, shape: tuple[int, ...]) -> BoolArray:
    """`StillResult.cavity` as a mask, ``shape``."""
    bits = np.frombuffer(zlib.decompress(b64decode(cavity)), np.uint8)
    return np.unpackbits(bits, count=math.prod(shape)).reshape(shape) > 0


def _without_contour(tracing: Tracing | None) -> Tracing | None:
    return None if tracing is None else replace(tracing, contour=np.empty((0, 2)))
