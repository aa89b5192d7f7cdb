"""A judgement as plain values: ``summary.json``, and the rows that screen and page show."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import lvef
from lvef.core.serialization import printable
from lvef.core.terms import Status
from lvef.core.wording import DISCLAIMER
from lvef.evaluation.report import Bounded, bounded_text
from lvef.evaluation.synthetic.figures import (
    AGREEMENT,
    NEAR_EDGE_S,
    REFERENCES,
    TIMES,
    TIMING,
    BeatCount,
    beat_figures,
    count_beats,
    ef_figures,
    outline_figures,
    timing_figures,
    timing_sizes,
)
from lvef.evaluation.synthetic.groups import Group, groups_of
from lvef.evaluation.synthetic.records import REPRESENTATIVE_BEAT, ClipRecord
from lvef.evaluation.synthetic.run import Judgement
from lvef.inference.card import Figure

SUMMARY_SCHEMA = "lvef-synthetic-evaluation/1"
"""Version of the layout of ``summary.json``."""

GROUPED_REFERENCES = ("plane", "space")
"""References that every group is compared with; all clips together are compared with all of `REFERENCES`."""

AGREEMENT_WORDS = {
    "bias": "bias (points)",
    "sd": "SD of the difference (points)",
    "limit_low": "lower limit of agreement (points)",
    "limit_high": "upper limit of agreement (points)",
    "mae": "mean absolute error (points)",
    "r": "r",
}
"""`AGREEMENT` for people."""

OUTLINE_WORDS = {
    "dice_ed": "LV Dice at ED",
    "dice_es": "LV Dice at ES",
    "volume_error_percent": "volume in the plane, mean error (%)",
    "volume_mae_percent": "volume in the plane, mean absolute error (%)",
}
"""Figures of the outlines for people."""

Row = tuple[str, ...]
"""Cells of one line of a table."""


@dataclass(frozen=True, slots=True)
class GroupFigures:
    """What is told of a group: figures by their names, counts of its beats, and how many clips have no answer."""

    group: Group
    figures: dict[str, Figure]
    beats: BeatCount
    unanswered: int


@dataclass(frozen=True, slots=True)
class Summary:
    """All figures of a judgement; the first group is all clips."""

    judgement: Judgement
    groups: tuple[GroupFigures, ...]

    @property
    def all(self) -> GroupFigures:
        """Figures of all clips."""
        return self.groups[0]


def summarise(judgement: Judgement, seed: int) -> Summary:
    """Compute every figure.

    Args:
        judgement: What was found.
        seed: Of the bootstrap.
    """
    groups = []
    for place, group in enumerate(groups_of(judgement.records) or [Group("all", "all", ())]):
        figures = [
            f for ref in (GROUPED_REFERENCES if place else REFERENCES) for f in ef_figures(group, ref, seed)
        ]
        figures += beat_figures(group, seed) + outline_figures(group, seed)
        if not place:
            figures += [f for error in TIMES for f in timing_figures(group, error, seed)]
        unanswered = sum(not record.answered for record in group.clips)
        groups.append(GroupFigures(group, {f.name: f for f in figures}, count_beats(group.clips), unanswered))
    return Summary(judgement, tuple(groups))


def to_values(summary: Summary) -> dict[str, Any]:
    """Everything but the single clips, as JSON knows it."""
    j = summary.judgement
    return {
        "schema": SUMMARY_SCHEMA,
        "lvef_version": lvef.__version__,
        "disclaimer": DISCLAIMER,
        "collection": j.collection,
        "clips": len(j.records) + len(j.problems),
        "answered": sum(record.answered for record in j.records),
        "by_status": {
            str(s): sum(r.status == s for r in j.records) for s in Status if s is not Status.FAILED
        },
        "answers_about_no_true_beat": other_beats(j.records),
        "weights": None if j.weights is None else asdict(j.weights),
        "references": REFERENCES,
        "refused": [
            {"clip": printable(r.clip), "status": r.status, "reason_code": r.reason_code}
            for r in unanswered(j.records)
        ],
        "problems": [{"clip": printable(p.clip), "sentence": printable(p.sentence)} for p in j.problems],
        "groups": [
            {
                "by": g.group.by,
                "label": printable(g.group.label),
                "clips": len(g.group.clips),
                "unanswered": g.unanswered,
                "beats": asdict(g.beats),
                "timing_mean_size_ms": {
                    error.removesuffix("_ms"): None if math.isnan(size) else round(size, 3)
                    for error, size in timing_sizes(g.group.clips).items()
                },
                "figures": [asdict(figure) for figure in g.figures.values()],
            }
            for g in summary.groups
        ],
    }


def unanswered(records: Sequence[ClipRecord]) -> list[ClipRecord]:
    """Clips without an EF."""
    return [record for record in records if not record.answered]


def other_beats(records: Sequence[ClipRecord]) -> int:
    """Answers about a beat that is none of the true whole ones."""
    return sum(record.answered and record.reference == REPRESENTATIVE_BEAT for record in records)


def ef_header() -> Row:
    """Header of `ef_rows`."""
    return ("EF", "trivial", *REFERENCES.values())


def ef_rows(summary: Summary) -> list[Row]:
    """Figure, trivial answer against the first reference, then a cell a reference."""
    figures = summary.all.figures
    rows: list[Row] = []
    for name in AGREEMENT:
        here = [figures.get(f"ef_{name}_{reference}") for reference in REFERENCES]
        if any(here):
            first = here[0]
            trivial = "" if first is None or first.trivial is None else f"{first.trivial:z.1f}"
            rows.append((AGREEMENT_WORDS[name], trivial, *map(text, here)))
    return rows


GROUP_HEADER = ("by", "clips", "n", "no answer", "bias", "SD", "limits", "MAE", "trivial MAE", "r")
"""Header of `group_rows`."""


def group_rows(summary: Summary, reference: str, *, in_short: bool = False) -> list[Row]:
    """A row a group: how well its EFs agree. In short only the groups that are told in short."""
    rows: list[Row] = []
    for g in _told(summary, in_short=in_short):
        f = {name: g.figures.get(f"ef_{name}_{reference}") for name in AGREEMENT}
        mae, low, high, sd = f["mae"], f["limit_low"], f["limit_high"], f["sd"]
        limits = "-" if low is None or high is None else f"{low.value:+z.1f} to {high.value:+z.1f}"
        n = 0 if mae is None else mae.n
        trivial = "-" if mae is None or mae.trivial is None else f"{mae.trivial:.1f}"
        rows.append(
            (
                _by(g),
                g.group.label,
                str(n or len(g.group.clips) - g.unanswered),
                str(g.unanswered),
                text(f["bias"], "+z.1f"),
                "-" if sd is None else f"{sd.value:.1f}",
                limits,
                text(mae),
                trivial,
                "-" if f["r"] is None else f"{f['r'].value:.3f}",
            )
        )
    return rows


BEAT_HEADER = (
    *("by", "clips", "true", "missed", "missed %", "invented", "merged", "cut", "left out"),
    *("ED, ms", "ES, ms", "ED off, ms", "ES off, ms"),
)
"""Header of `beat_rows`: counts, then mean sizes of the errors of timing."""


def beat_text(summary: Summary) -> str:
    """What became of all beats, in one sentence."""
    b, figures = summary.all.beats, summary.all.figures
    missed, invented = figures.get("beats_missed"), figures.get("beats_invented")
    words = f"{b.true} true whole beats: {b.missed} missed"
    words += "" if missed is None else f", {text(missed)} %"
    words += (
        f" ({b.missed_near_edge} of them within {NEAR_EDGE_S:g} s of an end of the clip)" if b.missed else ""
    )
    words += f"; {b.invented} invented"
    words += "" if invented is None else f", {text(invented)} %"
    words += f"; {b.left_out} normal ones found and left out of the answer."
    return words + (f" Clips without an answer hold {b.unseen} more." if b.unseen else "")


def beat_rows(summary: Summary, *, in_short: bool = False) -> list[Row]:
    """A row a group: its beats, and how well they are placed in time. In short as `group_rows`."""
    rows: list[Row] = []
    for g in _told(summary, in_short=in_short):
        b = g.beats
        sizes = timing_sizes(g.group.clips)
        counts = (
            b.true,
            b.missed,
            f"{100 * b.missed / b.true:.1f}" if b.true else "-",
            b.invented,
            b.merged,
            b.cut,
            b.left_out,
        )
        rows.append(
            (
                _by(g),
                g.group.label,
                *map(str, counts),
                *("-" if math.isnan(f) else f"{f:.0f}" for f in sizes.values()),
            )
        )
    return rows


TIMING_HEADER = ("timing, found minus true, ms", "n", "mean", "median", "mean size", "95 % of sizes below")
"""Header of `timing_rows`."""


def timing_rows(summary: Summary) -> list[Row]:
    """A row a kind of error: its `TIMING` over all matched beats."""
    rows: list[Row] = []
    for error, words in TIMES.items():
        here = [summary.all.figures.get(f"{error.removesuffix('_ms')}_{name}") for name in TIMING]
        first = here[0]
        if first is not None:
            cells = [text(f, "+z.0f" if place < 2 else "z.0f") for place, f in enumerate(here)]
            rows.append((words, str(first.n), *cells))
    return rows


OUTLINE_HEADER = ("by", "clips", *OUTLINE_WORDS.values())
"""Header of `outline_rows`."""


def outline_rows(summary: Summary) -> list[Row]:
    """A row a group: overlap and volume of its outlines."""
    return [
        (
            _by(g),
            g.group.label,
            *(
                text(g.figures.get(name), "z.3f" if name.startswith("dice") else "z.1f")
                for name in OUTLINE_WORDS
            ),
        )
        for g in summary.groups
    ]


REFUSAL_HEADER = ("reason", "clips", "for example")
"""Header of `refusal_rows`."""


def refusal_rows(summary: Summary) -> list[Row]:
    """A row a reason: clips without an answer, the most frequent reason first."""
    by_code: dict[str, list[ClipRecord]] = {}
    for record in unanswered(summary.judgement.records):
        by_code.setdefault(record.reason_code or record.status, []).append(record)
    ordered = sorted(by_code.items(), key=lambda item: -len(item[1]))
    return [(code, str(len(found)), ", ".join(r.clip for r in found[:5])) for code, found in ordered]


def text(figure: Figure | None, form: str = "") -> str:
    """A figure and its interval with the digits that suit it."""
    if figure is None:
        return "-"
    form = form or ("z.3f" if not figure.unit else "z.1f")
    return bounded_text(Bounded(figure.value, figure.low, figure.high), form)


def _told(summary: Summary, *, in_short: bool) -> list[GroupFigures]:
    return [g for g in summary.groups if g.group.in_short or not in_short]


def _by(g: GroupFigures) -> str:
    return "" if g.group.by == "all" else g.group.by
