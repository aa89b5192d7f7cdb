"""An evaluation of EFs as rows of words: the tables that screen and page show."""

from __future__ import annotations

from collections import Counter

from lvef.core.terms import Status
from lvef.evaluation.ef.comparison import COMPARED
from lvef.evaluation.ef.figures import BORDERS, CLASS_WORDS, CLASSES, FIGURES
from lvef.evaluation.ef.manual_lines import NOT_COMPARABLE, REPORT_TEST_MAE
from lvef.evaluation.ef.summary import FILLED, NAMED_FRAMES, EfSummary, EntrantSummary
from lvef.evaluation.metrics import LEVEL
from lvef.evaluation.report import Bounded, bounded_text
from lvef.inference.card import Figure

Row = tuple[str, ...]
"""Cells of one line of a table."""

LINE_WORDS = {
    "line_mae_image_units": ("line ends, mean absolute error, image units (1 = longer side)", ".4f"),
    "line_mae_lengths": ("line ends, mean absolute error, LV lengths", ".4f"),
}
"""Figures of lines for people, and their digits."""

FEWEST = 2
"""Clips that any figure needs."""

FEWEST_FOR_R = 5
"""Clips of a part from which on its correlation is told: that of two is always 1."""

REFUSED_SHOWN = 5
"""Names that a reason is told with."""


def figure_header(summary: EfSummary) -> Row:
    """Header of `figure_rows`."""
    e = summary.evaluation
    typical = f"always {e.typical_percent:.1f} %"
    return ("EF", typical, f"always {summary.majority}", *(entrant.label for entrant in summary.entrants))


def figure_rows(summary: EfSummary, ending: str = "") -> list[Row]:
    """Figure, the two trivial answers, then a cell an entrant.

    Args:
        summary: What was found.
        ending: Empty for the clips that were answered, `FILLED` for all clips, `NAMED_FRAMES` for the frames that the
            collection names.
    """
    shown = [entrant for entrant in summary.entrants if _counted(summary, entrant, ending)]
    if not shown:
        return []
    rows: list[Row] = [
        (
            "clips",
            *([str(len(summary.evaluation.cases))] * 2),
            *(str(_counted(summary, s, ending)) for s in summary.entrants),
        )
    ]
    for name, (words, _) in FIGURES.items():
        cells = [_cell(summary, s, name, ending) for s in summary.entrants]
        trivial = [_plain(name, told.get(name)) for told in (summary.always_typical, summary.always_majority)]
        rows.append((words, *trivial, *cells))
    return rows


def line_rows(summary: EfSummary) -> list[Row]:
    """Errors of line ends: figure, the report's on its test images, then a cell an entrant."""
    if not any(entrant.lines for entrant in summary.entrants):
        return []
    rows: list[Row] = [("traced frames", "2,552", *(str(len(s.lines)) for s in summary.entrants))]
    for name, (words, form) in LINE_WORDS.items():
        report = f"{REPORT_TEST_MAE} ({NOT_COMPARABLE})" if name == "line_mae_image_units" else "not told"
        rows.append((words, report, *(text(s.figures.get(name), form) for s in summary.entrants)))
    return rows


GUARD_HEADER = (
    *("", "clips measured", "negative EF", "EFs from raw lines on named frames", "negative"),
    *("frames with lines", "with crossing chords"),
)
"""Header of `guard_rows`."""


def guard_rows(summary: EfSummary) -> list[Row]:
    """A row an entrant: answers that no heart gives, before any guard."""
    rows: list[Row] = []
    for s in summary.entrants:
        g = s.guards
        counts = ((g.measured, g.negative), (g.named, g.named_negative), (g.frames, g.crossing))
        cells = [cell for total, bad in counts for cell in (str(total) if total else "-", _share(bad, total))]
        rows.append((s.label, *cells))
    return rows


def _share(bad: int, total: int) -> str:
    return f"{bad} ({100 * bad / total:.1f} %)" if total else "-"


def confusion_rows(entrant: EntrantSummary, *, filled: bool = False) -> list[Row]:
    """A row a class of the manifest: how often each class was answered, and the part that is right."""
    matrix = entrant.confusion_filled if filled else entrant.confusion
    assert matrix is not None
    rows: list[Row] = []
    for place, name in enumerate(CLASSES):
        counts = matrix[place]
        right = f"{counts[place] / counts.sum():.3f}" if counts.sum() else "no such clip"
        rows.append((CLASS_WORDS[name], *map(str, counts.tolist()), str(counts.sum()), right))
    return rows


CONFUSION_HEADER = ("manifest", *(f"answered {name}" for name in CLASSES), "clips", "sensitivity")
"""Header of `confusion_rows`."""

GROUP_HEADER = ("by", "clips", "n", "no answer", "MAE", "MAE, always the same", "RMSE", "bias", "r")
"""Header of `group_rows`."""


