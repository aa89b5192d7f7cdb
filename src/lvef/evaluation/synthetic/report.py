"""Report of an evaluation on synthetic clips: ``summary.json``, CSV tables, and the sections of page and terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from lvef.core.terms import Status
from lvef.core.wording import DISCLAIMER
from lvef.evaluation.metrics import IN_BRACKETS, LEVEL, MetricRow
from lvef.evaluation.plots.agreement import EfPairs, agreement_names, agreement_plots
from lvef.evaluation.plots.style import BLUE, GREEN, VERMILION
from lvef.evaluation.report import (
    MISSING,
    EvaluationReport,
    Plot,
    Row,
    Section,
    Table,
    last_name,
    metric_text,
    reason_rows,
    records_csv,
    select_plots,
    settings_of,
    shown_sections,
    summary_of,
    table_csv,
)
from lvef.evaluation.synthetic.evaluation import SyntheticEvaluation
from lvef.evaluation.synthetic.metrics import (
    AGREEMENT,
    CONTOUR_METRICS,
    GROUPED_REFERENCES,
    NEAR_EDGE_S,
    REFERENCES,
    TIMING_ERRORS,
    TIMING_METRICS,
    Group,
    count_beats,
    ef_pairs,
    group_metrics,
    make_groups,
    mean_timing_errors,
    timing_errors,
)
from lvef.evaluation.synthetic.plots import timing_png, volume_curves_png
from lvef.evaluation.synthetic.results import OUTCOMES, REPRESENTATIVE_BEAT, BeatResult, SyntheticResult

SUMMARY_SCHEMA, RUN_SCHEMA = "lvef-synthetic-evaluation/1", "lvef-synthetic-evaluation-run/1"
"""Versions of the layouts of ``summary.json`` and ``run.json``."""

CLIP_COLUMNS = (
    *("item", "patient", "status", "reason_code", "rhythm", "view"),
    *("frame_rate_hz", "heart_rate_bpm", "n_frames", "reference"),
    *("ef_percent", "ef_plane_percent", "ef_space_percent", "ef_representative_percent"),
    *("dice_ed", "dice_es", "volume_error_percent", "volume_mae_percent", "untraced"),
)
"""Fields of a result in ``clips.csv`` (``item`` as ``clip``); then come errors, counts of beats, and the parameters.

