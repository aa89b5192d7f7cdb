"""What was found wrong with a collection: named, counted, with examples and the mend. Nothing is dropped silently."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

EXAMPLES = 5
"""Names that a finding shows; `count` tells how many there are."""


class Severity(StrEnum):
    """How bad it is.

    ``NOTE``: worth knowing. ``WARNING``: rows were left out or a label is doubtful. ``ERROR``: results would be wrong.
    """

    NOTE = "note"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """One kind of problem and every place it was met.

    Attributes:
        code: Short machine-readable name, for example ``missing_file``.
        severity: How bad it is.
        text: What was found and what was expected, in one sentence.
        mend: What to do about it, in one sentence; empty where nothing need be done.
        count: How often.
        examples: Up to `EXAMPLES` names (items, files, lines).
    """

    code: str
    severity: Severity
    text: str
    mend: str
    count: int
    examples: tuple[str, ...]


class Findings:
    """Collects findings by code while a collection is read or checked."""

    def __init__(self) -> None:
        self._rows: dict[str, Finding] = {}

    def add(
        self,
        code: str,
        severity: Severity,
        text: str,
        mend: str,
        names: str | Iterable[str],
        count: int | None = None,
    ) -> None:
        """Note a problem.

        Args:
            code: Short name; the same code adds to what was there.
            severity: How bad it is.
            text: One sentence; the first one of a code stays.
            mend: One sentence.
            names: Where it was met; with no names nothing is noted.
            count: How often, where it is more than the names given.
        """
        found = [names] if isinstance(names, str) else list(names)
        times = count if count is not None else len(found)
        if times == 0:
            return
        old = self._rows.get(code)
        examples = (*(old.examples if old else ()), *found)[:EXAMPLES]
        kept = old or Finding(code, severity, text, mend, 0, ())
        self._rows[code] = Finding(code, kept.severity, kept.text, kept.mend, kept.count + times, examples)

    def sorted(self) -> tuple[Finding, ...]:
        """Worst first, then as they came."""
        order = [Severity.ERROR, Severity.WARNING, Severity.NOTE]
        return tuple(sorted(self._rows.values(), key=lambda f: order.index(f.severity)))
