"""The page ``index.html`` of an evaluation of EFs: the figures with what is needed to read them."""

from __future__ import annotations

from collections.abc import Mapping

from lvef.core.wording import DISCLAIMER
from lvef.evaluation.ef.manual_lines import NOT_COMPARABLE
from lvef.evaluation.ef.rows import (
    CONFUSION_HEADER,
    GROUP_HEADER,
    GUARD_HEADER,
    PAIRED_HEADER,
    REFUSAL_HEADER,
    confusion_rows,
    figure_header,
    figure_rows,
    group_rows,
    guard_rows,
    headline,
    line_rows,
    paired_rows,
    refusal_rows,
)
from lvef.evaluation.ef.summary import FILLED, NAMED_FRAMES, EfSummary
from lvef.evaluation.metrics import LEVEL
from lvef.evaluation.page import (
    render_page,
)
from lvef.evaluation.report import Plot, Section, Table
from lvef.evaluation.stills.pictures import file_names
from lvef.stats.bootstrap import RESAMPLES

FIGURE_TEXT = (
    "Difference: answer minus the manifest's EF. R² is 1 less the squared errors over those of answering the mean; it"
    " is not the square of r. Limits of agreement: bias -+ 1.96 standard deviations. AUC: how often a clip with such "
    "a low EF is given a lower EF than one without. Classes on the unrounded EF: normal above 50, mild 40 to 50, "
    "abnormal below 40. Macro sensitivity: the mean of the classes' sensitivities, each counting the same. "
    "Calibration: least squares, manifest's EF on the answer; slope 1 and intercept 0 are ideal."
)
"""What the figures are."""

FILLED_TEXT = (
    "Whoever refuses the hard clips looks better on the rest. Here the trivial EF stands in the place of each answer "
    "that is missing, so that all are judged on the same clips."
)
"""Why the figures stand there twice."""

GUARD_TEXT = (
    "A negative EF: an ES volume above the ED volume, counted before anything mends or refuses it. EFs from raw lines"
    " on named frames: the lines exactly as the network drew them on the ED and the ES frame that the collection "
    "names, with nothing steadied and no beat looked for; as the report counts its 241."
)
"""What is counted before the guards."""

NAMED_TEXT = (
    "The network's raw lines on the two frames that the collection names: what is left when finding the beats has no "
    "part in the error. The answers above find their own frames."
)
"""What the EFs on named frames are."""

LINE_TEXT = (
    "Mean absolute error over the x and y of both ends of all 21 lines. Image units: parts of the longer side of the "
    "picture. LV lengths: parts of the long axis of the collection's own lines. The report's figure is on "
    f"EchoNet-Dynamic's test images, {NOT_COMPARABLE}; the error in LV lengths does not depend on the crop."
)
"""What the line errors are."""

PAIRED_TEXT = (
    "On the clips that both answered. Intervals: bootstrap of the difference over patients. p: Wilcoxon's signed-rank"
    " test on each patient's mean absolute error, two-sided; then after Holm's correction over all pairs."
)
"""How networks are compared."""

CALIBRATION_TEXT = (
    "Answers in order of size, in ten parts of equal number; where clips are few, in fewer of at least five."
)
"""What the calibration chart shows."""


def page_of(summary: EfSummary, pictures: Mapping[str, Plot]) -> str:
    """The page.

    Args:
        summary: What was found.
        pictures: All pictures by file name.
    """
    e = summary.evaluation
    names = file_names([s.label for s in summary.entrants])
    introduction = [
        "\n".join(headline(summary)),
        f"Intervals: {100 * LEVEL:g} %, percentile bootstrap over patients with {RESAMPLES} draws, cut at "
        f"{50 * (1 - LEVEL):g} and {50 * (1 + LEVEL):g} %.",
        *(f"Note: {notice}" for notice in e.notices),
        DISCLAIMER,
    ]
    header = figure_header(summary)
    sections = [Section("Figures", FIGURE_TEXT, _table(header, figure_rows(summary)))]
    if any(s.unanswered for s in summary.entrants):
        sections.append(
            Section(
                "All clips, the trivial EF where there is no answer",
                FILLED_TEXT,
                _table(header, figure_rows(summary, FILLED)),
            )
        )
    pairs = [
        p
        for s in summary.entrants
        for p in _named(pictures, f"bland_altman_{names[s.label]}.png", f"scatter_{names[s.label]}.png")
    ]
    sections.append(Section("Agreement", "", plots=pairs))
    sections.append(
        Section(
            "Classes",
            f"Rows: class of the manifest's EF. Always answering {summary.majority} would be right in "
            f"{summary.always_majority.get('accuracy', 0):.3f} of the clips.",
            [Table(CONFUSION_HEADER, confusion_rows(s), s.label) for s in summary.entrants if len(s.cases)],
            _named(pictures, "residuals.png"),
        )
    )
    sections += [
        Section("Finding low EFs", "", plots=_named(pictures, "roc.png")),
        Section("Calibration", CALIBRATION_TEXT, plots=_named(pictures, "calibration.png")),
        Section("Before the guards", GUARD_TEXT, [Table(GUARD_HEADER, guard_rows(summary))]),
    ]
    if figure_rows(summary, NAMED_FRAMES):
        sections.append(
            Section(
                "EF on the frames that the collection names",
                NAMED_TEXT,
                _table(header, figure_rows(summary, NAMED_FRAMES)),
            )
        )
    if line_rows(summary):
        line_header = ("lines", "the report's, test", *(s.label for s in summary.entrants))
        sections.append(Section("Lines", LINE_TEXT, [Table(line_header, line_rows(summary))]))
    sheets = [picture for name, picture in pictures.items() if name.startswith("overlay_")]
    if sheets:
        text = "Blue: predicted, raw. Red: the collection's own. On the ED and ES frames that the collection names."
        sections.append(Section("Lines on cases", text, plots=sheets))
    sections += [
        Section(f"By kind of clip: {s.label}", "", [Table(GROUP_HEADER, group_rows(s))])
        for s in summary.entrants
    ]
    if summary.paired:
        sections.append(
            Section("Network against network", PAIRED_TEXT, [Table(PAIRED_HEADER, paired_rows(summary))])
        )
    if "losses.png" in pictures:
        sections.append(Section("Training", "", plots=[pictures["losses.png"]]))
    if refusal_rows(summary):
        text = "Each is listed by name in cases.csv, with its reason."
        sections.append(
            Section("Clips without an answer", text, [Table(REFUSAL_HEADER, refusal_rows(summary))])
        )
    kept = [s for s in sections if s.tables or s.plots]
    return render_page(f"EF of {e.manifest}, split {e.split}", "\n\n".join(introduction), kept)


def _table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[Table]:
    return [Table(header, rows)] if rows else []


def _named(pictures: Mapping[str, Plot], *names: str) -> list[Plot]:
    return [pictures[name] for name in names if name in pictures]
