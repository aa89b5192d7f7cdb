"""Findings of collections for the eye and as plain values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape

from lvef.core.serialization import printable
from lvef.datasets.findings import Finding, Severity

_STYLES = {Severity.ERROR: "bold red", Severity.WARNING: "yellow", Severity.NOTE: "dim"}


def print_findings(console: Console, findings: Sequence[Finding]) -> None:
    """Print each finding: how bad, how often, what, where first, and the remedy."""
    if not findings:
        console.print("Nothing was found wrong.")
    for finding in findings:
        style, text = _STYLES[finding.severity], escape(finding.text)
        console.print(f"[{style}]{finding.severity}[/] [bold]{finding.count:,} x[/] {finding.code}: {text}")
        shown = ", ".join(printable(name) for name in finding.examples)
        more = (
            f" and {finding.count - len(finding.examples):,} more"
            if finding.count > len(finding.examples)
            else ""
        )
        if shown:
            console.print(f"    {escape(shown)}{more}")
        if finding.remedy:
            console.print(f"    Remedy: {escape(finding.remedy)}")


def findings_as_values(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    """The findings as they stand in JSON."""
    return [
        {
            "code": f.code,
            "severity": f.severity.value,
            "count": f.count,
            "text": f.text,
            "mend": f.remedy,
            "examples": list(f.examples),
        }
        for f in findings
    ]
