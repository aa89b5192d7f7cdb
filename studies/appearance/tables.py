"""The comparison in words: Markdown for people, plain values for JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from lvef.core.terms import Phase
from studies.appearance.comparison import AS_DELIVERED, Row, Separability, Spread

SCHEMA = "lvef-appearance/1"
"""Version of the layout of ``appearance.json``."""

SHORT_TABLE = (
    "cavity p50",
    "myocardium p50",
    "atrium p50",
    "myocardium shading",
    "atrium shading",
    "cavity local deviation",
    "myocardium local deviation",
    "cavity cell axial mm",
    "cavity cell lateral mm",
    "myocardium cell axial mm",
    "myocardium cell lateral mm",
    "septal step",
    "septal step width mm",
    "lateral step",
    "apical step",
    "fan skewness",
    "fan far less near",
    "cavity frame correlation",
    "myocardium frame correlation",
)
"""Measures of the short table, in its order."""

UNKNOWN = "-"
"""Cell of what cannot be had."""


def tables_md(rows: Sequence[Row], separabilities: Sequence[Separability], size: int) -> str:
    """Both tables, and what separates synthetic images, as Markdown.

    Args:
        rows: From `studies.appearance.comparison.compare`.
        separabilities: From `studies.appearance.comparison.measure_separability`.
        size: Side of the common square in pixels.
    """
    parts = [
        f"Median (5 to 95 %). All columns but *{AS_DELIVERED}* are images of {size} x {size} pixels. AUC: chance that a "
        "synthetic image has the larger value than a real one; 0.5 does not separate, 0 and 1 separate fully. Change: "
        "median difference from the same patient's own still."
    ]
    short = {row.measure: row for row in rows if row.phase == Phase.ED and row.measure in SHORT_TABLE}
    if short:
        parts.append(
            f"## In short, at ED\n\n{_table([short[name] for name in SHORT_TABLE if name in short])}"
        )
    for phase in Phase:
        chosen = [row for row in rows if row.phase == phase]
        if chosen:
            parts.append(f"## {phase}\n\n{_table(chosen)}")
    if separabilities:
        parts.append(
            "## What separates them\n\n" + "\n\n".join(_separability_text(v) for v in separabilities)
        )
    return "\n\n".join(parts) + "\n"


def to_values(rows: Sequence[Row], separabilities: Sequence[Separability], size: int) -> dict[str, Any]:
    """The same as values for JSON; None for what cannot be had."""
    found: dict[str, Any] = _plain(
        {
            "schema": SCHEMA,
            "size_px": size,
            "rows": [asdict(row) | {"phase": str(row.phase)} for row in rows],
            "verdicts": [asdict(separability) for separability in separabilities],
        }
    )
    return found


def decimals(measure: str) -> int:
    """Decimals of a measure: millimetres, skewness and correlations two, grey levels one."""
    return 2 if measure.endswith(("mm", "skewness", "correlation", "%")) else 1


def _table(rows: Sequence[Row]) -> str:
    columns = list(rows[0].spreads)
    heads = ["measure"]
    for column in columns:
        heads += [column, *(["AUC"] if column in rows[0].areas else [])]
        heads += ["change"] if column in rows[0].changes else []
    lines = [heads, ["---"] * len(heads)]
    for row in rows:
        cells = [row.measure]
        for column in columns:
            cells.append(_cell(row.spreads[column], decimals(row.measure)))
            if column in row.areas:
                cells.append(_number(row.areas[column], 2))
            if column in row.changes:
                cells.append(_number(row.changes[column], decimals(row.measure), "+"))
        lines.append(cells)
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _separability_text(separability: Separability) -> str:
    low, high = separability.chance
    groups, places = (
        ", ".join(f"{name} {_number(area, 2)}" for name, area in areas.items())
        for areas in (separability.by_group, separability.by_place)
    )
    largest = "; ".join(f"{name} {_number(area, 2)}" for name, area in separability.loudest) or "none clearly"
    return (
        f"**{separability.kind}** ({separability.n_synthetic} clips against {separability.n_real} real patients, ED and ES; "
        f"single areas between {_number(low, 2)} and {_number(high, 2)} may be chance). All measures together, "
        f"cross-validated by patient: {_number(separability.joint, 2)}. By group: {groups}. By place: {places}. Most "
        f"separating alone: {largest}."
    )


def _cell(spread: Spread, digits: int) -> str:
    if not spread.n:
        return UNKNOWN
    low, median, high = (_number(v, digits) for v in (spread.low, spread.median, spread.high))
    return f"{median} ({low} to {high})"


def _number(value: float, digits: int, sign: str = "") -> str:
    if not math.isfinite(value):
        return UNKNOWN
    # No minus before a zero.
    return f"{round(value, digits) + 0.0:{sign}.{digits}f}"


def _plain(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, float):
        return round(value, 5) if math.isfinite(value) else None
    return value
