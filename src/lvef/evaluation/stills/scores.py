"""Scores a segmentation network on stills with expert masks, through the code that serves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from lvef.core.errors import GeometryError, QualityRefusal
from lvef.core.records import BoolArray, Clip, Tracing, aspect_of
from lvef.core.terms import Phase, Structure, View
from lvef.datasets.camus import CamusStill
from lvef.evaluation.figures import Named, make_figures
from lvef.evaluation.metrics import NAN
from lvef.evaluation.stills.distances import border_distances, unit_of
from lvef.evaluation.stills.records import (
    STRUCTURES,
    StillScore,
)
from lvef.geometry.ejection import ejection_fraction
from lvef.geometry.simpson import volume_of_tracing
from lvef.geometry.tracing import trace_labels
from lvef.inference.card import Figure
from lvef.measure.predictor import Predictor
from lvef.measure.predictors import trace_in_image
from lvef.transforms.frames import Placement
from lvef.transforms.sector import Sector, find_sector

VIEWS = (View.A4C, View.A2C)
"""Views that are judged."""

EXPERTS = "expert masks"
"""What overlap and distances are measured against."""

QUALITIES = ("Good", "Medium", "Poor")
"""Picture qualities by which figures are split."""


def score_still(
    predictor: Predictor,
    still: CamusStill,
    *,
    other: CamusStill | None = None,
    clean: StillScore | None = None,
) -> StillScore:
    """Segment one still as `lvef measure` does and compare it with its mask, pixel by pixel of the original.

    Args:
        predictor: A loaded network.
        still: Picture and expert mask.
        other: Still of the other phase of the same patient and view, as context for networks that look at it.
        clean: Score of the unchanged still where this one was changed: its EF reference is kept, and distances are left out.
    """
    return segment_and_score(predictor, still, other=other, clean=clean)[0]


def segment_and_score(
    predictor: Predictor,
    still: CamusStill,
    *,
    other: CamusStill | None = None,
    clean: StillScore | None = None,
) -> tuple[StillScore, NDArray[np.uint8]]:
    """As `score_still`, with the network's labels ``(height, width)``: all background where it refuses the picture."""
    labels, tracing = _segment(predictor, still, other)
    masks = {name: (labels == value, still.mask == value) for name, value in STRUCTURES.items()}
    told = tuple(STRUCTURES) if predictor.gives_masks else ("lv",)
    dice = {name: dice_score(*both) if name in told else NAN for name, both in masks.items()}
    score = StillScore(
        still.patient,
        str(still.view),
        str(still.phase),
        still.quality,
        dice["lv"],
        dice["myocardium"],
        dice["la"],
        _volume(tracing, still),
        NAN,
        tracing=tracing,
        spacing=still.spacing,
    )
    if clean is not None:
        return replace(score, volume_expert=clean.volume_expert, tracing_expert=clean.tracing_expert), labels
    nothing = np.zeros_like(still.mask, dtype=bool)
    far = {
        name: border_distances(found if name in told else nothing, truth, still.spacing)
        for name, (found, truth) in masks.items()
    }
    expert = _trace_expert(still)
    return replace(
        score,
        volume_expert=_volume(expert, still),
        tracing_expert=expert,
        hausdorff_lv=far["lv"].hausdorff,
        hausdorff_myocardium=far["myocardium"].hausdorff,
        hausdorff_la=far["la"].hausdorff,
        distance_lv=far["lv"].mean,
        distance_myocardium=far["myocardium"].mean,
        distance_la=far["la"].mean,
        distance_unit=unit_of(still.spacing),
    ), labels


def labels_in_picture(
    probability: NDArray[np.float32], placement: Placement, shape: tuple[int, ...]
) -> NDArray[np.uint8]:
    """Most probable class of each pixel of the original picture, ``shape``; background outside the crop."""
    p, box = placement, placement.box
    held = probability[:, p.pad_y : p.pad_y + p.height, p.pad_x : p.pad_x + p.width]
    full = np.stack([cv2.resize(c, (box.width, box.height), interpolation=cv2.INTER_LINEAR) for c in held])
    labels = np.zeros(shape, np.uint8)
    labels[box.y0 : box.y1, box.x0 : box.x1] = full.argmax(axis=0)
    return labels


