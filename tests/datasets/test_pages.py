"""Tables of the pages on collections say what the code says."""

from __future__ import annotations

from lvef.datasets.manifest import COLUMNS, Column
from lvef.datasets.readers.folder import SPELLINGS
from lvef.datasets.registry import READERS, find_reader
from tests.house import ROOT

KINDS = {"text": "text", "whole": "whole number", "number": "number"}


def columns_table() -> str:
    """The table of `docs/reference/manifest.md`; print it to renew the page."""
    rows = [f"| `{c.name}` | {KINDS[c.kind]} | {allowed(c)} | {c.meaning} |" for c in COLUMNS]
    return "\n".join(["| column | holds | allowed | meaning |", "|---|---|---|---|", *rows]) + "\n"


def allowed(column: Column) -> str:
    """What a column may hold, in a few words."""
    parts = ["never empty"] if column.required else []
    if column.allowed:
        parts.append(", ".join(f"`{word}`" for word in column.allowed))
    if column.low is not None:
        parts.append(
            f"{column.low:g} to {column.high:g}" if column.high is not None else f"from {column.low:g}"
        )
    return "; ".join(parts)


def spellings_table() -> str:
    """The rows of the table of spellings in `docs/how-to/datasets.md`."""
    return "\n".join(f"| `{name}` | {', '.join(titles)} |" for name, titles in SPELLINGS.items()) + "\n"


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def test_the_manifests_page_lists_the_schema():
    assert columns_table() in page("reference/manifest.md")


def test_the_how_to_lists_the_spellings():
    assert spellings_table() in page("how-to/datasets.md")


def test_every_collection_has_its_command():
    text = page("how-to/datasets.md")
    assert [n for n in READERS if f"lvef data import {n} " not in text] == []


def test_collections_without_ef_are_named_as_such():
    public = [find_reader(n) for n in READERS if n not in {"folder", "dicom"}]
    [row] = [line for line in page("explanation/datasets.md").splitlines() if line.startswith("| **EF** |")]
    cells = [cell.strip() for cell in row.strip("|").split("|")][1:]
    assert [cell.startswith("**yes**") for cell in cells] == [c.has_ef for c in public]
