"""The codes of warnings and refusals, collected from the source."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from lvef.measure import continuity
from tests.house import SOURCE

PACKAGES = ("core", "geometry", "io", "transforms", "measure", "service")
"""Where what is measured is warned of and refused: training and evaluation reach no page."""

WITHOUT_CONSTANT = {
    "measure/continuity.py": {
        *(continuity.BLANK, continuity.DAMAGED, continuity.LOOP, continuity.BACKWARD),
        *(continuity.CUT, continuity.FREEZE, continuity.REPEATED),
    },
    # They pass on the code of a warning that another module makes.
    "io/timing.py": set(),
    "measure/pair.py": set(),
    "measure/serializers.py": set(),
}
"""Modules that pass a code on as a variable, and the codes that it may hold."""


def warning_codes() -> set[str]:
    """The code of every `CodedWarning` that the package can produce."""
    found: set[str] = set()
    constants = _constants()
    for path, call in (*_calls("CodedWarning"), *_calls("clock_notice")):
        code = _text(call.args[0], constants)
        found |= {code} if code else WITHOUT_CONSTANT[path]
    return found


def refusal_codes() -> set[str]:
    """The code of every refusal, and of every failure of a measurement or of the process that makes it."""
    constants = _constants()
    found = {
        code
        for name in ("QualityRefusal", "RefusalWithCurve")
        for _, call in _calls(name)
        if (code := _text(call.args[0], constants))
    }
    found |= {
        code
        for name in ("TaskResult", "replace")
        for _, call in _calls(name)
        for word in call.keywords
        if word.arg in ("code", "reason_code") and (code := _text(word.value, constants))
    }
    found |= {code for _, call in _calls("_nothing") if (code := _text(call.args[1], constants))}
    return found | {"unreadable", "too_slow", "too_large", "not_measurable", "single_plane"}


def _modules() -> Iterator[tuple[str, ast.Module]]:
    for package in PACKAGES:
        for path in sorted((SOURCE / package).rglob("*.py")):
            yield _name(path), ast.parse(path.read_text(encoding="utf-8"))


def _name(path: Path) -> str:
    return path.relative_to(SOURCE).as_posix()


def _calls(name: str) -> Iterator[tuple[str, ast.Call]]:
    for path, module in _modules():
        for node in ast.walk(module):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name:
                yield path, node


def _constants() -> dict[str, str]:
    """Texts of the constants of all modules, also of several that are set in one line."""
    found: dict[str, str] = {}
    for _, module in _modules():
        for node in module.body:
            if not isinstance(node, ast.Assign):
                continue
            target = node.targets[0]
            names = target.elts if isinstance(target, ast.Tuple) else [target]
            values = node.value.elts if isinstance(node.value, ast.Tuple) else [node.value]
            if len(names) == len(values):
                found |= {
                    name.id: value.value
                    for name, value in zip(names, values, strict=True)
                    if isinstance(name, ast.Name)
                    and isinstance(value, ast.Constant)
                    and isinstance(value.value, str)
                }
    return found


def _text(node: ast.expr, constants: dict[str, str]) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    return constants.get(node.id, "") if isinstance(node, ast.Name) and node.id.isupper() else ""
