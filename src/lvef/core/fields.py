"""The values of a result, each declared once: JSON, schema, CSV, terminal, page and reports read this table."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Flag, StrEnum, auto
from typing import Any

from lvef.core import quality_wording, wording
from lvef.core.records import FROM_BEATS, FROM_FILE, Measurement
from lvef.core.terms import Decision, Status, View, ViewSource

Line = tuple[str, str]
"""A label and the text beside it."""


class Shown(Flag):
    """Where people see a value."""

    TERMINAL = auto()
    SUMMARY = auto()
    REPORT = auto()
    PAGE = auto()
    EVERYWHERE = TERMINAL | SUMMARY | REPORT | PAGE


class Group(StrEnum):
    """Which values stand together."""

    VOLUMES = "volumes"
    VALUES = "values"
    METHOD = "method"


@dataclass(frozen=True, slots=True)
class Field:
    """One value of a result.

    Attributes:
        key: Key in ``measurement.json`` and column of ``results.csv``; the attribute of `Measurement`
            without a ``value``.
        description: What it is, for the schema.
        schema: JSON schema of the value; empty where ``measurement.schema.json`` has it; None where JSON has no such key.
        column: Place among the columns of ``results.csv``, from 0; None for no column. New columns get the next number.
        value: Computes the value for CSV; None takes the attribute ``key``.
        required: Whether every ``measurement.json`` has it, older ones too.
        label: Label for people; without ``lines`` the value is shown beside it, in ``unit``.
        unit: Unit for people.
        decimals: Decimals for people.
        is_mean: Whether it is a mean over beats, which the label says where there are several.
        lines: Labels and texts for people, where these are more than one value.
        group: Which values it stands with.
        shown: Where people see it, if it has a label or ``lines``.
    """

    key: str
    description: str = ""
    schema: dict[str, Any] | None = None
    column: int | None = None
    value: Callable[[Measurement], Any] | None = None
    required: bool = True
    label: str = ""
    unit: str = ""
    decimals: int = 0
    is_mean: bool = False
    lines: Callable[[Measurement], Iterable[Line]] | None = None
    group: Group = Group.VALUES
    shown: Shown = Shown.EVERYWHERE

    def value_of(self, measurement: Measurement) -> Any:  # noqa: ANN401
        """The value in a measurement."""
        return getattr(measurement, self.key) if self.value is None else self.value(measurement)

    def lines_of(self, measurement: Measurement) -> list[Line]:
        """Labels and texts for people; none where there is no value."""
        if self.lines is not None:
            return [line for line in self.lines(measurement) if line[1]]
        value = self.value_of(measurement) if self.label else None
        if value is None:
            return []
        label = wording.mean_label(measurement, self.label) if self.is_mean else self.label
        return [(label, wording.number_text(value, self.decimals, self.unit))]


def lines_of(measurement: Measurement, shown: Shown, *groups: Group) -> list[Line]:
    """What people see of a measurement: labels and texts.

    Args:
        measurement: Any.
        shown: Where.
        groups: The values that are wanted; all without any.
    """
    return [
        line
        for field in FIELDS
        if field.shown & shown and (not groups or field.group in groups)
        for line in field.lines_of(measurement)
    ]


def _notices(measurement: Measurement) -> str:
    return "; ".join(notice.code for notice in measurement.notices)


def _provenance(name: str) -> Callable[[Measurement], Any]:
    return lambda m: None if m.provenance is None else getattr(m.provenance, name)


TEXT: dict[str, Any] = {"type": "string"}
NUMBER: dict[str, Any] = {"type": ["number", "null"]}
SHARE: dict[str, Any] = {"type": ["number", "null"], "minimum": 0, "maximum": 1}
VOLUME: dict[str, Any] = {"type": ["number", "null"], "minimum": 0}
COUNT: dict[str, Any] = {"type": ["integer", "null"], "minimum": 1}
FRAME: dict[str, Any] = {"type": ["integer", "null"], "minimum": 0}
RECORD: dict[str, Any] = {}

# A table, one value after the other.
# fmt: off
FIELDS = (
    Field("path", column=0),
    Field("schema", "Name and version of this layout.", RECORD),
    Field("source", "The file's name as the user gave it; two names joined by ' + ' for a pair or a biplane study.",
        TEXT),
    Field("status",
        "ok: at least one complete beat. partial_cycle: one ED and one ES, no complete beat. refused: read, "
        "but holds nothing that should be measured. failed: could not be read.",
        {"enum": [status.value for status in Status]}, column=1),
    Field("reason", "Why there is no EF, one sentence; empty otherwise.", TEXT, column=21),
    Field("reason_code", "The same, for programs.", TEXT, column=20),
    Field("method", "How the volumes were computed or which kind of model gave the EF, and what the EF is the mean of.",
        TEXT, column=14, lines=lambda m: [("Method", wording.method_text(m))], group=Group.METHOD,
        shown=Shown.REPORT | Shown.PAGE),
    Field("view", "View: from the file, from the user, or recognised from the image.",
        {"enum": [view.value for view in View]}, column=13, lines=wording.view_lines),
    Field("view_probability", "Probability of this view according to the view model, 0-1; null where it was not determined.",
        SHARE, column=31, required=False),
    Field("view_source", "Source of the view; empty where the view is unknown.",
        {"enum": [*(source.value for source in ViewSource), ""]}, column=32, required=False),
    Field("decision",
        "accepted: the EF can be used as it is. caution: check the contours first. refused: no EF is given. Empty where no "
        "decision was made.",
        {"enum": [*(decision.value for decision in Decision), ""]}, column=33, required=False,
        lines=wording.decision_lines, shown=Shown.TERMINAL),
    Field("ef_percent",
        "Ejection fraction: the mean over the counted complete beats (beats_averaged of them); of a study "
        "over every pair of an A4C and an A2C beat; of an EF model that read the clip as a whole, over its "
        "windows.",
        NUMBER, column=2),
    Field("ef_low_percent", "Lower end of the prediction interval of the EF; null without one.",
        NUMBER, column=34, required=False, lines=wording.interval_lines, shown=Shown.TERMINAL),
    Field("ef_high_percent", "Upper end of the prediction interval of the EF; null without one.", NUMBER,
        column=35, required=False),
    Field("interval_level",
        "Nominal coverage of the prediction interval, 0-1: the probability that it contains the reference EF.",
        SHARE, column=36, required=False),
    Field("interval_note", "Why there is no prediction interval; empty where there is one, and without an EF.",
        TEXT, required=False),
    Field("category_probabilities",
        "Probability of each heart-failure range; empty without a prediction interval.",
        {"type": "object", "additionalProperties": {"type": "number", "minimum": 0, "maximum": 1}}, required=False,
        lines=wording.category_probability_lines),
    Field("edv_ml",
        "End-diastolic volume, the mean over the same beats; null where the file has no scale (then "
        "volume_note says why).",
        VOLUME, column=3, label="EDV", unit="ml", is_mean=True, group=Group.VOLUMES),
    Field("esv_ml", "End-systolic volume, the mean over the same beats; null where the file has no scale.",
        VOLUME, column=4, label="ESV", unit="ml", is_mean=True, group=Group.VOLUMES),
    Field("stroke_volume_ml", "EDV - ESV; null where the file has no scale.",
        NUMBER, column=5, label="Stroke volume", unit="ml", is_mean=True, group=Group.VOLUMES),
    Field("cardiac_output_l_min",
        "Stroke volume times heart rate, regurgitation included; null where one of them is not known.",
        NUMBER, column=30, required=False, label="Cardiac output", unit="l/min", decimals=1, group=Group.VOLUMES),
    Field("volume_note", "Why there are no millilitres; empty where there are.",
        TEXT, column=22, lines=lambda m: [("Volumes", wording.no_volume_text(m))], group=Group.VOLUMES,
        shown=Shown.TERMINAL | Shown.SUMMARY | Shown.PAGE),
    Field("indexed", "Values per body surface, when height and weight were given.",
        {"type": "object", "additionalProperties": {"type": "number"}},
        lines=lambda m: wording.indexed_lines(m.indexed)),
    Field("categories",
        "The EF in the tables ase_2015 (or ase_2015_men and ase_2015_women), heart_failure and report. None "
        "of them is a diagnosis.",
        {"type": "object", "additionalProperties": {"type": "string"}},
        lines=lambda m: wording.category_lines(m.categories)),
    Field("heart_failure_range", column=15, value=lambda m: m.categories.get("heart_failure")),
    Field("ed_frame", "End-diastolic frame of the beat that is shown, from 0.", FRAME, column=11),
    Field("es_frame", "End-systolic frame of the beat that is shown, from 0.", FRAME, column=12),
    Field("ed_time_s", "Its time from the first frame, in seconds; null for stills.",
        NUMBER, value=lambda m: m.frame_time_s(m.ed_frame)),
    Field("es_time_s", "Its time from the first frame, in seconds; null for stills.",
        NUMBER, value=lambda m: m.frame_time_s(m.es_frame)),
    Field("volume_unit", "Unit of the volumes under beats and in curve.csv.", {"enum": ["ml", "relative"]}),
    Field("beats", "All beats in the order of time, excluded ones too.",
        RECORD, column=6, value=lambda m: len(m.counted_beats), lines=wording.beats_lines),
    Field("beats_excluded", column=7, value=lambda m: sum(1 for beat in m.beats if beat.excluded)),
    Field("ef_mean_percent",
        "The same mean before an EF model's is set to 0 or 100; null where the EF rests on frames that were "
        "chosen or on stills.",
        NUMBER, column=8),
    Field("ef_sd_percent", "Sample standard deviation over them, from two on.",
        NUMBER, column=9, lines=wording.spread_lines),
    Field("beats_averaged",
        "Beats that EF and volumes are means of, of a study pairs of beats; 1 where they are of one beat, "
        "null without an EF and where an EF model read the clip as a whole.",
        COUNT, column=29, lines=wording.shown_beat_lines,
        shown=Shown.TERMINAL | Shown.REPORT | Shown.PAGE),
    Field("heart_rate_bpm", "Beats per minute.",
        NUMBER, column=10, lines=lambda m: [("Heart rate", wording.heart_rate_text(m))]),
    Field("heart_rate_source",
        "Where the heart rate comes from: the beats that were found, or only the file; empty without one.",
        {"enum": [FROM_BEATS, FROM_FILE, ""]}, column=28),
    Field("n_frames", "Frames of the clip.",
        COUNT, column=16, lines=lambda m: [("Clip", wording.clip_text(m))], group=Group.METHOD, shown=Shown.PAGE),
    Field("frame_rate_hz", "Median frame rate.", NUMBER, column=17),
    Field("duration_s", "Time from the first frame to the last; null for stills.", NUMBER, column=18),
    Field("timing", "Where the frame times come from.", TEXT),
    Field("spacing", "Millimetres per pixel, or only the shape of a pixel.",
        RECORD, lines=lambda m: [("Scale", "" if m.spacing is None else wording.pixel_text(m.spacing))],
        group=Group.METHOD, shown=Shown.REPORT | Shown.PAGE),
    Field("quality", "Image quality: score, measured values (`parts`), advice.",
        RECORD, column=37, value=lambda m: None if m.quality is None else m.quality.score, required=False,
        lines=quality_wording.quality_lines, shown=Shown.TERMINAL),
    Field("second_opinion", "EF of another model on the same clip; null where none was requested.",
        RECORD, column=38, value=lambda m: None if m.second_opinion is None else m.second_opinion.ef_percent,
        required=False, lines=wording.second_opinion_lines, shown=Shown.TERMINAL),
    Field("thresholds", "The thresholds of the decision that were used, by name.",
        {"type": "object", "additionalProperties": {"type": "number"}}, required=False),
    Field("notices", "Warnings.", RECORD),
    Field("warnings", column=19, value=_notices),
    Field("single_plane",
        "EF in percent of each view of a biplane study, under A4C and A2C, as in the view's own file; empty "
        "otherwise.",
        {"type": "object", "additionalProperties": NUMBER},
        lines=lambda m: [(f"{view} alone", wording.ef_text(ef)) for view, ef in m.single_plane.items()]),
    Field("counts",
        "How often the model's own output broke a rule before any check acted, by name; empty for models that"
        " mark pixels.",
        {"type": "object", "additionalProperties": {"type": "integer", "minimum": 0}}, required=False,
        lines=lambda m: [("Rules broken", wording.counts_text(m))], group=Group.METHOD, shown=Shown.PAGE),
    Field("correction",
        "null where the model's result is unchanged. Else EF, volumes, frames and tracings are the "
        "reader's.",
        RECORD, required=False),
    Field("tracings", "The ventricle at ED and ES of the beat that is shown.", RECORD),
    Field("provenance", "What made the measurement.",
        RECORD, lines=wording.provenance_lines, group=Group.METHOD, shown=Shown.REPORT | Shown.PAGE),
    Field("weights", column=23, value=_provenance("weights")),
    Field("model",
        value=_provenance("network_kind"), lines=lambda m: [("Model", wording.model_text(m))],
        shown=Shown.TERMINAL | Shown.SUMMARY),
    Field("precision", column=24, value=_provenance("precision")),
    Field("seconds", column=25, value=_provenance("seconds")),
    Field("folder", column=26),
    Field("lvef_version", column=27, value=_provenance("lvef_version")),
)
# fmt: on
"""All values of a result, in the order in which JSON and people get them."""
