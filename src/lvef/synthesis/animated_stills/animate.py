"""Animate a pair of stills through the volume-time curve of a recording: a cine with known truth."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lvef.core.errors import ConfigError
from lvef.core.records import Clip, FloatArray, FrameArray, PixelSpacing, Tracing
from lvef.core.terms import Structure
from lvef.geometry.contour import mask_of_contour
from lvef.geometry.simpson import volume_of_tracing
from lvef.geometry.tracing import tracing_of_contour
from lvef.synthesis.animated_stills.appearance import (
    Effects,
    Image,
    Painter,
    Speckle,
    breathing,
    draw_effects,
    finished,
    gains,
    sampled,
)
from lvef.synthesis.animated_stills.matching import StillPair, apex_of, hinges_of
from lvef.synthesis.animated_stills.motion import ContractionModel, fit_contraction
from lvef.synthesis.truth import SyntheticClip, beats_in_clip
from lvef.synthesis.volume_curves import Acquisition, RecordingOptions, Rhythm, volume_at

BLOOD_EDGE_PX = 2.0
"""Standard deviation of the soft border between speckle of blood and of tissue, pixels of the still."""


@dataclass(frozen=True, slots=True)
class Canvas:
    """From the still's grid to that of the finished image.

    Attributes:
        shape: ``(h, w)`` of the finished image.
        pad: Rows above and below, columns left and right that make the still square.
        scale: Pixels of the finished image per pixel of the still.
        spacing: Millimetres per pixel of the finished image, or None.
        aspect: Height over width of a pixel.
    """

    shape: tuple[int, int]
    pad: tuple[int, int, int, int]
    scale: float
    spacing: PixelSpacing | None
    aspect: float

    @classmethod
    def of(cls, pair: StillPair, size: int | None) -> Canvas:
        """The canvas of a pair: padded to a square and resized, or the still's own grid (None)."""
        h, w = pair.ed.shape
        if size is None:
            return cls((h, w), (0, 0, 0, 0), 1.0, pair.spacing, pair.aspect)
        side = max(h, w)
        top, left = (side - h) // 2, (side - w) // 2
        scale = size / side
        own = pair.spacing
        spacing = own and PixelSpacing(own.x_mm / scale, own.y_mm / scale, own.source)
        return cls((size, size), (top, side - h - top, left, side - w - left), scale, spacing, pair.aspect)

    def image(self, still: Image) -> Image:
        """An image on the still's grid, ``(h, w)``, on this one."""
        padded = np.pad(still, (self.pad[:2], self.pad[2:]))
        if self.scale == 1:
            return padded
        how = cv2.INTER_AREA if self.scale < 1 else cv2.INTER_LINEAR
        return np.asarray(cv2.resize(padded, self.shape[::-1], interpolation=how), dtype=np.float32)

    def points(self, points: FloatArray) -> FloatArray:
        """Points of the still as points of the finished image."""
        corner = np.array([self.pad[2] + 0.5, self.pad[0] + 0.5])
        return np.asarray((points + corner) * self.scale - 0.5)


def _draw_frames(
    heart: ContractionModel,
    canvas: Canvas,
    levels: FloatArray,
    poses: FloatArray,
    times_s: FloatArray,
    effects: Effects,
    rng: np.random.Generator,
) -> FrameArray:
    """Frames of a clip, ``(n, h, w)`` uint8, at contraction levels ``(n,)`` and in poses ``(n, 2, 3)`` of `breathing`."""
    painter = Painter(heart.pair.ed, heart.pair.es, heart.sector)
    shape = heart.pair.ed.shape
    fresh = effects.tissue_speckle > 0 or effects.blood_speckle > 0
    speckle = Speckle(heart.sector, shape, times_s, rng) if fresh else None
    usual = _usual_deviation(painter, heart) if fresh else (0.0, 0.0)
    brightness = gains(times_s, effects, rng)
    out = np.empty((len(levels), *canvas.shape), np.float32)
    for i, (level, pose) in enumerate(zip(levels, poses, strict=True)):
        maps = _Maps(heart, pose)
        smooth, grain, deviation = painter.parts(level, maps.into(-level), maps.into(1 - level))
        if speckle is not None:
            tissue = sampled(speckle.tissue(i), maps.into(0.5 - level))
            blood = _blood(heart, level, pose, shape)
            new = tissue + blood * (speckle.blood() - tissue)
            of_tissue, of_blood = np.float32(effects.tissue_speckle), np.float32(effects.blood_speckle)
            amount = of_tissue * (1 - blood) + of_blood * blood
            limit = np.float32(usual[0]) * (1 - blood) + np.float32(usual[1]) * blood
            # Where the deviation is that of an edge and not of speckle, only as much as speckle has is exchanged.
            amount = amount * np.minimum(1, limit / np.maximum(deviation, 1e-3))
            grain = grain * np.sqrt(1 - amount * amount) + amount * deviation * new
        image = (smooth + grain) * np.float32(brightness[i])
        out[i] = canvas.image(painter.framed(image, level))
    inside = canvas.image(painter.mask) > 0.5
    return np.clip(np.rint(finished(out, inside, effects, rng)), 0, 255).astype(np.uint8)


