"""The pictures of a judgement: file name -> PNG, with words for whoever does not see it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lvef.evaluation.plots.agreement import bland_altman_png, scatter_png
from lvef.evaluation.plots.style import (
    BLUE,
    GREEN,
    VERMILION,
)
from lvef.evaluation.report import Bounded, Plot
from lvef.evaluation.stills.pictures import NOT_KNOWN
from lvef.evaluation.synthetic.curve_chart import curves_png
from lvef.evaluation.synthetic.figures import REFERENCES, pairs_of
from lvef.evaluation.synthetic.records import MATCHED, ClipRecord
from lvef.evaluation.synthetic.summary import GROUPED_REFERENCES, Summary
from lvef.evaluation.synthetic.timing_chart import timing_png

SHOWN = 6
"""So many of the worst clips, and as many at random, are shown with their curves."""

RHYTHM_STYLE = {"sinus": (BLUE, "o"), "fibrillation": (VERMILION, "^"), "ectopic": (GREEN, "s")}
"""Colour and mark of each rhythm."""


def make_pictures(summary: Summary, seed: int) -> dict[str, Plot]:
    """All pictures that the clips give rise to.

    Args:
        summary: What was found.
        seed: Of the clips shown at random.
    """
    found: dict[str, Plot] = {}
    for reference in GROUPED_REFERENCES:
        found |= _ef_pair(summary, reference)
    records = summary.judgement.records
    errors = {"ED": "ed_error_ms", "ES": "es_error_ms"}
    values = {
        w: [getattr(b, e) for r in records for b in r.beats if b.became == MATCHED] for w, e in errors.items()
    }
    if any(values.values()):
        heading = "Where the instants lie: found minus middle of the flat part"
        found["timing.png"] = Plot(
            timing_png(values, heading=heading), "Histograms of the errors of ED and ES in time"
        )
    worst, others = chosen(records, seed)
    for name, heading, clips in (
        ("curves_worst.png", "Largest errors of EF against the plane's truth, the worst first", worst),
        ("curves_random.png", "Clips at random", others),
    ):
        if clips:
            found[name] = Plot(
                curves_png(clips, heading=heading), f"Volume curves, measured and true. {heading}"
            )
    return found


def chosen(records: Sequence[ClipRecord], seed: int) -> tuple[list[ClipRecord], list[ClipRecord]]:
    """The `SHOWN` clips with the largest error of EF, those without an answer last; and as many of the others at random."""

    def loss(record: ClipRecord) -> float:
        error = abs(record.ef_percent - record.ef_plane_percent)
        return error if np.isfinite(error) else -1.0

    ordered = sorted(records, key=loss, reverse=True)
    worst, rest = ordered[:SHOWN], ordered[SHOWN:]
    places = np.random.default_rng(seed).permutation(len(rest))[:SHOWN]
    return worst, [rest[i] for i in places.tolist()]


def _ef_pair(summary: Summary, reference: str) -> dict[str, Plot]:
    pairs, kept = pairs_of(summary.judgement.records, reference)
    if len(pairs) < 2:
        return {}
    figures = summary.all.figures

    def bounded(name: str) -> Bounded:
        figure = figures.get(f"ef_{name}_{reference}")
        return NOT_KNOWN if figure is None else Bounded(figure.value, figure.low, figure.high)

    rhythms, names = [r.rhythm for r in kept], [r.clip for r in kept]
    of = REFERENCES[reference]
    agreement = bland_altman_png(
        pairs[:, 0],
        pairs[:, 1],
        rhythms,
        names,
        bias=bounded("bias"),
        low_limit=bounded("limit_low"),
        high_limit=bounded("limit_high"),
        heading=f"EF of synthetic clips against the {'body in space' if reference == 'space' else 'truth in the plane'}",
        reference_name=of,
        styles=RHYTHM_STYLE,
    )
    scatter = scatter_png(
        pairs[:, 0],
        pairs[:, 1],
        rhythms,
        names,
        mae=bounded("mae"),
        pearson_r=bounded("r"),
        heading=f"EF of synthetic clips against the {'body in space' if reference == 'space' else 'truth in the plane'}",
        reference_name=of,
        styles=RHYTHM_STYLE,
    )
    return {
        f"bland_altman_{reference}.png": Plot(agreement, f"Bland-Altman chart of the EF against {of}"),
        f"scatter_{reference}.png": Plot(scatter, f"Scatter of the EF against {of}"),
    }
