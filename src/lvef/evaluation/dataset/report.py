"""What an evaluation on a dataset shows: sections with tables and plots, CSV files, and ``summary.json``."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lvef.core.wording import DISCLAIMER, REPORT_CLASS_TEXT
from lvef.evaluation.dataset.analysis import (
    FILLED,
    GROUP_METRICS,
    METRICS,
    NAMED_FRAMES,
    TRACING_METRICS,
    Analysis,
    MethodAnalysis,
)
from lvef.evaluation.dataset.evaluation import Inputs, Plan
from lvef.evaluation.dataset.files import count_predicted, make_csv_files, run_facts, to_summary
from lvef.evaluation.dataset.predictions import NOT_COMPARABLE, REPORT_TEST_MAE, choose_cases, make_overlays
from lvef.evaluation.metrics import BOOTSTRAP_TEXT, CLASSES, EF_METRICS, LEVEL, THRESHOLDS, Metric, classify
from lvef.evaluation.plots.agreement import QUALITY_STYLE, EfPairs, agreement_names, agreement_plots
from lvef.evaluation.plots.boxes import residuals_png
from lvef.evaluation.plots.curves import calibration_png, loss_png, roc_png
from lvef.evaluation.plots.images import line_overlay_png
from lvef.evaluation.plots.style import BLUE, GREEN, ORANGE, PURPLE, VERMILION
from lvef.evaluation.report import (
    MISSING,
    Bounded,
    EvaluationReport,
    Plot,
    Row,
    Section,
    Table,
    bounded,
    bounded_text,
    file_names,
    listed,
    metric_text,
    p_text,
    reason_rows,
    select_plots,
    shown_sections,
)
from lvef.stats.agreement import roc_curve

METRIC_TEXT = (
    "Difference: predicted EF minus the manifest's. R² is 1 less the squared errors over those of predicting the mean; it"
    " is not the square of r. Limits of agreement: bias -+ 1.96 standard deviations. AUC: how often a clip with such "
    "a low EF is given a lower EF than one without. Classes on the unrounded EF: normal above 50, mild 40 to 50, "
    "abnormal below 40. Macro sensitivity: the mean of the classes' sensitivities, each counting the same. "
    "Calibration: least squares, manifest's EF on the predicted one; slope 1 and intercept 0 are ideal."
)
"""Definitions of the metrics."""

FILLED_TEXT = (
    "A method that refuses difficult clips looks better on the rest. Here the baseline EF stands in for each missing "
    "prediction, so that all methods are evaluated on the same clips."
)
"""Why the metrics stand there twice."""

UNCHECKED_TEXT = (
    "A negative EF: an ES volume above the ED volume, counted before any check corrects or refuses it. EFs from raw "
    "lines on named frames: the lines exactly as predicted on the ED and the ES frame that the dataset names, without "
    "temporal smoothing and without looking for a beat; as the source report counts its 241."
)
"""What is counted before the checks."""

NAMED_TEXT = (
    "The predicted raw lines on the two frames that the dataset names: what remains when finding the beats has no part "
    "in the error. The predictions above find their own frames."
)
"""What the EFs on named frames are."""

LINE_TEXT = (
    "Mean absolute error over the x and y of both ends of all 21 lines. Image units: parts of the longer side of the "
    "image. LV lengths: parts of the long axis of the dataset's own lines. The source report's value is on "
    f"EchoNet-Dynamic's test images, {NOT_COMPARABLE}; the error in LV lengths does not depend on the crop."
)
"""What the line errors are."""

PAIRED_TEXT = (
    "On the clips for which both predict an EF. Intervals: bootstrap of the difference over patients. p: Wilcoxon's "
    "signed-rank test on each patient's mean absolute error, two-sided; then after Holm's correction over all pairs."
)
"""How methods are compared."""

CALIBRATION_TEXT = (
    "Predictions in order of size, in ten equal parts; where clips are few, in fewer of at least five clips."
)
"""What the calibration plot shows."""

OVERLAY_TEXT = "Blue: predicted, raw. Red: the dataset's own. On the ED and ES frames that the dataset names."
"""What the overlays show."""

BRIEF_METRICS = ("mae", "rmse", "r2", "r", "accuracy", "macro_sensitivity")
"""Metrics of further selections of clips that a terminal shows."""

MIN_FOR_R = 5
"""Clips of a group from which on its correlation is shown: that of two is always 1."""

SHORT_REFERENCE = 90
"""A longer description of the reference is cut on plots; it stands in full on the page."""

MARKS = ((BLUE, "o"), (VERMILION, "^"), (GREEN, "s"), (ORANGE, "D"), (PURPLE, "v"))
"""Colours and marks of labels that have none of their own."""


def make_report(analysis: Analysis, inputs: Inputs, plan: Plan, *, with_files: bool) -> EvaluationReport:
    """Everything that is shown.

    Args:
        analysis: All metrics.
        inputs: What took part.
        plan: What was asked for.
        with_files: Whether plots and CSV files are made.
    """
    e = analysis.evaluation
    plots = make_plots(analysis, inputs, plan.overlays) if with_files else {}
    introduction = [
        "\n".join(headline(analysis)),
        f"Intervals: {100 * LEVEL:g} %, {BOOTSTRAP_TEXT}, cut at "
        f"{50 * (1 - LEVEL):g} and {50 * (1 + LEVEL):g} %.",
        *(f"Note: {notice}" for notice in e.notices),
        DISCLAIMER,
    ]
    return EvaluationReport(
        title=f"EF of {e.selection.manifest}, split {e.selection.split}",
        headline=headline(analysis),
        introduction=introduction,
        sections=_sections(analysis, plots),
        notices=e.notices,
        summary=to_summary(analysis),
        run=run_facts(analysis, plan),
        metrics=analysis.metrics.rows,
        csv=make_csv_files(analysis) if with_files else {},
        plots=plots,
    )


def headline(analysis: Analysis) -> list[str]:
    """What was evaluated, against what, in sentences."""
    selection = analysis.evaluation.selection
    patients = len({case.patient for case in selection.cases})
    lines = [
        f"{selection.manifest}, split {selection.split}: {len(selection.cases)} clips of {patients} patients; in brackets "
        f"the {100 * LEVEL:g} % interval over patients",
        f"Reference: {selection.reference}",
        f"Baselines: {selection.baseline_percent:.1f} %, {selection.baseline_source}; and the most frequent class, "
        f"{analysis.majority}.",
    ]
    for m in analysis.methods:
        failed = sum(result.is_failed for result in m.missing)
        line = f"{m.label}: {len(m.cases)} clips with an EF, {len(m.missing)} without"
        line += f", {failed} of them because they could not be read" if failed else ""
        if m.truncated:
            line += f"; {len(m.truncated)} measured on the frames before a clip is damaged or cut off "
            line += f"({listed(m.truncated)})"
        line += f"; {m.method.unknown} items of its file are not evaluated" if m.method.unknown else ""
        lines.append(f"{line}.")
    return lines


def _sections(a: Analysis, plots: dict[str, Plot]) -> list[Section]:
    names = file_names([m.label for m in a.methods])
    metrics = _metric_table(a, METRICS, "EF against the manifest's, clips with a prediction")
    brief = [EF_METRICS[name] for name in BRIEF_METRICS]
    sections = [Section("Metrics", METRIC_TEXT, [metrics], brief=[metrics])]
    if any(m.missing for m in a.methods):
        title = "All clips, the baseline EF where there is no prediction"
        table = _metric_table(a, METRICS, "", FILLED)
        sections.append(Section(title, FILLED_TEXT, [table], brief=[_metric_table(a, brief, title, FILLED)]))
    agreement = [plot for name in names.values() for plot in agreement_names(name)]
    unchecked, named, lines = _unchecked_table(a), _metric_table(a, METRICS, "", NAMED_FRAMES), _line_table(a)
    title = "EF on the frames that the dataset names"
    with_ef = [m for m in a.methods if len(m.cases)]
    classes = [_confusion_table(m) for m in with_ef]
    groups = [_group_table(a, m) for m in with_ef]
    paired, missing = _paired_table(a), _missing_table(a)
    sections += [
        Section("Agreement", plots=select_plots(plots, *agreement)),
        Section(
            "Classes",
            f"Rows: class of the manifest's EF. Always predicting {a.majority} would be right in "
            f"{a.majority_baseline.get('accuracy', 0):.3f} of the clips.",
            classes,
            select_plots(plots, "residuals.png"),
            brief=[table for pair in zip(classes, groups, strict=True) for table in pair],
        ),
        Section("Detection of low EFs", plots=select_plots(plots, "roc.png")),
        Section("Calibration", CALIBRATION_TEXT, plots=select_plots(plots, "calibration.png")),
        Section("Before the checks", UNCHECKED_TEXT, [unchecked], brief=[unchecked]),
        Section(title, NAMED_TEXT, [named], brief=[_metric_table(a, brief, title, NAMED_FRAMES)]),
        Section("Lines", LINE_TEXT, [lines], brief=[lines]),
        Section("Lines on cases", OVERLAY_TEXT, plots=select_plots(plots, "overlay_*")),
        Section("By group of clips", "", groups),
        Section("Method against method", PAIRED_TEXT, [paired], brief=[paired]),
        Section("Training", plots=select_plots(plots, "losses.png")),
        Section(
            "Clips without an EF", "Each is listed in cases.csv, with its reason.", [missing], brief=[missing]
        ),
    ]
    return shown_sections(sections)


def _metric_table(a: Analysis, metrics: Sequence[Metric], caption: str, ending: str = "") -> Table:
    """A row a metric: the two baselines, then a cell a method; no rows where no method has such clips."""
    header = (
        *("EF", f"always {a.evaluation.selection.baseline_percent:.1f} %", f"always {a.majority}"),
        *(m.label for m in a.methods),
    )
    counts = [_count(a, m, ending) for m in a.methods]
    if not any(counts):
        return Table(header, [], caption)
    total = str(len(a.evaluation.selection.cases))
    rows: list[Row] = [("clips", total, total, *map(str, counts))]
    for metric in metrics:
        key, form = metric.name.removeprefix("ef_"), _form(metric.unit)
        values = [baseline.get(key) for baseline in (a.median_baseline, a.majority_baseline)]
        baselines = [MISSING if value is None else format(value, form) for value in values]
        cells = [_cell(m, metric, ending, n) for m, n in zip(a.methods, counts, strict=True)]
        rows.append((metric.title, *baselines, *cells))
    return Table(header, rows, caption)


def _cell(m: MethodAnalysis, metric: Metric, ending: str, clips: int) -> str:
    """A metric, or why it is not defined."""
    row = m.metrics.get(f"{metric.name}{ending}")
    if row is None and ending == FILLED:
        # Where every clip has a prediction, both selections of the clips are the same.
        row = m.metrics.get(metric.name)
    if row is not None:
        return metric_text(row, _form(metric.unit))
    if clips < 2:
        return "not defined: one clip" if clips else MISSING
    if "_auc_" in metric.name:
        [title] = [t.title for t in THRESHOLDS if metric.name == f"ef_auc_{t.key}"]
        return f"not defined: {title} in no clip, or in all"
    return f"not defined: {'no such clip' if 'sensitivity' in metric.name else 'no spread'}"


def _count(a: Analysis, m: MethodAnalysis, ending: str) -> int:
    """Clips behind the metrics of an ending."""
    if ending == FILLED:
        return len(a.evaluation.selection.cases)
    return m.unchecked.named if ending == NAMED_FRAMES else len(m.cases)


def _confusion_table(m: MethodAnalysis) -> Table:
    rows: list[Row] = []
    for place, (name, counts) in enumerate(zip(CLASSES, m.confusion, strict=True)):
        right = f"{counts[place] / counts.sum():.3f}" if counts.sum() else "no such clip"
        rows.append((REPORT_CLASS_TEXT[name], *map(str, counts.tolist()), str(counts.sum()), right))
    header = ("manifest", *(f"predicted {name}" for name in CLASSES), "clips", "sensitivity")
    return Table(header, rows, f"Classes: {m.label}")


def _group_table(a: Analysis, m: MethodAnalysis) -> Table:
    rows: list[Row] = []
    for group in a.groups:
        mae, rmse, bias, r = (a.metrics.find(m.label, metric.name, group.key) for metric in GROUP_METRICS)
        n, without = count_predicted(m, group)
        baseline = None if mae is None else mae.baseline
        rows.append(
            (
                *(group.by, group.label, str(n), str(without), metric_text(mae, "z.2f")),
                MISSING if baseline is None else f"{baseline:.1f}",
                MISSING if rmse is None else f"{rmse.value:.1f}",
                metric_text(bias, "+z.1f"),
                MISSING if r is None or r.n < MIN_FOR_R else f"{r.value:.2f}",
            )
        )
    header = ("by", "clips", "n", "no EF", "MAE", "MAE, baseline", "RMSE", "bias", "r")
    return Table(header, rows, f"By group of clips: {m.label}")


def _unchecked_table(a: Analysis) -> Table:
    def share(part: int, total: int) -> str:
        return f"{part} ({100 * part / total:.1f} %)" if total else MISSING

    rows: list[Row] = []
    for m in a.methods:
        u = m.unchecked
        counts = ((u.measured, u.negative), (u.named, u.named_negative), (u.frames, u.crossing))
        cells = [
            cell for total, part in counts for cell in (str(total) if total else MISSING, share(part, total))
        ]
        rows.append((m.label, *cells))
    header = (
        *("method", "clips measured", "negative EF", "EFs from raw lines on named frames", "negative"),
        *("frames with lines", "with crossing chords"),
    )
    return Table(header, rows, "Before any check")


def _line_table(a: Analysis) -> Table:
    """Errors of line ends: the source report's on its test images, then a cell a method."""
    header = ("lines", "source report, test", *(m.label for m in a.methods))
    if not any(m.tracing_errors for m in a.methods):
        return Table(header, [])
    rows: list[Row] = [("traced frames", "2,552", *(str(len(m.tracing_errors)) for m in a.methods))]
    for metric in TRACING_METRICS:
        of_report = f"{REPORT_TEST_MAE} ({NOT_COMPARABLE})" if "image" in metric.name else "not stated"
        cells = (metric_text(m.metrics.get(metric.name), ".4f") for m in a.methods)
        rows.append((metric.title, of_report, *cells))
    return Table(header, rows, "Line ends against the dataset's")