A parameter with the name of a field, such as the ``ef_percent`` that was asked for, is written as ``parameters.ef_percent``.
"""

SHOWN = 6
"""So many of the clips with the largest errors, and as many at random, are shown with their curves."""

RHYTHM_STYLE = {"sinus": (BLUE, "o"), "fibrillation": (VERMILION, "^"), "ectopic": (GREEN, "s")}
"""Colour and mark of each rhythm."""

EF_TEXT = (
    "Difference: measured minus true. The EF of a clip is compared with the true EF of the beats at the same time: with the "
    "method of disks on their true contours in the plane, which is all that one view can show, and with the body in space, "
    "which includes what the plane hides. Without a true beat at that time the representative beat is taken, so that no "
    "clip drops out. The last column compares every EF with the representative beat, as in FileList.csv. Baseline: the "
    "median true EF for every clip."
)
"""What an EF is compared with."""

BEAT_TEXT = (
    "Missed: a complete true beat that was not found, though it begins and ends more than half a frame inside the clip. "
    "Invented: a beat where there is none. Merged: several true beats found as one; these are missed. Cut: a beat where the "
    "ends of the clip cut a true one; it counts as neither. Left out: a normal beat that was found and left out of the EF. "
    "Beats are the same if their end-systoles lie within 0.15 s, or a quarter cycle where that is less, and their intervals "
    "overlap by more than half. Clips without an EF are not counted."
)
"""Outcomes of a beat."""

TIMING_TEXT = (
    "The true volume has a plateau at end-diastole and end-systole. Errors are measured from the middle of the plateau, and "
    "from its nearer end (0 on the plateau). A found instant is a frame, so an error of half a frame is unavoidable."
)
"""Definition of the timing errors."""

CONTOUR_TEXT = (
    "Dice of the temporally smoothed contour with the true cavity, on the ED and ES frames of the true beats; a frame "
    "without a contour counts 0. Volume: disks on the contour against disks on the true contour, on every traced frame."
)
"""What the contours are compared with."""

CURVE_TEXT = (
    "Volumes by the method of disks in the plane, in the true scale. Rings: true ED and ES; points: found ones. Red "
    "background: a missed beat; yellow: an invented or merged one."
)
"""Legend of the curves."""


def make_report(evaluation: SyntheticEvaluation, *, with_plots: bool = True) -> EvaluationReport:
    """Compute the metrics and lay them out.

    Args:
        evaluation: The results.
        with_plots: Whether to draw the plots.
    """
    e, settings = evaluation, evaluation.settings
    method = e.weights.name if e.weights else last_name(Path(settings.options.weights))
    groups = []
    for group in make_groups(e.measured):
        rows = group_metrics(group, method, settings.seed)
        groups.append(replace(group, metrics={row.metric: row for row in rows}))
    plots = make_plots(e, groups[0]) if with_plots else {}
    n_with_ef = sum(r.has_ef for r in e.measured)
    other = other_beats(e.measured)
    notices = [f"{other} EFs are of a beat that is no complete true beat."] if other else []
    model = f" Model: {e.weights.name} {e.weights.version}, {e.weights.precision}." if e.weights else ""
    counts = f"{e.dataset}: {len(e.results)} clips, {n_with_ef} with an EF"
    failed = [f"{len(e.failed)} clips could not be evaluated."] if e.failed else []
    return EvaluationReport(
        title="Evaluation on synthetic clips",
        headline=[f"{counts}; in brackets the {LEVEL:.0%} interval over patients"],
        introduction=[
            f"{counts}, {len(e.measured) - n_with_ef} without, {len(e.failed)} that could not be evaluated. Every video was "
            f"measured by the code that serves.{model}",
            IN_BRACKETS,
            *notices,
            DISCLAIMER,
        ],
        sections=_sections(e, groups, plots),
        notices=[*notices, *failed],
        summary=to_summary(e, groups),
        metrics=[row for group in groups for row in (group.metrics or {}).values()],
        csv={"clips.csv": clips_csv(e), "beats.csv": beats_csv(e)},
        plots=plots,
        run={
            "schema": RUN_SCHEMA,
            "seconds": e.seconds,
            "resumed": e.resumed,
            "settings": settings_of(settings, weights=last_name(Path(settings.options.weights))),
            "network": None if e.weights is None else asdict(e.weights),
        },
    )


def to_summary(evaluation: SyntheticEvaluation, groups: Sequence[Group]) -> dict[str, Any]:
    """Everything but the single clips, as JSON values."""
    e = evaluation
    values = {
        "collection": e.dataset,
        "clips": len(e.results),
        "answered": sum(r.has_ef for r in e.measured),
        "by_status": {
            str(s): sum(r.status == s for r in e.measured) for s in Status if s is not Status.FAILED
        },
        "answers_about_no_true_beat": other_beats(e.measured),
        "weights": None if e.weights is None else asdict(e.weights),
        "references": REFERENCES,
        "refused": [
            {"clip": r.item, "status": r.status, "reason_code": r.reason_code}
            for r in e.measured
            if not r.has_ef
        ],
        "problems": [{"clip": r.item, "sentence": r.reason} for r in e.failed],
        "groups": [
            {
                "by": g.by,
                "label": g.label,
                "clips": len(g.clips),
                "unanswered": sum(not r.has_ef for r in g.clips),
                "beats": count_beats(g.clips),
                "timing_mean_size_ms": {e: round(ms, 3) for e, ms in mean_timing_errors(g.clips).items()},
                "figures": [asdict(row.to_card_metric()) for row in (g.metrics or {}).values()],
            }
            for g in groups
        ],
    }
    return summary_of(SUMMARY_SCHEMA, values)


def other_beats(results: Sequence[SyntheticResult]) -> int:
    """EFs of beats that are no complete true ones."""
    return sum(r.has_ef and r.reference == REPRESENTATIVE_BEAT for r in results)


def clips_csv(evaluation: SyntheticEvaluation) -> str:
    """Every clip; those that could not be evaluated last, with the reason in the column ``problem``."""
    names = sorted({name for r in evaluation.measured for name in r.parameters})
    errors = ("ef_error_plane_points", "ef_error_space_points")
    header = ["clip", *CLIP_COLUMNS[1:], *errors, *(f"beats_{o}" for o in OUTCOMES), "problem"]
    width = len(header)
    header += [f"parameters.{name}" if name in header else name for name in names]
    rows: list[list[object]] = [
        [
            *(getattr(r, column) for column in CLIP_COLUMNS),
            r.ef_percent - r.ef_plane_percent,
            r.ef_percent - r.ef_space_percent,
            *(r.count(outcome) for outcome in OUTCOMES),
            "",
            *(r.parameters.get(name) for name in names),
        ]
        for r in evaluation.measured
    ]
    for r in evaluation.failed:
        rows.append([r.item, *[None] * (width - 2), r.reason, *[None] * len(names)])
    return table_csv(header, rows)


def beats_csv(evaluation: SyntheticEvaluation) -> str:
    """Every true and every found beat, matched where they are the same."""
    return records_csv(BeatResult, (beat for r in evaluation.measured for beat in r.beats))


def make_plots(evaluation: SyntheticEvaluation, group: Group) -> dict[str, Plot]:
    """File name -> plot.

    Args:
        evaluation: The results.
        group: All clips, with their metrics.
    """
    plots: dict[str, Plot] = {}
    for reference in GROUPED_REFERENCES:
        clips, pairs = ef_pairs(group.clips, reference)
        of = "the body in space" if reference == "space" else "the truth in the plane"
        ef = EfPairs(
            pairs,
            [r.rhythm for r in clips],
            [r.item for r in clips],
            {m.name.removeprefix("ef_"): group.metric(f"{m.name}_{reference}") for m in AGREEMENT}.get,
            f"EF of synthetic clips against {of}",
            REFERENCES[reference],
            RHYTHM_STYLE,
        )
        plots |= agreement_plots(ef, ending=reference, alt=f"of the EF against {REFERENCES[reference]}")
    errors = {"ED": timing_errors(group.clips, "ed_error"), "ES": timing_errors(group.clips, "es_error")}
    if any(errors.values()):
        heading = "Timing errors: found minus middle of the plateau"
        plots["timing.png"] = Plot(
            timing_png(errors, heading=heading), "Histograms of the timing errors of ED and ES"
        )
    worst, others = choose_clips(group.clips, evaluation.settings.seed)
    for name, heading, shown in (
        ("curves_worst.png", "Largest EF errors against the truth in the plane, the largest first", worst),
        ("curves_random.png", "Clips at random", others),
    ):
        if shown:
            png = volume_curves_png(shown, heading=heading)
            plots[name] = Plot(png, f"Volume-time curves, measured and true. {heading}")
    return plots


def choose_clips(
    results: Sequence[SyntheticResult], seed: int
) -> tuple[list[SyntheticResult], list[SyntheticResult]]:
    """The `SHOWN` clips with the largest EF error, those without an EF last; and as many of the others at random."""

    def error(result: SyntheticResult) -> float:
        value = abs(result.ef_percent - result.ef_plane_percent)
        return value if math.isfinite(value) else -1.0

    ordered = sorted(results, key=error, reverse=True)
    worst, rest = ordered[:SHOWN], ordered[SHOWN:]
    return worst, [rest[i] for i in np.random.default_rng(seed).permutation(len(rest))[:SHOWN].tolist()]


def _sections(e: SyntheticEvaluation, groups: Sequence[Group], plots: dict[str, Plot]) -> list[Section]:
    brief = [group for group in groups if group.is_brief]
    ef, timing, contours = ef_table(groups[0]), timing_table(groups[0]), contour_table(groups)
    beats, refused = beat_text(groups[0]), refusal_table(e.measured)
    failed = Table(("clip", "reason"), [(r.item, r.reason) for r in e.failed])
    agreement = select_plots(plots, *(name for r in GROUPED_REFERENCES for name in agreement_names(r)))
    by_group = {r: f"EF by group: {REFERENCES[r]}" for r in GROUPED_REFERENCES}
    first = [group_table(brief, GROUPED_REFERENCES[0], is_brief=True)]
    sections = [
        Section("EF", EF_TEXT, [ef], agreement, [replace(ef, caption="EF, measured minus true")]),
        *(
            Section(title, "", [group_table(groups, r)], brief=first if r == GROUPED_REFERENCES[0] else [])
            for r, title in by_group.items()
        ),
        Section(
            "Beats",
            f"{beats}\n\n{BEAT_TEXT}",
            [beat_table(groups)],
            brief=[replace(beat_table(brief), caption=f"Beats. {beats}")],
        ),
        Section("Timing", TIMING_TEXT, [timing], select_plots(plots, "timing.png"), [timing]),
        Section("Contours", CONTOUR_TEXT, [contours], brief=[replace(contours, rows=contours.rows[:1])]),
        Section("Curves", CURVE_TEXT, plots=select_plots(plots, "curves_worst.png", "curves_random.png")),
        Section("Clips without an EF", "", [refused], brief=[refused]),
        Section("Clips that could not be evaluated", "", [failed]),
    ]
    return shown_sections(sections)


def ef_table(group: Group) -> Table:
    """Agreement of EF: a row a metric with its baseline against the first reference, a column a reference."""
    rows: list[Row] = []
    for metric in AGREEMENT:
        found = [group.metric(f"{metric.name}_{reference}") for reference in REFERENCES]
        if any(found):
            baseline = found[0].baseline if found[0] else None
            rows.append((metric.title, "" if baseline is None else f"{baseline:z.1f}", *map(_text, found)))
    return Table(("EF", "baseline", *REFERENCES.values()), rows)


def group_table(groups: Sequence[Group], reference: str, *, is_brief: bool = False) -> Table:
    """Agreement of EF: a row a group.

    Args:
        groups: The groups.
        reference: What the EF is compared with.
        is_brief: Without the columns that a terminal has no room for.
    """
    rows = []
    for g in groups:
        bias, sd, low, high, mae, r = (g.metric(f"{metric.name}_{reference}") for metric in AGREEMENT)
        n_with_ef = sum(clip.has_ef for clip in g.clips)
        cells = {
            "by": _by(g),
            "clips": g.label,
            "n": str(mae.n if mae else n_with_ef),
            "no EF": str(len(g.clips) - n_with_ef),
            "bias": metric_text(bias, "+z.1f"),
            "SD": f"{sd.value:.1f}" if sd else MISSING,
            "limits": f"{low.value:+z.1f} to {high.value:+z.1f}" if low and high else MISSING,
            "MAE": metric_text(mae, "z.1f"),
            "baseline MAE": f"{mae.baseline:.1f}" if mae and mae.baseline is not None else MISSING,
            "r": f"{r.value:.3f}" if r else MISSING,
        }
        if is_brief:
            del cells["no EF"], cells["SD"]
        rows.append(cells)
    caption = f"EF by group, against {REFERENCES[reference]}" if is_brief else ""
    return Table(tuple(rows[0]), [tuple(cells.values()) for cells in rows], caption)


def beat_text(group: Group) -> str:
    """Outcomes of all beats, in one sentence."""
    b = count_beats(group.clips)

    def percent(name: str) -> str:
        return f", {_text(row)} %" if (row := group.metric(name)) else ""

    counts = f"{b['true']} complete true beats: {b['missed']} missed{percent('beats_missed')}"
    if b["missed"]:
        counts += f" ({b['missed_near_edge']} of them within {NEAR_EDGE_S:g} s of an end of the clip)"
    counts += f"; {b['invented']} invented{percent('beats_invented')}"
    counts += f"; {b['left_out']} normal ones found and left out of the EF."
    return counts + (f" Clips without an EF have {b['unseen']} more." if b["unseen"] else "")


def beat_table(groups: Sequence[Group]) -> Table:
    """A row a group: counts of beats, then mean absolute timing errors."""
    header = ("by", "clips", "true", "missed", "missed %", "invented", "merged", "cut", "left out")
    rows = []
    for g in groups:
        b = count_beats(g.clips)
        missed = f"{100 * b['missed'] / b['true']:.1f}" if b["true"] else MISSING
        others = (str(b[key]) for key in ("invented", "merged", "cut", "left_out"))
        errors = (MISSING if math.isnan(ms) else f"{ms:.0f}" for ms in mean_timing_errors(g.clips).values())
        rows.append((_by(g), g.label, str(b["true"]), str(b["missed"]), missed, *others, *errors))
    return Table((*header, "ED, ms", "ES, ms", "ED off, ms", "ES off, ms"), rows)


def timing_table(group: Group) -> Table:
    """A row a timing error: its metrics over all matched beats."""
    rows: list[Row] = []
    for error, words in TIMING_ERRORS.items():
        found = [group.metric(f"{error}_{name}") for name in TIMING_METRICS]
        if found[0]:
            cells = (metric_text(row, "+z.0f" if place < 2 else "z.0f") for place, row in enumerate(found))
            rows.append((words, str(found[0].n), *cells))
    names = ("mean", "median", "mean absolute", "95th percentile, absolute")
    return Table(("timing error, found minus true, ms", "n", *names), rows)


def contour_table(groups: Sequence[Group]) -> Table:
    """A row a group: overlap and volume of its contours."""
    rows = [(_by(g), g.label, *(_text(g.metric(metric.name)) for metric in CONTOUR_METRICS)) for g in groups]
    return Table(("by", "clips", *(metric.title for metric in CONTOUR_METRICS)), rows)


def refusal_table(results: Sequence[SyntheticResult]) -> Table:
    """A row a reason: clips without an EF, the most frequent reason first."""
    return Table(("reason", "clips", "for example"), reason_rows(results))


def _text(row: MetricRow | None) -> str:
    return metric_text(row, "z.1f" if row and row.unit else "z.3f")


def _by(group: Group) -> str:
    return "" if group.by == "all" else group.by
