"""The page ``index.html`` of a judgement: the figures with what is needed to read them."""

from __future__ import annotations

from collections.abc import Mapping

from lvef.core.wording import DISCLAIMER
from lvef.evaluation.metrics import LEVEL
from lvef.evaluation.page import (
    render_page,
)
from lvef.evaluation.report import Plot, Section, Table, select_plots
from lvef.evaluation.synthetic.figures import REFERENCES
from lvef.evaluation.synthetic.summary import (
    BEAT_HEADER,
    GROUP_HEADER,
    GROUPED_REFERENCES,
    OUTLINE_HEADER,
    REFUSAL_HEADER,
    TIMING_HEADER,
    Summary,
    beat_rows,
    beat_text,
    ef_header,
    ef_rows,
    group_rows,
    other_beats,
    outline_rows,
    refusal_rows,
    timing_rows,
    unanswered,
)
from lvef.stats.bootstrap import RESAMPLES

EF_TEXT = (
    "Difference: measured minus true. The answer of a clip is about one beat, and is compared with the true beat at the "
    "same time: once with the method of disks on its true contours in the plane, which is all that one view can know, and "
    "once with the body in space, which also holds what the plane hides. Where the answer is about no true beat, the "
    "representative beat stands for it, so that no clip drops out. The last column compares every answer with the "
    "representative beat, the EF that FileList.csv tells. Trivial: always answering the median of the true EFs."
)
"""What an EF is compared with."""

BEAT_TEXT = (
    "Missed: a true whole beat that was not found, though it begins and ends more than half a frame inside the clip. "
    "Invented: a whole beat where the heart made none. Merged: several true ones taken for one; they are missed. "
    "Cut: a whole beat that was found where the clip's ends cut a true "
    "one; it counts as neither. Left out: a normal beat that was found and kept out of the answer. Beats are the same "
    "when their end-systoles lie within 0.15 s, or a quarter cycle where that is less, and their spans overlap by more "
    "than half. Clips without an answer have no part in these counts."
)
"""What becomes of a beat."""

TIMING_TEXT = (
    "End-diastole and end-systole are not points: the true volume is flat there. The errors are told against the middle of "
    "the flat part, and as the distance to its nearest end, which is 0 on it. A found instant is a frame: half a frame's "
    "error is none."
)
"""What an error of timing is."""

OUTLINE_TEXT = (
    "Dice of the network's steadied outline with the true cavity, on the ED and ES frames of the true beats; a frame "
    "without an outline counts 0. Volume: disks on the outline against disks on the true contour, of every traced frame."
)
"""What the outlines are compared with."""

CURVE_TEXT = (
    "Volumes by the method of disks in the plane, in the scale of the truth. Rings: true ED and ES; points: found ones. A "
    "red ground marks a missed beat, a yellow one a beat that was invented or merged."
)
"""What the curves show."""


def page_of(summary: Summary, pictures: Mapping[str, Plot]) -> str:
    """The page.

    Args:
        summary: What was found.
        pictures: All pictures by file name.
    """
    j = summary.judgement
    weights = (
        "" if j.weights is None else f" Network: {j.weights.name} {j.weights.version}, {j.weights.precision}."
    )
    answered = sum(record.answered for record in j.records)
    other = other_beats(j.records)
    introduction = [
        f"{j.collection}: {len(j.records) + len(j.problems)} clips with known truth, {answered} with an answer, "
        f"{len(unanswered(j.records))} without, {len(j.problems)} that could not be judged. Every video went through the "
        f"code that serves.{weights}",
        f"In brackets: {LEVEL:.0%} interval, percentile bootstrap over patients with {RESAMPLES} draws.",
        f"{other} of the answers are about a beat that is no true whole beat." if other else "",
        DISCLAIMER,
    ]
    sections = [
        Section(
            "EF",
            EF_TEXT,
            [Table(ef_header(), ef_rows(summary))] if ef_rows(summary) else [],
            select_plots(
                pictures,
                *(f"{chart}_{r}.png" for r in GROUPED_REFERENCES for chart in ("bland_altman", "scatter")),
            ),
        ),
        *(
            Section(f"EF by kind of clip: {REFERENCES[r]}", "", [Table(GROUP_HEADER, group_rows(summary, r))])
            for r in GROUPED_REFERENCES
        ),
        Section("Beats", f"{beat_text(summary)}\n\n{BEAT_TEXT}", [Table(BEAT_HEADER, beat_rows(summary))]),
        Section(
            "Timing",
            TIMING_TEXT,
            [Table(TIMING_HEADER, timing_rows(summary))],
            select_plots(pictures, "timing.png"),
        ),
        Section("Outlines", OUTLINE_TEXT, [Table(OUTLINE_HEADER, outline_rows(summary))]),
        Section("Curves", CURVE_TEXT, plots=select_plots(pictures, "curves_worst.png", "curves_random.png")),
    ]
    refused = refusal_rows(summary)
    if refused:
        sections.append(Section("Clips without an answer", "", [Table(REFUSAL_HEADER, refused)]))
    if j.problems:
        rows = [(problem.clip, problem.sentence) for problem in j.problems]
        sections.append(Section("Clips that could not be judged", "", [Table(("clip", "why"), rows)]))
    return render_page(
        "Evaluation on synthetic clips", "\n\n".join(part for part in introduction if part), sections
    )