def _paired_table(a: Analysis) -> Table:
    rows: list[Row] = []
    for p in a.paired:
        form = ".2f" if p.unit else ".3f"
        difference = bounded_text(Bounded(p.difference, p.low, p.high), f"+z{form}")
        rows.append(
            (
                EF_METRICS[p.figure].title.removesuffix(" (points)"),
                str(p.n),
                f"{p.first}: {p.first_value:{form}}",
                f"{p.second}: {p.second_value:{form}}",
                *(difference, p_text(p.p), p_text(p.p_holm)),
            )
        )
    header = ("metric", "clips", "first", "second", "second minus first", "p (Wilcoxon)", "p (Holm)")
    return Table(header, rows)


def _missing_table(a: Analysis) -> Table:
    """A row a method and reason: clips without an EF, the most frequent reason first."""
    rows = [(m.label, *row) for m in a.methods for row in reason_rows(m.missing)]
    return Table(("method", "reason", "clips", "for example"), rows)


def make_plots(a: Analysis, inputs: Inputs, overlays: int = 0) -> dict[str, Plot]:
    """All plots that there are values for, by file name.

    Args:
        a: All metrics.
        inputs: What took part.
        overlays: Cases of each part that are shown with their lines.
    """
    found: dict[str, Plot] = {}
    names = file_names([m.label for m in a.methods])
    selection = a.evaluation.selection
    reference = selection.reference
    if len(reference) > SHORT_REFERENCE:
        reference = f"{reference[: SHORT_REFERENCE - 3]}..."
    for m in a.methods:
        labels = [case.quality or case.view for case in m.cases]
        unknown = sorted(set(labels) - set(QUALITY_STYLE) - {"", "unknown"})
        ef = EfPairs(
            m.pairs,
            labels,
            [case.item for case in m.cases],
            lambda statistic, m=m: m.metrics.get(f"ef_{statistic}"),  # type: ignore[misc]
            f"EF, split {selection.split}: {m.label}",
            reference,
            QUALITY_STYLE | {label: MARKS[i % len(MARKS)] for i, label in enumerate(unknown)},
        )
        found |= agreement_plots(ef, ending=names[m.label], alt=f"of the EF by {m.label}")
    shown = [m for m in a.methods if len(m.pairs) > 1]
    if shown:
        found |= _shared_plots(shown, selection.split, reference)
    for m in a.methods:
        for part, cases, results in (
            (selection.split, selection.cases, m.method.results),
            ("train", inputs.training_cases, m.method.training),
        ):
            chosen = choose_cases(cases, results, inputs.tracings, overlays) if results else []
            sheet = make_overlays(chosen, inputs.tracings)
            if sheet:
                heading = (
                    f"{m.label}: lines on {len(chosen)} cases of the split {part}, in even steps of the error"
                )
                found[f"overlay_{part}_{names[m.label]}.png"] = Plot(
                    line_overlay_png(sheet, heading=heading), f"ED and ES frames with both lines. {heading}"
                )
    if inputs.losses:
        png = loss_png(inputs.losses, heading="Loss by epoch")
        found["losses.png"] = Plot(png, "Curves of the losses by epoch")
    return found


