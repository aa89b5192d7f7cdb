"""Kinds of clips that are also judged on their own: bands of EF, views, picture quality, rhythm, sex, collections."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from lvef.evaluation.ef.records import Case

EF_BANDS = (30.0, 40.0, 50.0, 60.0)
"""Borders of the bands of the manifest's EF in percent; a border belongs to the band above."""

NOT_TOLD = "not told"
"""Label of the clips whose manifest does not tell."""

MOST_LABELS = 12
"""A column with more labels than this is no kind: names or free text."""

WORDS: dict[str, Callable[[Case], str]] = {
    "collection": lambda case: case.collection,
    "view": lambda case: case.view,
    "quality": lambda case: case.quality,
    "rhythm": lambda case: case.rhythm,
    "sex": lambda case: case.sex,
}
"""Columns whose labels part the clips."""


@dataclass(frozen=True, slots=True)
class Group:
    """Clips that have something in common.

    Attributes:
        by: What they were parted by.
        label: Which part this is.
        places: Their places among the cases.
    """

    by: str
    label: str
    places: tuple[int, ...]


def groups_of(cases: Sequence[Case]) -> list[Group]:
    """Bands of EF, then the labels of each column that has two or more."""
    found = []
    for low, high in pairwise([-math.inf, *EF_BANDS, math.inf]):
        label = f"{low:g} to {high:g} %"
        if low == -math.inf:
            label = f"below {high:g} %"
        elif high == math.inf:
            label = f"from {low:g} %"
        places = tuple(i for i, case in enumerate(cases) if low <= case.ef_percent < high)
        if places:
            found.append(Group("manifest's EF", label, places))
    for by, word in WORDS.items():
        labels = sorted({word(case) for case in cases}, key=lambda label: (not label, label))
        if 2 <= len(labels) <= MOST_LABELS:
            for label in labels:
                places = tuple(i for i, case in enumerate(cases) if word(case) == label)
                found.append(Group(by, label or NOT_TOLD, places))
    return found
