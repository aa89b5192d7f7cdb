"""The columns of a manifest: the one table that every dataset is read into.

One row is one item, a clip or a still. A cell that is not known is null, never 0, -1 or an empty text.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from lvef.core.terms import DatasetView, Phase, Sex, Split

Kind = Literal["text", "whole", "number"]
"""What a column holds: text, whole numbers (int64) or numbers (float64)."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a manifest.

    Attributes:
        name: Its name, with the unit at the end where there is one.
        kind: What it holds.
        meaning: One line for people.
        allowed: The words it may hold, or empty for any.
        low: Least value it may hold, or None.
        high: Largest value it may hold, or None.
        required: Whether a null is an error.
    """

    name: str
    kind: Kind
    meaning: str
    allowed: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    required: bool = False

    def allows(self, value: float) -> bool:
        """Whether a number may stand in the column."""
        in_range = (self.low is None or value >= self.low) and (self.high is None or value <= self.high)
        return math.isfinite(value) and in_range and (self.kind == "number" or value == int(value))


COLUMNS: tuple[Column, ...] = (
    Column("item", "text", "Name of the clip or still, unique in the manifest", required=True),
    Column("collection", "text", "Short name of the dataset", required=True),
    Column("patient", "text", "Whom it shows; splits never part a patient", required=True),
    Column("kind", "text", "Clip (several frames) or still", ("clip", "still"), required=True),
    Column("view", "text", "View as the dataset labels it", tuple(DatasetView), required=True),
    Column("phase", "text", "Cardiac phase of a still", tuple(Phase)),
    Column("root", "text", "Folder that the paths below start from", required=True),
    Column("path", "text", "File of the image, from root, with forward slashes", required=True),
    Column("mask_path", "text", "File of the segmentation mask, from root"),
    Column("tracing_path", "text", "Table of tracings, from root"),
    Column("n_frames", "whole", "Number of frames", low=1),
    Column("frame_rate_hz", "number", "Median frames a second", low=0.1, high=1000),
    Column("duration_s", "number", "Time from the first to the last frame, plus one frame", low=0),
    Column("frame_times_s", "text", "Times of the frames, joined by ';', only where they are uneven"),
    Column("height_px", "whole", "Height of the image", low=1),
    Column("width_px", "whole", "Width of the image", low=1),
    Column("spacing_x_mm", "number", "Width of one pixel", low=0),
    Column("spacing_y_mm", "number", "Height of one pixel", low=0),
    Column("ef_percent", "number", "Ejection fraction as the dataset states it", low=0, high=100),
    Column("edv_ml", "number", "End-diastolic volume as the dataset states it", low=0),
    Column("esv_ml", "number", "End-systolic volume as the dataset states it", low=0),
    Column("ef_method", "text", "How the dataset came to its EF and volumes"),
    Column("ed_frame", "whole", "End-diastolic frame, counted from 0", low=0),
    Column("es_frame", "whole", "End-systolic frame, counted from 0", low=0),
    Column("n_traced_frames", "whole", "Frames with a tracing or a mask", low=0),
    Column("age_years", "number", "Age", low=0, high=130),
    Column("sex", "text", "Sex", tuple(Sex)),
    Column("heart_rate_bpm", "number", "Heart rate", low=10, high=400),
    Column("diagnosis", "text", "Diagnosis in the words of the dataset"),
    Column("quality", "text", "Image quality in the words of the dataset"),
    Column("labels", "text", "All other labels of the dataset, as a JSON object"),
    Column("split", "text", "Split of the dataset", tuple(Split)),
    Column("split_name", "text", "The split in the words of the dataset"),
    Column("told_by", "text", "Where the labels were read: file, and line where there is one"),
    Column("licence", "text", "Terms of the dataset in a few words", required=True),
)
"""Every column, in order."""

BY_NAME: Mapping[str, Column] = MappingProxyType({c.name: c for c in COLUMNS})
"""Columns by name."""