class _Maps:
    """Where each pixel of a frame lies in the stills, with the heart in a pose."""

    def __init__(self, heart: ContractionModel, pose: FloatArray) -> None:
        self.flow = heart.flow
        h, w = heart.pair.ed.shape
        back = np.linalg.inv(pose[:, :2])
        self.back = np.concatenate([back, (-back @ pose[:, 2])[:, None]], axis=1)
        y, x = np.mgrid[:h, :w].astype(np.float32)
        m = self.back.astype(np.float32)
        self.rest = np.stack([row[0] * x + row[1] * y + row[2] for row in m], axis=-1)
        self.to_nodes = self.back / heart.flow.step
        self.to_nodes[:, 2] -= heart.flow.origin / heart.flow.step

    def into(self, time: float) -> Image:
        """Place in the image that lies ``time`` of the flow away, ``(h, w, 2)``."""
        h, w = self.rest.shape[:2]
        how, edge = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, cv2.BORDER_REPLICATE
        moved = cv2.warpAffine(self.flow.at(time), self.to_nodes, (w, h), flags=how, borderMode=edge)
        return np.asarray(self.rest + moved, dtype=np.float32)


def _posed(points: FloatArray, pose: FloatArray) -> FloatArray:
    return np.asarray(points @ pose[:, :2].T + pose[:, 2])


def _blood(heart: ContractionModel, level: float, pose: FloatArray, shape: tuple[int, ...]) -> Image:
    """How much of each pixel is blood of ventricle or atrium, ``(h, w)`` 0..1 with a soft border."""
    chambers = [heart.lv] if heart.atrium is None else [heart.lv, heart.atrium]
    mask = np.zeros(shape, np.float32)
    for chamber in chambers:
        points = _posed(heart.contour(chamber, level), pose)
        cv2.fillPoly(mask, [np.rint(points * 8).astype(np.int32)], 1.0, shift=3)
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), BLOOD_EDGE_PX))


def _usual_deviation(painter: Painter, heart: ContractionModel) -> tuple[float, float]:
    """Median local deviation of tissue and of blood in the two stills."""
    blood = heart.pair.ed_labels == Structure.LV
    deviation = np.sqrt(np.maximum(painter.stills[0][..., 2], 0))
    tissue = heart.sector.inside & ~blood
    return float(np.median(deviation[tissue])), float(np.median(deviation[blood]))


def _draw_truth(
    heart: ContractionModel, canvas: Canvas, levels: FloatArray, poses: FloatArray
) -> tuple[tuple[Tracing, ...], NDArray[np.uint8]]:
    """Tracings and labels ``(n, h, w)`` of the frames that `_draw_frames` draws."""
    tracings = []
    labels = np.zeros((len(levels), *canvas.shape), np.uint8)
    for i, (level, pose) in enumerate(zip(levels, poses, strict=True)):

        def shown(stack: FloatArray, level: float = level, pose: FloatArray = pose) -> FloatArray:
            return canvas.points(_posed(heart.contour(stack, level), pose))

        lv = shown(heart.lv)
        tracings.append(tracing_of_contour(lv, apex_of(lv), hinges_of(lv), aspect=canvas.aspect))
        if heart.atrium is not None:
            labels[i][mask_of_contour(shown(heart.atrium), canvas.shape) > 0] = Structure.LA
        if heart.wall is not None:
            labels[i][mask_of_contour(shown(heart.wall), canvas.shape) > 0] = Structure.MYOCARDIUM
        labels[i][mask_of_contour(lv, canvas.shape) > 0] = Structure.LV
    return tuple(tracings), labels


EF_RANGE = (10.0, 75.0)
"""Range of EFs, drawn uniformly, where none is given."""

SIZE = 112
"""Side of the finished image, that of EchoNet-Dynamic."""


@dataclass(frozen=True, slots=True)
class AnimationOptions(RecordingOptions):
    """Options of an animated still; None is drawn. The EF is that of the usual beat, in the plane.

    Attributes:
        own_ef: Take the patient's own EF; then ``ef_percent`` must be None.
        size: Side of the square image, padded and resized; None keeps the still's own grid.
        effects: Amounts; ``Effects()`` is the plain deformation.
    """

    own_ef: bool = False
    size: int | None = SIZE
    effects: Effects | None = field(default=None)

    def __post_init__(self) -> None:
        if self.own_ef and self.ef_percent is not None:
            raise ConfigError(
                f"own_ef and an EF of {self.ef_percent:g} % exclude each other; leave one of them out."
            )
        if self.ef_percent is not None and not 0 < self.ef_percent < 100:
            raise ConfigError(f"ef_percent is {self.ef_percent:g}, a value between 0 and 100 was expected.")
        if self.size is not None and self.size < 16:
            raise ConfigError(f"size is {self.size}, at least 16 pixels were expected.")
        if self.n_frames is not None and self.n_frames < 1:
            raise ConfigError(f"n_frames is {self.n_frames}, at least 1 was expected.")


