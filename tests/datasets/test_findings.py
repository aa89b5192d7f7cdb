"""Findings are counted, keep few examples, and come worst first."""

from __future__ import annotations

import pytest

from lvef.datasets.findings import EXAMPLES, Findings, Severity


def test_nothing_found_is_nothing():
    findings = Findings()
    findings.add("code", Severity.ERROR, "Text.", "Mend.", [])
    findings.add("code", Severity.ERROR, "Text.", "Mend.", ["a", "b"], 0)
    assert findings.sorted() == ()


@pytest.mark.parametrize("names", ["one", ["one"], ("one",), iter(["one"])])
def test_a_name_or_many(names):
    findings = Findings()
    findings.add("code", Severity.NOTE, "Text.", "", names)
    [found] = findings.sorted()
    assert (found.count, found.examples) == (1, ("one",))


def test_the_same_code_adds_up_and_keeps_its_first_words():
    findings = Findings()
    findings.add("code", Severity.WARNING, "First.", "Mend.", [f"a{i}" for i in range(4)])
    findings.add("code", Severity.ERROR, "Second.", "Other.", (f"b{i}" for i in range(4)))
    findings.add("code", Severity.NOTE, "Third.", "", ["c"], 100)
    [found] = findings.sorted()
    assert (found.severity, found.text, found.mend) == ("warning", "First.", "Mend.")
    assert found.count == 108
    assert found.examples == ("a0", "a1", "a2", "a3", "b0")
    assert len(found.examples) == EXAMPLES


def test_worst_first_then_as_they_came():
    findings = Findings()
    for code, severity in [
        ("n1", "note"),
        ("w1", "warning"),
        ("e1", "error"),
        ("w2", "warning"),
        ("n2", "note"),
    ]:
        findings.add(code, Severity(severity), "Text.", "", "x")
    assert [f.code for f in findings.sorted()] == ["e1", "w1", "w2", "n1", "n2"]
