"""What is wrong with a dataset: named, counted, with examples and a remedy. Nothing is dropped silently."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple

EXAMPLES = 5
"""Names that a finding shows; `count` says how many there are."""


class Severity(StrEnum):
    """How bad it is.

    ``NOTE``: worth knowing. ``WARNING``: rows were left out or a label is doubtful. ``ERROR``: results would be wrong.
    """

    NOTE = "note"
    WARNING = "warning"
    ERROR = "error"


NOTE, WARNING, ERROR = Severity
"""The same, for tables of `FindingKind`."""


class FindingKind(NamedTuple):
    """One kind of problem.

    Attributes:
        code: Short machine-readable name, for example ``missing_file``.
        severity: How bad it is.
        text: What was found and what was expected, in one sentence.
        remedy: What to do about it, in one sentence; empty where nothing need be done.
    """

    code: str
    severity: Severity
    text: str
    remedy: str = ""

    def filled(self, **values: object) -> FindingKind:
        """The same with values in place of the ``{names}`` in its text."""
        return self._replace(text=self.text.format(**values))


@dataclass(frozen=True, slots=True)
class Finding:
    """One kind of problem and every place it was met.

    Attributes:
        code: As in `FindingKind`; so are ``severity``, ``text`` and ``remedy``.
        severity: How bad it is.
        text: One sentence.
        remedy: One sentence, or empty.
        count: How often.
        examples: Up to `EXAMPLES` names (items, files, lines).
    """

    code: str
    severity: Severity
    text: str
    remedy: str
    count: int
    examples: tuple[str, ...]


class Findings:
    """Collects findings by code while a dataset is read or checked."""

    def __init__(self) -> None:
        self._found: dict[str, Finding] = {}

    def add(self, kind: FindingKind, names: str | Iterable[str], count: int | None = None) -> None:
        """Note a problem.

        Args:
            kind: What it is; of several with one code the first stays, and the others are counted with it.
            names: Where it was met; with no names nothing is noted.
            count: How often, where it is more than the names given.
        """
        found = [names] if isinstance(names, str) else list(names)
        times = len(found) if count is None else count
        if times == 0:
            return
        old = self._found.get(kind.code) or Finding(*kind, 0, ())
        examples = (*old.examples, *found)[:EXAMPLES]
        self._found[kind.code] = replace(old, count=old.count + times, examples=examples)

    def sorted(self) -> tuple[Finding, ...]:
        """Worst first, then as they came."""
        order = [ERROR, WARNING, NOTE]
        return tuple(sorted(self._found.values(), key=lambda found: order.index(found.severity)))
