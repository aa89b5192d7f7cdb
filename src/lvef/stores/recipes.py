"""What is made of one clip: all of its frames, or the frames of a two-stream sample, as grey squares."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Protocol

import numpy as np

from lvef.core.errors import ConfigError
from lvef.core.records import Box, Clip, FloatArray, FrameArray, PixelGeometry, PixelSpacing
from lvef.io.open import open_clip
from lvef.stores.parallel import Failure, reason_of
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
    """Part of the picture that goes into the square."""

    WHOLE = "whole"
    FAN = "fan"


@dataclass(frozen=True, slots=True)
class Made:
    """What was made of a source.

    Attributes:
        frames: ``(n, size, size)`` uint8.
        columns: What the index tells of it.
    """

    frames: FrameArray
    columns: dict[str, Any]


class Recipe(Protocol):
    """How frames are made; a frozen dataclass, as it goes into ``store.json``."""

    @property
    def kind(self) -> str:
        """Name of what is made."""
        ...

    def settings(self) -> dict[str, Any]:
        """Whatever the frames depend on."""
        ...

    def make(self, source: Source) -> Made:
        """Make them.

        Raises:
            LvefError: They cannot be made of this source.
        """
        ...


@dataclass(frozen=True, slots=True)
class ClipRecipe:
    """All frames of a clip."""

    size: int = SIDE_PX
    """Side of the square in pixels."""
    crop: Crop = Crop.WHOLE
    """Part of the picture that goes into the square: whole, or the ultrasound fan alone."""

    kind = "clips"

    def __post_init__(self) -> None:
        check_size(self.size)

    def settings(self) -> dict[str, Any]:
        """Whatever the frames depend on."""
        return {"kind": self.kind, "size": self.size, "crop": str(self.crop)}

    def make(self, source: Source) -> Made:
        """Decode, cut, scale and pad.

        Raises:
            LvefError: The clip cannot be read, or has no fan.
        """
        clip, placement = placed(open_source(source), source, self.size, self.crop)
        columns = {**_timing_columns(clip, source), **_placement_columns(placement, clip, source)}
        return Made(fit(clip.frames, placement, self.size), columns)


@dataclass(frozen=True, slots=True)
class TwoStreamRecipe:
    """The frames that both streams are computed from; see `lvef.transforms.two_stream`."""

    size: int = SIDE_PX
    """Side of the square in pixels."""
    crop: Crop = Crop.WHOLE
    """Part of the picture that goes into the square: whole, or the ultrasound fan alone."""
    frames: int = DEFAULT_SAMPLING.n_frames
    """Frames that are read; each stream has one fewer."""
    duration: float = DEFAULT_SAMPLING.duration_s
    """Seconds from the first of them to the last."""

    kind = "two-stream"

    def __post_init__(self) -> None:
        check_size(self.size)
        Sampling(self.frames, self.duration)

    def settings(self) -> dict[str, Any]:
        """Whatever the frames depend on."""
        values = asdict(self) | {"crop": str(self.crop)}
        return {"kind": self.kind, **values}

    def make(self, source: Source) -> Made:
        """Decode, pick frames by the clip's clock, cut, scale and pad.

        Raises:
            LvefError: The clip cannot be read, has no fan or a single frame.
        """
        clip, placement = placed(open_source(source), source, self.size, self.crop)
        picked = window(times_of(clip, source)[0], Sampling(self.frames, self.duration))
        rate = (self.frames - 1) / self.duration
        columns = {
            "frame_rate_hz": rate,
            "frame_times_s": None,
            "timing": times_of(clip, source)[1],
            "source_frames": ";".join(str(i) for i in picked.indices),
            "mirrored_frames": picked.mirrored,
            **_placement_columns(placement, clip, source),
        }
        return Made(fit(clip.frames[picked.indices], placement, self.size), columns)


def make(job: tuple[Recipe, Source]) -> Made | Failure:
    """Make one source's frames; a failure is returned, not raised."""
    recipe, source = job
    try:
        return recipe.make(source)
    except Exception as error:  # noqa: BLE001  one clip must not cost the others
        return Failure(source.item, reason_of(error, str(source.path)))


def open_source(source: Source) -> Clip:
    """The clip of a source.

    Raises:
        LvefError: It cannot be read.
    """
    return open_clip(source.path)


def times_of(clip: Clip, source: Source) -> tuple[FloatArray, str]:
    """Times of a clip's frames and where they are from: its own clock, else the manifest's frame rate, else assumed."""
    if clip.timing == "assumed" and source.frame_rate_hz:
        return np.arange(len(clip.frames)) / source.frame_rate_hz, "manifest"
    return clip.times_s, clip.timing


def placed(clip: Clip, source: Source, size: int, crop: Crop) -> tuple[Clip, Placement]:
    """The clip, and where its picture goes in the square: longest side fitted, padded with black, pixels made square.

    With `Crop.FAN` everything outside the fan is black: names on the screen must not reach an output.

    Raises:
        QualityRefusal: The fan is asked for and there is none.
    """
    height, width = clip.frames.shape[1:]
    box = Box(0, 0, width, height)
    if crop == Crop.FAN:
        fan = find_sector(clip)
        clip, box = keep_sector(clip, fan), fan.box
    return clip, place(box, size, spacing_of(clip, source))


def spacing_of(clip: Clip, source: Source) -> PixelGeometry | None:
    """The file's own scale, else the manifest's, else the shape of the file's pixels."""
    return clip.scale or source.spacing or clip.spacing


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
    return {
        "box_x0_px": placement.box.x0,
        "box_y0_px": placement.box.y0,
        "scale_x": placement.scale_x,
        "scale_y": placement.scale_y,
        "pad_x_px": placement.pad_x,
        "pad_y_px": placement.pad_y,
        "spacing_x_mm": spacing.x_mm / placement.scale_x if isinstance(spacing, PixelSpacing) else None,
        "spacing_y_mm": spacing.y_mm / placement.scale_y if isinstance(spacing, PixelSpacing) else None,
        "notices": ";".join(notice.code for notice in clip.notices) or None,
    }


def check_size(size: int) -> None:
    """Refuse a square that nobody can mean.

    Raises:
        ConfigError: It is too small or too large.
    """
    if not SIDES[0] <= size <= SIDES[1]:
        raise ConfigError(
            f"a square of {size} pixels cannot be prepared; {SIDES[0]} to {SIDES[1]} are possible."
        )
