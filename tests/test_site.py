"""The documentation site: pages have their place, public names their entry, and the check of built pages finds faults."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterator

import pytest
import yaml

import lvef
from docsite.check import faults_of_site
from docsite.commands import command_pages, every_command
from docsite.model_cards import card_page, card_table, cards
from docsite.pages import markers, pages, rewrite_links
from lvef.cli.main import main
from tests.house import ROOT, SOURCE

CONFIG = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
API = ROOT / "docs" / "reference" / "api"
ENTRIES = [
    name
    for page in sorted(API.glob("*.md"))
    for name in re.findall(r"^::: ([\w.]+)$", page.read_text(encoding="utf-8"), re.M)
]


def navigated(part: object) -> Iterator[str]:
    """Pages that the navigation names."""
    if isinstance(part, str):
        yield part
    elif isinstance(part, dict):
        for value in part.values():
            yield from navigated(value)
    elif isinstance(part, list):
        for value in part:
            yield from navigated(value)


def documented(name: str) -> object:
    """The module or object of an entry."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        module, _, attribute = name.rpartition(".")
        return getattr(importlib.import_module(module), attribute)


def public_members(entry: object) -> Iterator[tuple[str, object]]:
    """What an entry shows: of a module its functions and classes, of a class its methods too."""
    if inspect.ismodule(entry):
        for name, value in vars(entry).items():
            ours = getattr(value, "__module__", None) == entry.__name__
            if ours and not name.startswith("_") and (inspect.isfunction(value) or inspect.isclass(value)):
                yield from public_members(value)
    elif inspect.isclass(entry):
        yield entry.__qualname__, entry
        for name, value in vars(entry).items():
            if inspect.isfunction(value) and not name.startswith("_"):
                yield f"{entry.__qualname__}.{name}", value
    else:
        yield entry.__qualname__, entry


def test_every_page_has_its_place_in_the_navigation():
    wanted = [*pages().values(), *(f"reference/models/{card.name}.md" for card in cards())]
    found = list(navigated(CONFIG["nav"]))
    assert sorted(found) == sorted(wanted)


def test_every_public_name_has_an_entry():
    public = {"lvef.api.measure", *(f"{lvef._MODULES[n]}.{n}" for n in lvef.__all__ if n in lvef._MODULES)}
    assert set(lvef.__all__) == {name.rpartition(".")[2] for name in public}
    modules = {
        f"lvef.{package}.{path.stem}"
        for package in ("geometry", "stats")
        for path in (SOURCE / package).glob("[!_]*.py")
    }
    assert public | modules <= set(ENTRIES)
    assert len(ENTRIES) == len(set(ENTRIES))


@pytest.mark.parametrize("name", ENTRIES)
def test_an_entry_explains_parameters_and_result(name):
    wrong = []
    for label, member in public_members(documented(name)):
        text = inspect.getdoc(member) or ""
        if not text:
            wrong.append(f"{label}: no docstring")
        if not inspect.isfunction(member):
            continue
        parameters = [p for p in inspect.signature(member).parameters if p not in {"self", "cls"}]
        described = re.findall(r"^    \*{0,2}(\w+):", text, re.M)
        # One obvious parameter may be explained by the first sentence.
        if len(parameters) > 1 and (missing := [p for p in parameters if p not in described]):
            wrong.append(f"{label}: no word on {', '.join(missing)}")
    assert not wrong, "\n".join(wrong)


def test_generated_parts_have_their_places():
    assert set(markers()) == {"commands", "models", "schema"}


def test_the_command_reference_has_every_command_and_option():
    text = command_pages(main)
    commands = list(every_command(main))
    assert len(commands) > 15
    for words, context in commands:
        section = text.split(f"## {' '.join(words)}\n", 1)[1].split("\n## ", 1)[0]
        assert section.startswith("\n```text\nlvef ")
        options = {o for p in context.command.params for o in p.opts if o.startswith("--")}
        assert options <= set(re.findall(r"--[\w-]+", section)), words


@pytest.mark.parametrize("card", cards(), ids=lambda card: card.name)
def test_a_model_card_shows_external_metrics_first_and_limits(card):
    page = card_page(card)
    external, inside, limits = (page.index(f"\n## {t}") for t in ("External", "In-domain", "Limits"))
    assert external < inside < limits
    assert card.model_sha256 in page and card.training.citation in page
    assert all(f"`{f.name}`" in page for f in (*card.external, *card.figures))
    assert all(limit in page[limits:] for limit in card.limits)
    assert ("Experimental" in page) is card.experimental
    assert f"(models/{card.name}.md)" in card_table()


def test_links_are_rewritten(tmp_path):
    text = (
        "[a](../../README.md#accuracy) [b](../how-to/measure.md) [c](../../LICENSE) [d](../../recipes) "
        "[e](https://example.org) [f](../tutorials/measure-a-clip.py)\n```\n[g](../../README.md)\n```\n"
    )
    assert rewrite_links(text, "docs/explanation/limits.md", tmp_path) == (
        "[a](../readme.md#accuracy) [b](../how-to/measure.md) [c](../files/LICENSE.txt) d "
        "[e](https://example.org) [f](../tutorials/measure-a-clip.md)\n```\n[g](../../README.md)\n```\n"
    )
    assert (tmp_path / "files" / "LICENSE.txt").read_bytes() == (ROOT / "LICENSE").read_bytes()


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ('<a href="b.html#here">x</a><a href="#top">x</a><p id="top">', None),
        ('<a href="https://example.org">x</a>', None),
        ('<a href="c.html">x</a>', "a.html: c.html: no such file"),
        ('<a href="b.html#there">x</a>', "a.html: b.html#there: no such anchor"),
        ('<img src="missing.png">', "a.html: missing.png: no such file"),
        (
            '<script src="https://cdn.example/x.js"></script>',
            "a.html: loads https://cdn.example/x.js",
        ),
        (
            '<link rel="stylesheet" href="//fonts.example/css">',
            "a.html: loads //fonts.example/css",
        ),
    ],
)
def test_faults_of_a_built_page_are_found(tmp_path, body, fault):
    (tmp_path / "a.html").write_text(body)
    (tmp_path / "b.html").write_text('<h2 id="here">x</h2>')
    assert faults_of_site(tmp_path) == ([] if fault is None else [fault])


def test_a_style_sheet_that_loads_a_font_is_found(tmp_path):
    (tmp_path / "a.css").write_text("@import url('https://fonts.example/a.css');")
    assert faults_of_site(tmp_path) == ["a.css: loads https://fonts.example/a.css"]


def test_the_site_asks_for_no_fonts():
    assert CONFIG["theme"]["font"] is False
    assert set(CONFIG["plugins"][1]) == {"mkdocstrings"}
    assert CONFIG["plugins"][0] == "search"
