"""What is made of one clip: all of its frames, or the frames of a two-stream sample, as grey squares."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, ClassVar

import numpy as np

from lvef.core.errors import ConfigError
from lvef.core.records import Box, Clip, FloatArray, FrameArray, PixelGeometry, PixelSpacing
from lvef.io.open import open_clip
from lvef.stores.sources import Source
from lvef.transforms.frames import Placement, fit, place
from lvef.transforms.sampling import Sampling, window
from lvef.transforms.sector import find_sector, keep_sector
from lvef.transforms.two_stream import DEFAULT_SAMPLING, SIDE_PX

EVEN = 1e-3
"""Frames count as evenly spaced when no step differs from the median step by more than this part of it."""

SIDES = (16, 1024)
"""Least and largest side of a square, in pixels."""


class Crop(StrEnum):
    """Part of the image that goes into the square."""

    WHOLE = "whole"
    FAN = "fan"


@dataclass(frozen=True, slots=True)
class Made:
    """What was made of a source.

    Attributes:
        frames: ``(n, size, size)`` uint8.
        columns: Its columns of the index.
    """

    frames: FrameArray
    columns: dict[str, Any]


@dataclass(frozen=True, slots=True)
class SquareRecipe:
    """How frames become grey squares."""

    size: int = SIDE_PX
    """Side of the square in pixels."""
    crop: Crop = Crop.WHOLE
    """Part of the image that goes into the square: whole, or the ultrasound sector alone."""

    kind: ClassVar[str]

    def __post_init__(self) -> None:
        if not SIDES[0] <= self.size <= SIDES[1]:
            raise ConfigError(
                f"a square of {self.size} pixels cannot be prepared; {SIDES[0]} to {SIDES[1]} are possible."
            )

    def settings(self) -> dict[str, Any]:
        """Everything the frames depend on."""
        return {"kind": self.kind, **asdict(self), "crop": str(self.crop)}

    def place(self, source: Source) -> tuple[Clip, Placement]:
        """Read a clip and find where its image goes in the square.

        The longest side is fitted, pixels are made square, the rest is black. With `Crop.FAN` everything outside the sector
        is black: names on the screen must not reach an output.

        Raises:
            LvefError: The clip cannot be read.
            QualityRefusal: The sector is asked for and there is none.
        """
        clip = open_clip(source.path)
        height, width = clip.frames.shape[1:]
        box = Box(0, 0, width, height)
        if self.crop == Crop.FAN:
            fan = find_sector(clip)
            clip, box = keep_sector(clip, fan), fan.box
        return clip, place(box, self.size, spacing_of(clip, source))


@dataclass(frozen=True, slots=True)
class ClipRecipe(SquareRecipe):
    """All frames of a clip."""

    kind = "clips"

    def make(self, source: Source) -> Made:
        """Decode, crop, scale and pad.

        Raises:
            LvefError: The clip cannot be read, or has no sector.
        """
        clip, placement = self.place(source)
        columns = {**_timing_columns(clip, source), **_placement_columns(placement, clip, source)}
        return Made(fit(clip.frames, placement, self.size), columns)


@dataclass(frozen=True, slots=True)
class TwoStreamRecipe(SquareRecipe):
    """The frames that both streams are computed from; see `lvef.transforms.two_stream`."""

    frames: int = DEFAULT_SAMPLING.n_frames
    """Frames that are read; each stream has one fewer."""
    duration: float = DEFAULT_SAMPLING.duration_s
    """Seconds from the first of them to the last."""

    kind = "two-stream"

    def __post_init__(self) -> None:
        SquareRecipe.__post_init__(self)
        self.sampling()

    def sampling(self) -> Sampling:
        """How the frames are chosen."""
        return Sampling(self.frames, self.duration)

    def make(self, source: Source) -> Made:
        """Decode, choose frames by the clip's times, crop, scale and pad.

        Raises:
            LvefError: The clip cannot be read, has no sector or a single frame.
        """
        clip, placement = self.place(source)
        times, timing = times_of(clip, source)
        chosen = window(times, self.sampling())
        columns = {
            "frame_rate_hz": (self.frames - 1) / self.duration,
            "frame_times_s": None,
            "timing": timing,
            "source_frames": ";".join(str(i) for i in chosen.indices),
            "mirrored_frames": chosen.mirrored,
            **_placement_columns(placement, clip, source),
        }
        return Made(fit(clip.frames[chosen.indices], placement, self.size), columns)


def times_of(clip: Clip, source: Source) -> tuple[FloatArray, str]:
    """Times of a clip's frames and where they are from: its own, else the manifest's frame rate, else assumed."""
    if clip.timing == "assumed" and source.frame_rate_hz:
        return np.arange(len(clip.frames)) / source.frame_rate_hz, "manifest"
    return clip.times_s, clip.timing


def spacing_of(clip: Clip, source: Source) -> PixelGeometry | None:
    """The file's own scale, else the manifest's, else the shape of the file's pixels."""
    return clip.scale or source.spacing or clip.spacing


def notices_of(clip: Clip) -> str | None:
    """The codes of a clip's warnings, as a cell of an index."""
    return ";".join(notice.code for notice in clip.notices) or None


def _timing_columns(clip: Clip, source: Source) -> dict[str, Any]:
    times, timing = times_of(clip, source)
    if len(times) < 2:
        return {"frame_rate_hz": None, "frame_times_s": None, "timing": timing}
    steps = np.diff(times)
    step = float(np.median(steps))
    even = bool(np.abs(steps - step).max() <= EVEN * step)
    uneven = None if even else ";".join(f"{time:.6g}" for time in times)
    return {"frame_rate_hz": 1.0 / step, "frame_times_s": uneven, "timing": timing}


def _placement_columns(placement: Placement, clip: Clip, source: Source) -> dict[str, Any]:
    spacing = spacing_of(clip, source)
    known = spacing if isinstance(spacing, PixelSpacing) else None
    return {
        "box_x0_px": placement.box.x0,
        "box_y0_px": placement.box.y0,
        "scale_x": placement.scale_x,
        "scale_y": placement.scale_y,
        "pad_x_px": placement.pad_x,
        "pad_y_px": placement.pad_y,
        "spacing_x_mm": known and known.x_mm / placement.scale_x,
        "spacing_y_mm": known and known.y_mm / placement.scale_y,
        "notices": notices_of(clip),
    }