def _shared_plots(shown: Sequence[MethodAnalysis], split: str, reference: str) -> dict[str, Plot]:
    """Plots that hold all methods."""

    def value(m: MethodAnalysis, statistic: str) -> Bounded:
        return bounded(m.metrics.get(f"ef_{statistic}"))

    panels = {
        t.title: [
            (m.label, roc_curve(-m.pairs[:, 0], t.positive(m.pairs[:, 1])), value(m, f"auc_{t.key}"))
            for m in shown
        ]
        for t in THRESHOLDS
    }
    parts = [
        (m.label, m.parts, value(m, "calibration_slope"), value(m, "calibration_intercept")) for m in shown
    ]
    boxes = {
        REPORT_CLASS_TEXT[name]: [
            (m.label, np.subtract(*m.pairs.T)[classify(m.pairs[:, 1]) == place]) for m in shown
        ]
        for place, name in enumerate(CLASSES)
    }
    heading = f"Errors of EF by class of the manifest's EF, split {split}"
    residuals = residuals_png(boxes, heading=heading, reference_name=reference)
    roc = roc_png(panels, heading=f"Detection of low EFs, split {split}")
    calibration = calibration_png(parts, heading=f"Calibration, split {split}", reference_name=reference)
    return {
        "residuals.png": Plot(residuals, "Box plots of the errors of EF by class"),
        "roc.png": Plot(roc, "ROC curves for four thresholds of the EF"),
        "calibration.png": Plot(calibration, "Reference EF by parts of the predicted EF"),
    }


def _form(unit: str) -> str:
    return "z.2f" if unit.startswith("EF points") else "z.3f"
