"""The examples in the docstrings run and give what stands there."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

import lvef

SOURCE = Path(lvef.__file__).parent
NEEDS_TORCH = ("models", "training")
FILES = sorted(
    path
    for path in SOURCE.rglob("*.py")
    if ">>>" in path.read_text(encoding="utf-8") and path.relative_to(SOURCE).parts[0] not in NEEDS_TORCH
)


def module_of(path: Path) -> str:
    parts = ("lvef", *path.relative_to(SOURCE).with_suffix("").parts)
    return ".".join(parts).removesuffix(".__init__")


@pytest.mark.parametrize("name", [module_of(path) for path in FILES])
def test_examples_give_what_stands_there(name):
    module = importlib.import_module(name)
    found = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    assert found.attempted > 0
    assert found.failed == 0
