"""Findings are counted, keep few examples, and come worst first."""

from __future__ import annotations

import pytest

from lvef.datasets.findings import ERROR, EXAMPLES, NOTE, WARNING, FindingKind, Findings, Severity


def test_nothing_found_is_nothing():
    findings = Findings()
    kind = FindingKind("code", ERROR, "Text.", "Remedy.")
    findings.add(kind, [])
    findings.add(kind, ["a", "b"], 0)
    assert findings.sorted() == ()


@pytest.mark.parametrize("names", ["one", ["one"], ("one",), iter(["one"])])
def test_a_name_or_many(names):
    findings = Findings()
    findings.add(FindingKind("code", NOTE, "Text."), names)
    [found] = findings.sorted()
    assert (found.count, found.examples) == (1, ("one",))


def test_the_same_code_adds_up_and_keeps_its_first_words():
    findings = Findings()
    findings.add(FindingKind("code", WARNING, "First.", "Remedy."), [f"a{i}" for i in range(4)])
    findings.add(FindingKind("code", ERROR, "Second.", "Other."), (f"b{i}" for i in range(4)))
    findings.add(FindingKind("code", NOTE, "Third."), ["c"], 100)
    [found] = findings.sorted()
    assert (found.severity, found.text, found.remedy) == ("warning", "First.", "Remedy.")
    assert found.count == 108
    assert found.examples == ("a0", "a1", "a2", "a3", "b0")
    assert len(found.examples) == EXAMPLES


def test_values_are_filled_into_the_text():
    kind = FindingKind("code", NOTE, "The table names {n:,} clips.", "None.")
    assert kind.filled(n=1234) == FindingKind("code", NOTE, "The table names 1,234 clips.", "None.")


def test_worst_first_then_as_they_came():
    findings = Findings()
    for code, severity in [
        ("n1", "note"),
        ("w1", "warning"),
        ("e1", "error"),
        ("w2", "warning"),
        ("n2", "note"),
    ]:
        findings.add(FindingKind(code, Severity(severity), "Text."), "x")
    assert [f.code for f in findings.sorted()] == ["e1", "w1", "w2", "n1", "n2"]
