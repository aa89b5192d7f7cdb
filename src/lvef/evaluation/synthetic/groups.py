"""Kinds of clips that are also judged on their own: bands of EF, rates and parameters; rhythms and views."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from lvef.evaluation.synthetic.records import ClipRecord

EF_BANDS = (30.0, 40.0, 50.0, 60.0)
"""Borders of the bands of the true EF in percent; a border belongs to the band above."""

HEART_RATE_BANDS = (60.0, 80.0, 100.0)
"""Borders of the bands of the heart rate in beats a minute."""

FRAME_RATE_BANDS = (35.0, 55.0)
"""Borders of the bands of the frame rate: they part 25 and 30, 40 and 50, 60 and more frames a second."""

PARAMETER_WORDS = (
    *(
        "foreshorten",
        "noise",
        "near_clutter",
        "haze",
        "gain",
        "depth",
        "tilt",
        "drop",
        "shadow",
        "attenuat",
        "blur",
    ),
    *("amount", "strength"),
)
"""Parameters whose own name begins with one of these are looked at by thirds of the clips."""

FEWEST = 6
"""Clips that a parameter must be told of to be parted into thirds: two each."""


@dataclass(frozen=True, slots=True)
class Group:
    """Clips that have something in common.

    Attributes:
        by: What they were parted by.
        label: Which part this is.
        clips: They.
        in_short: Whether it is also told where there is room for few.
    """

    by: str
    label: str
    clips: tuple[ClipRecord, ...]
    in_short: bool = True


def groups_of(records: Sequence[ClipRecord]) -> list[Group]:
    """All groups that hold a clip, first those that every collection has, then those of the parameters."""
    found = [Group("all", "all", tuple(records))]
    bands: list[tuple[str, Callable[[ClipRecord], float], Sequence[float], str]] = [
        ("true EF", lambda r: r.ef_plane_percent, EF_BANDS, " %"),
        ("heart rate", lambda r: r.heart_rate_bpm, HEART_RATE_BANDS, "/min"),
        ("frame rate", lambda r: r.frame_rate_hz, FRAME_RATE_BANDS, "/s"),
    ]
    for by, value, borders, unit in bands:
        found += _banded(records, by, value, borders, unit)
    words: list[tuple[str, Callable[[ClipRecord], str]]] = [
        ("rhythm", lambda r: r.rhythm),
        ("view", lambda r: r.view),
    ]
    for by, word in words:
        for label in dict.fromkeys(sorted(word(r) for r in records)):
            found.append(Group(by, label or "not told", tuple(r for r in records if word(r) == label)))
    for name in parameter_names(records):
        found += _thirds(records, name)
    return [group for group in found if group.clips]


def parameter_names(records: Sequence[ClipRecord]) -> list[str]:
    """Parameters that are looked at, in the order in which the clips tell them; one told twice, where it lies least deep."""
    names = dict.fromkeys(name for record in records for name in record.parameters or {})
    by_own: dict[str, str] = {}
    for name in sorted(names, key=lambda name: name.count(".")):
        own = name.rpartition(".")[2]
        if own.lower().startswith(PARAMETER_WORDS):
            by_own.setdefault(own, name)
    return [name for name in names if name in by_own.values()]


def _banded(
    records: Sequence[ClipRecord],
    by: str,
    value: Callable[[ClipRecord], float],
    borders: Sequence[float],
    unit: str,
) -> list[Group]:
    known = [(r, value(r)) for r in records if math.isfinite(value(r))]
    ends = [-math.inf, *borders, math.inf]
    found = []
    for low, high in pairwise(ends):
        label = f"{low:g} to {high:g}{unit}"
        if low == -math.inf:
            label = f"below {high:g}{unit}"
        elif high == math.inf:
            label = f"from {low:g}{unit}"
        found.append(Group(by, label, tuple(r for r, v in known if low <= v < high)))
    return found


def _thirds(records: Sequence[ClipRecord], name: str) -> list[Group]:
    """Clips with a low, middle and high value of a parameter; one of few values is parted by these."""
    known = [(r, r.parameters[name]) for r in records if r.parameters and name in r.parameters]
    known = [(r, v) for r, v in known if math.isfinite(v)]
    values = np.array([v for _, v in known])
    distinct = sorted(set(values.tolist()))
    if len(distinct) < 2 or len(known) < FEWEST:
        return []
    own, in_short = name.rpartition(".")[2], "." not in name
    if len(distinct) <= 3:
        return [Group(own, f"{d:g}", tuple(r for r, v in known if v == d), in_short) for d in distinct]
    low, high = (float(q) for q in np.quantile(values, [1 / 3, 2 / 3]))
    if low == high or low == distinct[0]:
        # Most clips have the least value, which is the effect switched off.
        parts = [
            (f"{distinct[0]:.3g}", values == distinct[0]),
            (f"above {distinct[0]:.3g}", values > distinct[0]),
        ]
    else:
        parts = [
            (f"below {low:.3g}", values < low),
            (f"{low:.3g} to {high:.3g}", (values >= low) & (values < high)),
            (f"from {high:.3g}", values >= high),
        ]
    return [
        Group(
            own,
            label,
            tuple(r for (r, _), inside in zip(known, at.tolist(), strict=True) if inside),
            in_short,
        )
        for label, at in parts
    ]