def group_rows(entrant: EntrantSummary) -> list[Row]:
    """A row a kind of clip."""
    rows: list[Row] = []
    for g in entrant.groups:
        mae, rmse, bias, r = (g.figures.get(f"ef_{name}") for name in ("mae", "rmse", "bias", "r"))
        trivial = "-" if mae is None or mae.trivial is None else f"{mae.trivial:.1f}"
        rows.append(
            (
                g.group.by,
                g.group.label,
                str(g.answered),
                str(g.unanswered),
                text(mae),
                trivial,
                "-" if rmse is None else f"{rmse.value:.1f}",
                text(bias, "+z.1f"),
                "-" if r is None or r.n < FEWEST_FOR_R else f"{r.value:.2f}",
            )
        )
    return rows


PAIRED_HEADER = ("figure", "clips", "first", "second", "second minus first", "p (Wilcoxon)", "p (Holm)")
"""Header of `paired_rows`."""


def paired_rows(summary: EfSummary) -> list[Row]:
    """A row a pair and figure."""
    rows: list[Row] = []
    for p in summary.paired:
        form = ".2f" if p.unit else ".3f"
        tests = ("" if value is None else p_text(value) for value in (p.p, p.p_holm))
        rows.append(
            (
                COMPARED[p.figure][0],
                str(p.n),
                f"{p.first}: {p.first_value:{form}}",
                f"{p.second}: {p.second_value:{form}}",
                bounded_text(Bounded(p.difference, p.low, p.high), f"+z{form}"),
                *tests,
            )
        )
    return rows


REFUSAL_HEADER = ("", "reason", "clips", "for example")
"""Header of `refusal_rows`."""


def refusal_rows(summary: EfSummary) -> list[Row]:
    """A row an entrant and reason: clips without an answer, the most frequent reason first."""
    rows: list[Row] = []
    for s in summary.entrants:
        counts = Counter(record.reason_code or record.status for record in s.unanswered)
        for code, n in counts.most_common():
            names = [r.item for r in s.unanswered if (r.reason_code or r.status) == code][:REFUSED_SHOWN]
            rows.append((s.label, code, str(n), ", ".join(names) + (", ..." if n > REFUSED_SHOWN else "")))
    return rows


def headline(summary: EfSummary) -> list[str]:
    """What was judged, against what, in sentences."""
    e = summary.evaluation
    patients = len({case.patient for case in e.cases})
    lines = [
        f"{e.manifest}, split {e.split}: {len(e.cases)} clips of {patients} patients; in brackets the {100 * LEVEL:g} % "
        "interval over patients",
        f"Reference: {e.reference}",
        f"Trivial answers: {e.typical_percent:.1f} %, {e.typical_words}; and the most frequent class, {summary.majority}.",
    ]
    for s in summary.entrants:
        failed = sum(record.status == Status.FAILED for record in s.unanswered)
        words = f"{s.label}: {len(s.cases)} clips answered, {len(s.unanswered)} not"
        words += f", {failed} of them because they could not be read" if failed else ""
        if s.cut_off:
            named = ", ".join(s.cut_off[:REFUSED_SHOWN]) + (", ..." if len(s.cut_off) > REFUSED_SHOWN else "")
            words += (
                f"; {len(s.cut_off)} measured on the frames before a clip is damaged or cut off ({named})"
            )
        words += f"; {s.entrant.unknown} items of its file are not judged" if s.entrant.unknown else ""
        lines.append(f"{words}.")
    return lines


def text(figure: Figure | None, form: str = "") -> str:
    """A figure and its interval with the digits that suit it."""
    if figure is None:
        return "-"
    form = form or _form(figure.unit)
    return bounded_text(Bounded(figure.value, figure.low, figure.high), form)


def p_text(p: float) -> str:
    """A p value with the digits that are worth telling.

    Example:
        >>> p_text(0.0421), p_text(1e-9)
        ('0.042', '< 0.001')
    """
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _form(unit: str) -> str:
    return "z.2f" if unit.startswith("EF points") else "z.3f"


def _plain(name: str, value: float | None) -> str:
    return "-" if value is None else format(value, _form(FIGURES[name][1]))


def _cell(summary: EfSummary, s: EntrantSummary, name: str, ending: str) -> str:
    """A figure, or why it cannot be had."""
    figure = s.figures.get(f"ef_{name}{ending}")
    if figure is None and ending == FILLED:
        # Where every clip was answered, both choices of the clips are the same.
        figure = s.figures.get(f"ef_{name}")
    if figure is not None:
        return text(figure)
    clips = _counted(summary, s, ending)
    return _undefined(name, clips) if clips else "-"


def _undefined(name: str, clips: int) -> str:
    """Why a figure cannot be had."""
    if clips < FEWEST:
        return "not defined: one clip"
    if name.startswith("auc_"):
        words = next(border.words for border in BORDERS if f"auc_{border.key}" == name)
        return f"not defined: {words} in no clip, or in all"
    if name.startswith("sensitivity_"):
        return "not defined: no such clip"
    return "not defined: no spread"


def _counted(summary: EfSummary, s: EntrantSummary, ending: str) -> int:
    """Clips behind the figures of an ending."""
    if ending == FILLED:
        return len(summary.evaluation.cases)
    return s.guards.named if ending == NAMED_FRAMES else len(s.cases)
