"""Frames and truth of every instant, on the grid of the finished picture."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from lvef.core.records import FloatArray, FrameArray, PixelSpacing, Tracing
from lvef.core.terms import Structure
from lvef.geometry.contour import mask_of_contour
from lvef.geometry.tracing import tracing_of_contour
from lvef.synthesis.motion.effects import Effects, Speckle, finished, gains
from lvef.synthesis.motion.heart import Heart
from lvef.synthesis.motion.matching import apex_of, hinges_of
from lvef.synthesis.motion.pair import StillPair
from lvef.synthesis.motion.picture import Painter, Picture, sampled

BLOOD_EDGE_PX = 2.0
"""Standard deviation of the soft border between speckle of blood and of tissue, pixels of the still."""


@dataclass(frozen=True, slots=True)
class Canvas:
    """From the still's grid to that of the finished picture.

    Attributes:
        shape: ``(h, w)`` of the finished picture.
        pad: Rows above and below, columns left and right that make the still square.
        scale: Pixels of the finished picture per pixel of the still.
        spacing: Millimetres per pixel of the finished picture, or None.
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
        spacing = pair.spacing and PixelSpacing(
            pair.spacing.x_mm / scale, pair.spacing.y_mm / scale, pair.spacing.source
        )
        return cls((size, size), (top, side - h - top, left, side - w - left), scale, spacing, pair.aspect)

    def picture(self, still: Picture) -> Picture:
        """A picture on the still's grid, ``(h, w)``, on this one."""
        padded = np.pad(still, (self.pad[:2], self.pad[2:]))
        if self.scale == 1:
            return padded
        how = cv2.INTER_AREA if self.scale < 1 else cv2.INTER_LINEAR
        return np.asarray(cv2.resize(padded, self.shape[::-1], interpolation=how), dtype=np.float32)

    def points(self, points: FloatArray) -> FloatArray:
        """Points of the still as points of the finished picture."""
        corner = np.array([self.pad[2] + 0.5, self.pad[0] + 0.5])
        return np.asarray((points + corner) * self.scale - 0.5)


def draw_frames(
    heart: Heart,
    canvas: Canvas,
    levels: FloatArray,
    poses: FloatArray,
    times_s: FloatArray,
    effects: Effects,
    rng: np.random.Generator,
) -> FrameArray:
    """Frames of a clip, ``(n, h, w)`` uint8.

    Args:
        heart: The heart.
        canvas: Grid of the frames.
        levels: ``(n,)`` contraction level of each frame.
        poses: ``(n, 2, 3)`` from `lvef.synthesis.motion.effects.breathing`.
        times_s: ``(n,)``.
        effects: Amounts.
        rng: Random generator.
    """
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
            amount = (
                np.float32(effects.tissue_speckle) * (1 - blood) + np.float32(effects.blood_speckle) * blood
            )
            limit = np.float32(usual[0]) * (1 - blood) + np.float32(usual[1]) * blood
            # Where the deviation is that of an edge and not of speckle, only as much as speckle has is exchanged.
            amount = amount * np.minimum(1, limit / np.maximum(deviation, 1e-3))
            grain = grain * np.sqrt(1 - amount * amount) + amount * deviation * new
        picture = (smooth + grain) * np.float32(brightness[i])
        out[i] = canvas.picture(painter.framed(picture, level))
    inside = canvas.picture(painter.mask) > 0.5
    return np.clip(np.rint(finished(out, inside, effects, rng)), 0, 255).astype(np.uint8)


class _Maps:
    """Where each pixel of a frame lies in the stills, with the heart in a pose."""

    def __init__(self, heart: Heart, pose: FloatArray) -> None:
        self.flow = heart.flow
        h, w = heart.pair.ed.shape
        back = np.linalg.inv(pose[:, :2])
        self.back = np.concatenate([back, (-back @ pose[:, 2])[:, None]], axis=1)
        y, x = np.mgrid[:h, :w].astype(np.float32)
        m = self.back.astype(np.float32)
        self.rest = np.stack(
            [m[0, 0] * x + m[0, 1] * y + m[0, 2], m[1, 0] * x + m[1, 1] * y + m[1, 2]], axis=-1
        )
        self.to_nodes = self.back / heart.flow.step
        self.to_nodes[:, 2] -= heart.flow.origin / heart.flow.step

    def into(self, time: float) -> Picture:
        """Place in the picture that lies ``time`` of the flow away, ``(h, w, 2)``."""
        h, w = self.rest.shape[:2]
        moved = cv2.warpAffine(
            self.flow.at(time),
            self.to_nodes,
            (w, h),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        return np.asarray(self.rest + moved, dtype=np.float32)


def _posed(points: FloatArray, pose: FloatArray) -> FloatArray:
    return np.asarray(points @ pose[:, :2].T + pose[:, 2])


def _blood(heart: Heart, level: float, pose: FloatArray, shape: tuple[int, ...]) -> Picture:
    """How much of each pixel is blood of ventricle or atrium, ``(h, w)`` 0..1 with a soft border."""
    chambers = [heart.lv] if heart.atrium is None else [heart.lv, heart.atrium]
    mask = np.zeros(shape, np.float32)
    for chamber in chambers:
        points = _posed(heart.outline(chamber, level), pose)
        cv2.fillPoly(mask, [np.rint(points * 8).astype(np.int32)], 1.0, shift=3)
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), BLOOD_EDGE_PX))


def _usual_deviation(painter: Painter, heart: Heart) -> tuple[float, float]:
    """Median local deviation of tissue and of blood in the two stills."""
    blood = heart.pair.ed_labels == Structure.LV
    deviation = np.sqrt(np.maximum(painter.stills[0][..., 2], 0))
    tissue = heart.sector.inside & ~blood
    return float(np.median(deviation[tissue])), float(np.median(deviation[blood]))


def draw_truth(
    heart: Heart, canvas: Canvas, levels: FloatArray, poses: FloatArray
) -> tuple[tuple[Tracing, ...], NDArray[np.uint8]]:
    """Tracings and labels ``(n, h, w)`` of the frames that `draw_frames` draws."""
    tracings = []
    labels = np.zeros((len(levels), *canvas.shape), np.uint8)
    for i, (level, pose) in enumerate(zip(levels, poses, strict=True)):

        def shown(stack: FloatArray, level: float = level, pose: FloatArray = pose) -> FloatArray:
            return canvas.points(_posed(heart.outline(stack, level), pose))

        lv = shown(heart.lv)
        tracings.append(tracing_of_contour(lv, apex_of(lv), hinges_of(lv), aspect=canvas.aspect))
        if heart.atrium is not None:
            labels[i][mask_of_contour(shown(heart.atrium), canvas.shape) > 0] = Structure.LA
        if heart.wall is not None:
            labels[i][mask_of_contour(shown(heart.wall), canvas.shape) > 0] = Structure.MYOCARDIUM
        labels[i][mask_of_contour(lv, canvas.shape) > 0] = Structure.LV
    return tuple(tracings), labels
