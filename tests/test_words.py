"""The words of `docs/words.toml` are not used: each finding names the file, the line and the word to use instead."""

from __future__ import annotations

import ast
import io
import re
import tokenize
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.house import ROOT, repository_files

LIST = ROOT / "docs" / "words.toml"
TEXTS = "src/lvef/webapp/static/texts/"
"""Catalogues of the page's texts."""
FOLDERS = ("src", "tests", "studies", "benchmarks", "weights", "deploy")
"""Where Python is read; Markdown is read everywhere."""


@dataclass(frozen=True)
class Word:
    """A word that is not used."""

    wrong: re.Pattern[str]
    right: str
    where: tuple[str, ...]
    exceptions: tuple[str, ...]

    def applies(self, kind: str, path: str) -> bool:
        return kind in self.where and not path.startswith(self.exceptions)


def read_words(text: str) -> list[Word]:
    return [
        Word(
            re.compile(rf"(?<![\w-])(?:{row['wrong']})(?![\w-])", re.IGNORECASE),
            row["right"],
            tuple(row.get("where", ("names", "text"))),
            tuple(row.get("except", ())),
        )
        for row in tomllib.loads(text)["word"]
    ]


def split_name(name: str) -> str:
    """A name as lower-case words: ``ClipStore`` and ``clip_store`` are both "clip store"."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).replace("_", " ").lower()


def python_text(source: str) -> Iterator[tuple[str, int, str]]:
    """Kind, line and words of all definitions, docstrings, sentences and comments."""
    for node in ast.walk(ast.parse(source)):
        if name := defined_name(node):
            yield "names", node.lineno, split_name(name)
            yield "whole names", node.lineno, name.strip("_")
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            for at, line in enumerate(without_code(node.value).split("\n")):
                yield "text", node.lineno + at, line
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield "text", token.start[0], without_code(token.string)


def defined_name(node: ast.AST) -> str:
    """The name that a node defines, or an empty string."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return node.name
    if isinstance(node, ast.arg):
        return node.arg
    return node.id if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) else ""


def without_code(text: str) -> str:
    """Prose without `code`, links' targets, and paths."""
    text = re.sub(r"``[^`]*``|`[^`\n]*`", "", text)
    return re.sub(
        r"\]\([^)]*\)|https?://\S+|\S*[\w]/[\w]\S*|\b\w+\.(py|md|csv|json|toml|png|html)\b", "", text
    )


def markdown_text(source: str) -> Iterator[tuple[str, int, str]]:
    """Lines of prose: no fenced code."""
    fenced = False
    for at, line in enumerate(source.split("\n"), 1):
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif not fenced:
            yield "text", at, without_code(line)


def catalogue_text(source: str) -> Iterator[tuple[str, int, str]]:
    """Lines of a catalogue of texts without their keys: one text a line."""
    for at, line in enumerate(source.split("\n"), 1):
        yield "text", at, re.sub(r'^\s*"[^"]*":', "", line)


def findings(path: str, source: str, words: list[Word]) -> list[str]:
    read = {".md": markdown_text, ".json": catalogue_text}.get(Path(path).suffix, python_text)
    parts = read(source)
    return [
        f"{path}:{line}: {match.group()!r}: use {word.right}"
        for kind, line, text in parts
        for word in words
        if word.applies(kind, path)
        for match in word.wrong.finditer(text)
        if kind != "whole names" or match.group() == text
    ]


def is_read(path: Path) -> bool:
    top = path.relative_to(ROOT).parts[0]
    if path.suffix == ".json":
        return path.relative_to(ROOT).as_posix().startswith(TEXTS)
    return path.suffix == ".md" or (path.suffix == ".py" and top in FOLDERS)


def test_words_are_those_of_the_list():
    words = read_words(LIST.read_text(encoding="utf-8"))
    found = [
        line
        for path in repository_files()
        if is_read(path)
        for line in findings(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8"), words)
    ]
    assert not found, "\n".join(["", *found])


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("a.py", "def play_film(): pass"),
        ("a.py", "class FilmStore: pass"),
        ("a.py", "film = 1"),
        ("a.py", "def f(film): pass"),
        ("a.py", '"""Play a film."""'),
        ("a.py", "# a Film"),
        ("a.md", "One film."),
        ("a.json", '"clip": "One film."'),
    ],
)
def test_a_word_of_the_list_is_found(path, source):
    (word,) = read_words('[[word]]\nwrong = "films?"\nright = "clip"')
    assert findings(path, source, [word]) == [
        f"{path}:1: {'Film' if '# a' in source else 'film'!r}: use clip"
    ]


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("a.py", 'row["film"]'),
        ("a.py", "filmstrip = 1"),
        ("a.py", '"""Column `film` of ``film.csv``."""'),
        ("a.md", "```\nfilm\n```\nThe key `film`, [page](film.md)."),
        ("legacy/a.md", "film"),
        ("a.json", '"film": "One clip."'),
    ],
)
def test_keys_code_and_exceptions_are_left_alone(path, source):
    words = read_words('[[word]]\nwrong = "films?"\nright = "clip"\nexcept = ["legacy/"]')
    assert findings(path, source, words) == []
