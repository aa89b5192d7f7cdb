"""What the pages say is there: commands, options, links, make targets, modules."""

from __future__ import annotations

import ast
import importlib
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from lvef.cli.main import main
from lvef.core.terms import MEASURING_KINDS
from lvef.inference.card import Card, read_card
from lvef.io.formats import FORMATS
from tests.house import ROOT, markdown_files, shell_lines

PAGES = markdown_files()


def commands(
    group: click.Group, words: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command below a group with the words that call it; groups are gone through, however deep."""
    context = click.Context(group, info_name="lvef")
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, (*words, name))
        else:
            yield (*words, name), command


COMMANDS = dict(commands(main))
COMMON = {"--verbose", "--quiet"}
"""Options of nearly every command, which one page explains."""
UNTOLD = {("demo",), ("info",)}
"""Commands that README shows; their options are told by their help alone."""


def check_lvef(words: list[str]) -> None:
    """The verb, the verbs below it, and each option of a command line exist."""
    command: click.Command = main
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        verb, group = words.pop(0), command
        found = group.get_command(click.Context(group), verb)
        assert found is not None, f"there is no {verb} in lvef {group.name}"
        command = found
    options = {o for p in command.params for o in (*p.opts, *p.secondary_opts)} | {"--help", "-h"}
    for word in words:
        if word in {"|", ">", ">>", "&&", ";"}:
            break
        if word.startswith("--"):
            assert word.split("=")[0] in options, f"there is no option {word}"


def check_line(line: str) -> None:
    """What a page tells the reader to type can be typed."""
    words = shlex.split(line)
    command = words.pop(0)
    if command == "lvef":
        check_lvef(words)
    elif command == "make":
        targets = set(
            re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
        )
        assert {w for w in words if "=" not in w} <= targets
    elif command.endswith("python") and words[0] == "-m" and words[1].startswith("lvef"):
        assert (ROOT / "src").joinpath(*words[1].split(".")).with_suffix(".py").is_file(), words[1]
    elif command.endswith("python") and words[0].endswith(".py"):
        assert (ROOT / words[0]).is_file(), words[0]


def test_commands_exist():
    wrong = []
    for page in PAGES:
        for line in shell_lines(page):
            try:
                check_line(line)
            except AssertionError as error:
                wrong.append(f"{page.relative_to(ROOT)}: {line}: {str(error).splitlines()[0]}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    "line",
    [
        "lvef mesure clip.avi",
        "lvef measure --colour x",
        "lvef data impart camus",
        "lvef data import camus CAMUS --colour x",
        "lvef data prepare soup m.parquet",
        "make cake",
        "python benchmarks/none.py",
    ],
)
def test_a_wrong_command_is_noticed(line):
    with pytest.raises(AssertionError):
        check_line(line)


def test_python_imports_exist():
    wrong = []
    for page in PAGES:
        for block in re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S):
            for node in ast.walk(ast.parse(block)):
                if isinstance(node, ast.ImportFrom):
                    module = importlib.import_module(str(node.module))
                    wrong += [
                        f"{page.relative_to(ROOT)}: {node.module}.{alias.name}"
                        for alias in node.names
                        if not hasattr(module, alias.name)
                    ]
    assert not wrong, "\n".join(wrong)


OF_EARLIER = {"CHANGELOG.md", "EXPERIMENTS.md"}
"""Pages that name modules of earlier versions too."""

MADE_LATER = {"lvef.weights", "lvef.hospital.example"}
"""Names in backticks that are no modules: a group of entry points, a host."""


def names_of_module(path: Path) -> set[str]:
    """What a module defines or imports, and the attributes of its classes as ``Class.attribute``."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            names.add(node.attr)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.isidentifier():
            names.add(node.value)
    return names


def exists(name: str, folder: Path = ROOT / "src") -> bool:
    """Whether a dotted name is a module, or something in one."""
    parts = name.split(".")
    for n in range(len(parts), 0, -1):
        path = folder.joinpath(*parts[:n])
        module = path.with_suffix(".py") if path.with_suffix(".py").is_file() else path / "__init__.py"
        if module.is_file():
            return set(parts[n:]) <= names_of_module(module)
    return False


@pytest.mark.parametrize(
    ("name", "there"),
    [
        ("lvef.core.records", True),
        ("lvef.core.records.Measurement", True),
        ("lvef.core.records.Measurement.tracing", True),
        ("lvef.core.records.Film", False),
        ("lvef.measure.answer", False),
        ("lvef.core.records.Measurement.film", False),
    ],
)
def test_a_wrong_name_is_noticed(name, there):
    assert exists(name) is there


def test_names_in_backticks_exist():
    code = [
        p
        for folder in ("src", "studies", "benchmarks", "docsite", "tests")
        for p in (ROOT / folder).rglob("*.py")
    ]
    wrong = []
    for page in [*(page for page in PAGES if page.name not in OF_EARLIER), *code]:
        text = page.read_text(encoding="utf-8")
        named = set(re.findall(r"(?<!`)`(lvef(?:\.\w+)+)`", text)) - MADE_LATER
        run = set(re.findall(r"python -m ((?:lvef|studies|benchmarks)(?:\.\w+)*)", text))
        wrong += [f"{page.relative_to(ROOT)}: {name}" for name in named if not exists(name)]
        wrong += [
            f"{page.relative_to(ROOT)}: {name}" for name in run if not (exists(name) or exists(name, ROOT))
        ]
    assert not wrong, "\n".join(wrong)


def test_the_walk_of_a_clip_enters_each_package_once():
    page = (ROOT / "docs" / "explanation" / "architecture.md").read_text(encoding="utf-8")
    walk = page.split("## One clip", 1)[1].split("## Where", 1)[0]
    entered = re.findall(r"^\*\*\d+\. `lvef\.(\w+)`", walk, re.M)
    steps = [
        names[0]
        for line in re.findall(r"^\d+\. .*", walk, re.M)
        if (names := re.findall(r"`lvef\.(\w+)\.", line))
    ]
    assert len(entered) == len(set(entered))
    assert list(dict.fromkeys(steps)) == entered


def anchors_of(page: Path) -> set[str]:
    """Anchors of a page's headings, as forges and the site make them."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    found: set[str] = set()
    for heading in re.findall(r"^#+ (.+)$", text, re.M):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").replace("*", "")
        slug = re.sub(r"[^\w\s-]", "", plain.strip().lower())
        found |= {slug.replace(" ", "-"), re.sub(r"[\s-]+", "-", slug).strip("-")}
    return found


def links_of(page: Path) -> list[str]:
    """Targets of a page's links; of a tutorial those of its cells of text."""
    text = page.read_text(encoding="utf-8")
    if page.suffix == ".py":
        text = re.sub(r"^# ?", "", "\n".join(re.findall(r"^#.*$", text, re.M)), flags=re.M)
    text = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
    return re.findall(r"\]\(([^)\s]+)\)", text)


def test_links_and_anchors_lead_somewhere():
    wrong = []
    for page in [*PAGES, *(ROOT / "docs").rglob("*.py")]:
        for link in links_of(page):
            if re.match(r"[a-z]+:", link):
                continue
            path, _, anchor = link.partition("#")
            target = page.parent / path if path else page
            if not target.exists() or (anchor and anchor not in anchors_of(target)):
                wrong.append(f"{page.relative_to(ROOT)}: {link}")
    assert not wrong, "\n".join(wrong)


def external_row(card: Card) -> str:
    """The line of a model on the page about accuracy: external metrics, then in-domain ones, as its card has them."""
    outside = {f.name: f for f in card.external if f.split == "clips of another hospital"}
    inside = {f.name: f for f in card.figures}
    name = f"`{card.name}` {card.version}" + (", **experimental**" if card.experimental else "")
    cells = [name, *["not measured"] * 4]
    if "ef_mae" in outside:
        mae, bias, r = (outside[key] for key in ("ef_mae", "ef_bias", "ef_r"))
        cells[1:] = [f"{mae.value:.1f}", f"{bias.value:+.1f}", f"{r.value:.2f}".lstrip("0"), str(mae.n)]
    for key in ("ef_mae_a4c", "ef_mae_moving_stills"):
        f = inside.get(key)
        cells.append("-" if f is None else f"{f.value:.1f} ({f.low:.1f}-{f.high:.1f}), n = {f.n}")
    return f"| {' | '.join(cells)} |"


def test_the_models_of_the_page_about_accuracy_are_those_of_the_cards():
    """Figures on other hospitals' clips stand before those in-domain, and experimental networks are called so."""
    page = (ROOT / "docs" / "explanation" / "accuracy.md").read_text(encoding="utf-8")
    shipped = sorted((ROOT / "weights" / "lvef-weights-camus" / "src").glob("*/*/card.json"))
    cards = [read_card(path.parent) for path in shipped]
    rows = [external_row(card) for card in cards if card.kind in MEASURING_KINDS]
    found = [line for line in page.splitlines() if re.match(r"\| `[\w-]+` \d", line)]
    assert rows and sorted(found) == sorted(rows)
    first, then = (
        page.index(f"\n## {words}") for words in ("On clips of another", "On patients of the training")
    )
    assert first < page.index(rows[0]) < then


def test_the_errors_in_readme_are_those_of_the_card():
    card = read_card(ROOT / "weights/lvef-weights-camus/src/lvef_weights_camus/camus-seg")
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    accuracy = (ROOT / "docs" / "explanation" / "accuracy.md").read_text(encoding="utf-8")
    assert f"`{card.name}` {card.version}, mean absolute error" in text
    rows = {
        **{f"{f.split.split(',')[0]}": f for f in card.external if f.name == "ef_mae"},
        **{f.name: f for f in card.figures if f.name in ("ef_mae_a4c", "ef_mae_a2c")},
    }
    assert {"phantoms", "animated stills", "ef_mae_a4c", "ef_mae_a2c"} <= set(rows)
    for figure in rows.values():
        shown = f"{figure.value:.1f} ({figure.low:.1f}-{figure.high:.1f})"
        assert shown in text and shown in accuracy, shown
        assert f"{figure.trivial:.1f}" in text, figure


def test_the_networks_of_the_weights_page_are_marked():
    folder = ROOT / "weights" / "lvef-weights-camus"
    lines = (folder / "README.md").read_text(encoding="utf-8").splitlines()
    for path in (folder / "src").glob("*/*/card.json"):
        card = read_card(path.parent)
        [row] = [line for line in lines if line.startswith(f"| `{card.name}`")]
        assert ("**experimental**" in row) is card.experimental, card.name


def shows(page: Path, words: tuple[str, ...]) -> bool:
    """Whether a page tells the reader to type that command."""
    line = " ".join(("lvef", *words))
    return any(f"{shown} ".startswith(f"{line} ") for shown in shell_lines(page))


def test_every_command_and_option_is_documented():
    wrong = []
    for words, command in COMMANDS.items():
        showing = [p for p in PAGES if shows(p, words)]
        if not showing:
            wrong.append(f"lvef {' '.join(words)}: on no page")
        if words in UNTOLD:
            continue
        how_to = [p for p in showing if (ROOT / "docs" / "how-to") in p.parents]
        said = {o for page in how_to for o in re.findall(r"--[\w-]+", page.read_text(encoding="utf-8"))}
        options = [
            {*p.opts, *p.secondary_opts}
            for p in command.params
            if isinstance(p, click.Option) and not COMMON & set(p.opts)
        ]
        wrong += [f"lvef {' '.join(words)}: {' '.join(sorted(o))}" for o in options if not o & said]
    assert not wrong, "\n".join(wrong)


def test_common_options_have_one_page():
    page = (ROOT / "docs" / "how-to" / "command-line.md").read_text(encoding="utf-8")
    assert all(f"`{option}`" in page for option in COMMON)


def test_outputs_have_one_option_everywhere():
    outs = {words: p.opts for words, command in COMMANDS.items() for p in command.params if "--out" in p.opts}
    assert len(outs) > 10
    assert not {words for words, options in outs.items() if "-o" not in options}


def test_every_page_is_reached_from_the_index():
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    docs = ROOT / "docs"
    found = [*(p for p in PAGES if docs in p.parents), *docs.rglob("*.py")]
    pages = [p.relative_to(docs).as_posix() for p in found]
    assert not [p for p in pages if p != "index.md" and f"({p})" not in index]


def test_decisions_are_numbered_without_gaps():
    names = sorted(p.name for p in (ROOT / "docs" / "decisions").glob("*.md"))
    assert [int(n[:4]) for n in names] == list(range(1, len(names) + 1))


def test_the_intended_use_is_said_once_and_plainly():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert text.lower().count("not a medical device") == 1


def test_nothing_is_left_to_fill_in():
    assert not [p for p in PAGES if "TODO" in p.read_text(encoding="utf-8")]


@pytest.mark.parametrize("page", ["docs/how-to/measure.md", "docs/how-to/web-page.md"])
def test_pages_name_every_format_of_clips(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    labels = {
        label
        for one in FORMATS
        if one.family in ("video", "dicom") or one.animated
        for label in one.label.split(", ")
    }
    assert not {label for label in labels if label not in text}
