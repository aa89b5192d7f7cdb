"""The catalogue of the page's texts: every key that a module asks for is there, and none stands there for nothing."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import lvef.webapp

STATIC = Path(lvef.webapp.__file__).parent / "static"
CATALOGUE = json.loads((STATIC / "texts" / "en.json").read_text(encoding="utf-8"))
SOURCES = {path.name: path.read_text(encoding="utf-8") for path in sorted(STATIC.glob("*.js"))}
OF_SERVER = ("warnings", "reasons", "classes", "advice")
"""Sections whose keys are codes of the server; `test_warning_texts` checks them."""

_LITERAL = re.compile(r"""\b(?:t|hasText|entry)\(\s*(?:\w+ \? )?"([a-z_]+(?:\.\w+)+)\"""")
_TEMPLATE = re.compile(r"""`([a-z_]+(?:\.\w+)*\.(?:\w+_)?)\$\{""")
_ANY = re.compile(r"""["`]([a-z_]+(?:\.[\w-]+)+)["`]""")


def leaves(node, prefix=""):
    """All keys of the catalogue; plural forms are one key."""
    if isinstance(node, dict) and "other" not in node:
        return [key for name, child in node.items() for key in leaves(child, f"{prefix}{name}.")]
    return [prefix.rstrip(".")]


KEYS = leaves(CATALOGUE)


def exists(key):
    return any(own == key or own.startswith(f"{key}.") for own in KEYS)


@pytest.mark.parametrize("name", SOURCES)
def test_every_text_that_a_module_asks_for_is_in_the_catalogue(name):
    asked = _LITERAL.findall(SOURCES[name])
    assert not [key for key in asked if not exists(key)]
    prefixes = _TEMPLATE.findall(SOURCES[name])
    assert not [prefix for prefix in prefixes if not any(key.startswith(prefix) for key in KEYS)]


def test_every_text_is_used():
    source = "\n".join(SOURCES.values())
    named, prefixes = set(_ANY.findall(source)), set(_TEMPLATE.findall(source))
    unused = [
        key
        for key in KEYS
        if key.partition(".")[0] not in OF_SERVER
        and not any(key == one or key.startswith(f"{one}.") for one in named)
        and not key.startswith(tuple(prefixes))
    ]
    assert not unused


def test_texts_are_sentences_of_one_line_without_markup():
    texts = [text for key in KEYS for text in _texts(key)]
    assert len(texts) > 300
    assert not [text for text in texts if "\n" in text or re.search(r"<\w|&\w+;| {2}", text)]
    assert not [text for text in texts if text != text.strip()]


def _texts(key):
    node = CATALOGUE
    for name in key.split("."):
        node = node[name]
    found = list(node.values()) if isinstance(node, dict) else [node]
    return [
        text for one in found for text in (one if isinstance(one, list) else [one]) if isinstance(text, str)
    ]


def test_modules_hold_no_markup_and_no_inline_handlers():
    # Whatever a file is called, it cannot become markup.
    wrong = [
        name
        for name, source in SOURCES.items()
        if re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", source)
    ]
    assert not wrong
    page = (STATIC / "index.html").read_text(encoding="utf-8")
    assert not re.search(r"\son\w+=|<script(?![^>]*\ssrc=)|style=", page)
    assert not re.search(r"(?:src|href)=\"(?:https?:)?//", page)
