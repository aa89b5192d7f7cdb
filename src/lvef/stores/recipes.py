"""What is made of one clip: all of its frames, or the frames of a two-stream sample, as grey squares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import polars as pl

from lvef.core.errors import ConfigError, DataError
from lvef.core.journal import file_stamp
from lvef.core.records import Box, Clip, FloatArray, FrameArray, PixelGeometry, PixelSpacing
from lvef.datasets.manifest import timing_columns
from lvef.io.isolation import open_clip
from lvef.stores.clip_store import CLIPS, TWO_STREAM, StoreWriter
from lvef.stores.prepare import Source, labels_of, notice_counts
from lvef.transforms.frames import Placement, fit, place
from lvef.transforms.sampling import Sampling, window
from lvef.transforms.sector import find_sector, keep_sector
from lvef.transforms.two_stream import DEFAULT_SAMPLING, SIDE_PX

EVEN = 1e-3
"""Frames count as evenly spaced when no step differs from the median step by more than this part of it."""

SIDES = (16, 1024)
"""Least and largest side of a square, in pixels."""


_PLACE_TYPES: dict[str, pl.DataType] = {
    "item": pl.String(),
    **dict.fromkeys(("shard", "offset", "n_frames", "height", "width"), pl.Int64()),
    "sha256": pl.String(),
}
_RECIPE_TYPES: dict[str, pl.DataType] = {
    "frame_rate_hz": pl.Float64(),
    **dict.fromkeys(("frame_times_s", "timing", "source_frames"), pl.String()),
    **dict.fromkeys(("mirrored_frames", "box_x0_px", "box_y0_px"), pl.Int64()),
    **dict.fromkeys(("scale_x", "scale_y"), pl.Float64()),
    **dict.fromkeys(("pad_x_px", "pad_y_px"), pl.Int64()),
    **dict.fromkeys(("spacing_x_mm", "spacing_y_mm"), pl.Float64()),
    "notices": pl.String(),
}
_SAMPLE_COLUMNS = ("source_frames", "mirrored_frames")


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
            sector = find_sector(clip)
            clip, box = keep_sector(clip, sector), sector.box
        return clip, place(box, self.size, spacing_of(clip, source))


@dataclass(frozen=True, slots=True)
class StoreRecipe(SquareRecipe):
    """How clips become frames of a store."""

    def make(self, source: Source) -> Made:
        """Make the frames of a clip.

        Raises:
            LvefError: They cannot be made of this source.
        """
        raise NotImplementedError

    def begin(self, sources: Sequence[Source], out: Path, where: str) -> ClipPreparation:
        """Open the store; see `lvef.stores.prepare.prepare`."""
        return ClipPreparation(self, sources, out, where)


@dataclass(frozen=True, slots=True)
class ClipRecipe(StoreRecipe):
    """All frames of a clip."""

    kind = CLIPS

    def make(self, source: Source) -> Made:
        """Decode, crop, scale and pad.

        Raises:
            LvefError: The clip cannot be read, or has no sector.
        """
        clip, placement = self.place(source)
        columns = {**_timing_columns(clip, source), **_placement_columns(placement, clip, source)}
        return Made(fit(clip.frames, placement, self.size), columns)


@dataclass(frozen=True, slots=True)
class TwoStreamRecipe(StoreRecipe):
    """The frames that both streams are computed from; see `lvef.transforms.two_stream`."""

    frames: int = DEFAULT_SAMPLING.n_frames
    """Frames that are read; each stream has one fewer."""
    duration: float = DEFAULT_SAMPLING.duration_s
    """Seconds from the first of them to the last."""

    kind = TWO_STREAM

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


class ClipPreparation:
    """A store that is filled with the clips of a manifest.

    Args:
        recipe: What is made of each clip.
        sources: Items of the manifest; stills are skipped.
        out: The store.
        where: What to call the manifest in messages.

    Raises:
        DataError: There are no clips, or the store cannot be used.
        ConfigError: The store was begun with other settings.
    """

    skip_reason = "still"

    def __init__(self, recipe: StoreRecipe, sources: Sequence[Source], out: Path, where: str) -> None:
        self.kind, self.make = recipe.kind, recipe.make
        self.sources = [source for source in sources if source.kind == "clip"]
        if not self.sources:
            raise DataError(
                f"{where}: holds {len(sources)} stills and no clip; {self.kind} are made of clips."
            )
        self._writer = StoreWriter(out, recipe.settings())
        self._stamps = {source.item: file_stamp([source.path]) for source in self.sources}
        self.finish, self.close = self._writer.finish, self._writer.close

    def holds(self, source: Source) -> bool:
        """Whether a clip is written, from the same file."""
        return self._writer.holds(source.item, self._stamps[source.item])

    def add(self, source: Source, made: Made) -> None:
        """Write the frames of a clip."""
        self._writer.add(source.item, self._stamps[source.item], made.frames, made.columns)

    def damaged(self) -> list[str]:
        """Clips whose frames are not as they were written."""
        return self._writer.damaged()

    def index(
        self, prepared: Sequence[Source], manifest: pl.DataFrame
    ) -> tuple[pl.DataFrame, int, dict[str, int]]:
        """Where each clip lies, the recipe's columns, and its labels as the manifest has them now."""
        listed = [self._writer.entries[source.item] for source in prepared]
        given = {name for entry in listed for name in entry["columns"]}
        types = {k: v for k, v in _RECIPE_TYPES.items() if k in given or k not in _SAMPLE_COLUMNS}
        columns = {name: [entry[name] for entry in listed] for name in _PLACE_TYPES}
        columns |= {name: [entry["columns"].get(name) for entry in listed] for name in types}
        place = pl.DataFrame(columns, schema=_PLACE_TYPES | types)
        index = place.join(labels_of(manifest), on="item", how="left", maintain_order="left", suffix="_label")
        notes = notice_counts(index)
        if "mirrored_frames" in index.columns and (short := int((index["mirrored_frames"] > 0).sum())):
            notes["shorter_than_asked"] = short
        if (without := int(index["ef_percent"].is_null().sum())) and len(index):
            notes["without_ef"] = without
        return index, int(index["n_frames"].sum()), notes


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
    columns = timing_columns(times, EVEN)
    return {name: columns[name] for name in ("frame_rate_hz", "frame_times_s")} | {"timing": timing}


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
