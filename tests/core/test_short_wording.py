"""Every code that the source can give has short words."""

from __future__ import annotations

import ast
import importlib

from lvef.core.short_wording import SHORT_TEXT, first_note, short_text
from tests.house import SOURCE

NOT_OF_CLIPS = {"no_beat"}
"""Codes of synthetic clips, which no table of measured clips shows."""


def codes_of_source() -> set[str]:
    """Codes that stand in calls of CodedWarning and QualityRefusal, by their literals and by constants."""
    found: set[str] = set()
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            if name not in ("CodedWarning", "QualityRefusal", "RefusalWithCurve", "_nothing"):
                continue
            for one in ast.walk(node.args[1 if name == "_nothing" else 0]):
                if isinstance(one, ast.Constant) and isinstance(one.value, str):
                    found.add(one.value)
                elif isinstance(one, ast.Name) and one.id.isupper():
                    module = ".".join(("lvef", *path.relative_to(SOURCE).with_suffix("").parts))
                    found.add(getattr(importlib.import_module(module), one.id))
    return found


def test_every_code_has_words():
    codes = {code for code in codes_of_source() if code.islower() and code.replace("_", "").isalpha()}
    assert len(codes) > 90
    assert not codes - {"code"} - NOT_OF_CLIPS - SHORT_TEXT.keys()


def test_a_code_of_a_later_version_stays_readable():
    assert short_text("a_new_code") == "a new code"


def test_what_matters_comes_first_and_the_rest_is_counted():
    important = {"weak_walls"}
    assert first_note("", "", important) == ""
    assert first_note("", "edit_list", important) == "hidden frames left out"
    assert first_note("", "edit_list; weak_walls; cut", important) == "walls hardly visible (+2)"
    assert first_note("no_fan", "edit_list; weak_walls", important) == "no ultrasound sector"