def animate_stills(
    pair: StillPair | ContractionModel, options: AnimationOptions, rng: np.random.Generator, *, name: str
) -> SyntheticClip:
    """A cine of one patient's heart at rest.

    Args:
        pair: The stills, or what `fit_contraction` made of them, for several clips of one patient.
        options: What to animate.
        rng: Random generator; the same state gives the same clip.
        name: Source of the clip.

    Returns:
        The clip with its truth. ``volume_ml`` is ``plane_volume_ml``: there is no body in space.

    Raises:
        GeometryError: The pair cannot be animated, with the reason.
    """
    heart = pair if isinstance(pair, ContractionModel) else fit_contraction(pair)
    wanted = heart.own_ef_percent if options.own_ef else options.ef_percent
    drawn = float(rng.uniform(*EF_RANGE))
    wanted = drawn if wanted is None else wanted
    ed_level, es_level, ef = (0.0, 1.0, wanted) if options.own_ef else heart.levels_for_ef(wanted)
    acquisition = options.draw(rng, heart.volume(ed_level), ef)
    rhythm, held = _within_reach(acquisition.rhythm, heart)
    acquisition = replace(acquisition, rhythm=rhythm)
    times = acquisition.times_s
    levels = heart.levels_of(volume_at(rhythm, acquisition.start_s + times))
    effects = draw_effects(rng) if options.effects is None else options.effects
    canvas = Canvas.of(heart.pair, options.size)
    spacing = heart.pair.spacing
    scale = np.array([spacing.x_mm, spacing.y_mm] if spacing else [1.0, 1.0])
    poses = breathing(times, effects, heart.lv[0].mean(axis=0), scale, rng)
    frames = _draw_frames(heart, canvas, levels, poses, times, effects, rng)
    tracings, labels = _draw_truth(heart, canvas, levels, poses)
    volumes = np.array([volume_of_tracing(t, canvas.spacing) for t in tracings])
    no_scale = "" if canvas.spacing else "The animated still has no scale."
    clip = Clip(frames, times, "synthetic", name, canvas.spacing, no_scale, view=heart.pair.view)
    parameters = _parameters(heart, acquisition, effects, wanted, (ef, ed_level, es_level), held)
    beats = beats_in_clip(rhythm, acquisition.start_s, times, volumes)
    return SyntheticClip(clip, labels, tracings, volumes, volumes, beats, parameters)


def _within_reach(rhythm: Rhythm, heart: ContractionModel) -> tuple[Rhythm, bool]:
    """The rhythm with every beat's volumes inside what the heart can be drawn at, and whether any was changed."""
    largest, smallest = float(heart.volumes[0]), float(heart.volumes[-1])
    ed = np.clip(rhythm.ed_volume, None, largest)
    es = np.clip(rhythm.es_volume, smallest, None)
    es = np.minimum(es, ed)
    if np.allclose(ed, rhythm.ed_volume) and np.allclose(es, rhythm.es_volume):
        return rhythm, False
    return replace(rhythm, ed_volume=ed, ef_percent=100 * (ed - es) / ed), True


def _parameters(
    heart: ContractionModel,
    acquisition: Acquisition,
    effects: Effects,
    wanted: float,
    drawn: tuple[float, float, float],
    held: bool,
) -> dict[str, Any]:
    pair, (ef, ed_level, es_level) = heart.pair, drawn
    notes = []
    if abs(ef - wanted) > 0.05:
        notes.append(
            f"The requested EF is {wanted:.1f} %; {ef:.1f} % is the nearest that these stills can be deformed to."
        )
    if held:
        notes.append(
            "Volumes of some beats were limited to the largest or smallest that these stills can be deformed to."
        )
    if pair.spacing is None:
        notes.append("The stills have no scale: volumes are in cubic pixels of the finished image.")
    return {
        "kind": "motion",
        "patient": pair.patient,
        "view": str(pair.view),
        "own_ef_percent": heart.own_ef_percent,
        "asked_ef_percent": wanted,
        "ef_percent": ef,
        "ed_level": ed_level,
        "es_level": es_level,
        "levels": [float(heart.levels[0]), float(heart.levels[-1])],
        "rhythm": str(acquisition.kind),
        "heart_rate_bpm": 60 / float(acquisition.rhythm.cycles_s.mean()),
        "frame_rate_hz": acquisition.frame_rate_hz,
        "start_s": acquisition.start_s,
        "effects": asdict(effects),
        "volume_unit": "ml" if pair.spacing else "cubic pixels",
        "structures": [
            name
            for name, contour in (("LV", heart.lv), ("MYOCARDIUM", heart.wall), ("LA", heart.atrium))
            if contour is not None
        ],
        "notes": notes,
    }