def labels_in_contour(tracing: Tracing | None, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """The cavity that a contour encloses as labels, ``shape``; all background without one."""
    labels = np.zeros(shape, np.uint8)
    if tracing is not None:
        # Four binary places: a contour of pixel corners would widen the mask by half a pixel.
        points = np.round(tracing.contour * 16).astype(np.int32)
        cv2.fillPoly(labels, [points[:, None]], int(Structure.LV), shift=4)
    return labels


def dice_score(predicted: BoolArray, truth: BoolArray) -> float:
    """Dice overlap, 0-1; NaN where neither holds anything."""
    total = int(predicted.sum() + truth.sum())
    return 2 * int((predicted & truth).sum()) / total if total else NAN


def ef_pairs(scores: Iterable[StillScore], view: View) -> NDArray[np.float64]:
    """EF of the network and of the expert masks, ``(patients, 2)``; patients with an untraceable still are left out."""
    volumes: dict[str, dict[str, StillScore]] = {}
    for score in scores:
        if score.view == view:
            volumes.setdefault(score.patient, {})[score.phase] = score
    rows = []
    for phases in volumes.values():
        ed, es = phases.get(Phase.ED), phases.get(Phase.ES)
        if ed and es and np.isfinite([ed.volume, es.volume, ed.volume_expert, es.volume_expert]).all():
            rows.append(
                (
                    ejection_fraction(ed.volume, es.volume),
                    ejection_fraction(ed.volume_expert, es.volume_expert),
                )
            )
    return np.array(rows, dtype=float).reshape(-1, 2)


def overlap_figures(scores: Sequence[StillScore], split: str, seed: int) -> list[Figure]:
    """Dice, Hausdorff and mean surface distance by view, phase and structure; LV Dice by picture quality as well."""
    found: list[Figure] = []
    for view in VIEWS:
        for phase in Phase:
            here = [s for s in scores if s.view == view and s.phase == phase]
            for name in STRUCTURES:
                found += _mean_figures("dice", name, here, f"{view}_{phase}", split, seed)
    for kind in ("hausdorff", "distance"):
        for view in VIEWS:
            for phase in Phase:
                here = [s for s in scores if s.view == view and s.phase == phase]
                for name in STRUCTURES:
                    found += _mean_figures(kind, name, here, f"{view}_{phase}", split, seed)
    for quality in QUALITIES:
        for view in VIEWS:
            for phase in Phase:
                here = [s for s in scores if (s.view, s.phase, s.quality) == (view, phase, quality)]
                found += _mean_figures("dice", "lv", here, f"{view}_{phase}_{quality}", split, seed)
    return found


def _mean_figures(
    kind: str, name: str, scores: Sequence[StillScore], ending: str, split: str, seed: int
) -> list[Figure]:
    """The mean of one column over the stills of one view and phase, which are one a patient."""
    known = [s for s in scores if np.isfinite(getattr(s, f"{kind}_{name}"))]
    if not known:
        return []  # a network of lines tells neither wall nor atrium
    units = {s.distance_unit for s in known}
    if kind != "dice" and len(units) != 1:
        # Millimetres and pixels have no mean.
        return []
    named = Named(f"{kind}_{name}_{ending}".lower(), "" if kind == "dice" else units.pop())
    values = np.array([getattr(s, f"{kind}_{name}") for s in known], dtype=float)
    return make_figures([named], lambda v: [v.mean()], values, split=split, reference=EXPERTS, seed=seed)


def other_phase(still: CamusStill, stills: Iterable[CamusStill]) -> CamusStill | None:
    """The still of the same patient and view in the other phase, or None."""
    for found in stills:
        if (found.patient, found.view) == (still.patient, still.view) and found.phase != still.phase:
            return found
    return None


def _clip_and_fan(still: CamusStill) -> tuple[Clip, Sector] | None:
    clip = Clip(still.picture[None], np.zeros(1), "still", still.patient, spacing=still.spacing)
    try:
        return clip, find_sector(clip)
    except QualityRefusal:
        return None


def _segment(
    predictor: Predictor, still: CamusStill, other: CamusStill | None
) -> tuple[NDArray[np.uint8], Tracing | None]:
    found = _clip_and_fan(still)
    if found is None:
        return np.zeros(still.mask.shape, np.uint8), None
    clip, fan = found
    frames, box = predictor.shown(clip, fan)
    if not predictor.gives_masks:
        # Lines tell the cavity alone: what they enclose is its mask.
        [tracing] = predictor.trace(frames, box, still.spacing).tracings
        return labels_in_contour(tracing, still.mask.shape), tracing
    context = _clip_and_fan(other) if other is not None and predictor.sees_other_phase else None
    square = None if context is None else predictor.square(*context)
    [(probability, placement)] = predictor.probabilities(frames, box, still.spacing, other=square)
    labels = labels_in_picture(probability, placement, still.mask.shape)
    return labels, trace_in_image(probability, placement, still.spacing)


def _volume(tracing: Tracing | None, still: CamusStill) -> float:
    return NAN if tracing is None else volume_of_tracing(tracing, still.spacing)


def _trace_expert(still: CamusStill) -> Tracing | None:
    aspect = aspect_of(still.spacing)
    try:
        return trace_labels(still.mask, aspect=aspect)
    except GeometryError:
        return None
