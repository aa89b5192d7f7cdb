"""Pages of the repository -> pages of the site: where each lies, and its links."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parents[1]
"""The repository."""

DOCS = ROOT / "docs"
"""Pages written by hand."""

TOP_PAGES = {
    "README.md": "readme.md",
    "CHANGELOG.md": "changelog.md",
    "EXPERIMENTS.md": "experiments.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "benchmarks/README.md": "benchmarks.md",
    "weights/lvef-weights-camus/README.md": "weights.md",
}
"""Pages outside of ``docs/``, and where the site has them."""

MARKER = re.compile(r"^<!-- site: ([a-z-]+) -->$", re.M)
"""A line of a page that generated text replaces."""

_LINK = re.compile(r"(!?\[[^\]]*\]\()([^)\s]+)(\))")
_CODE = re.compile(r"^```.*?^```", re.M | re.S)


def pages() -> dict[str, str]:
    """Page of the repository -> page of the site, both with forward slashes. Scripts become pages."""
    found = dict(TOP_PAGES)
    for path in sorted(DOCS.rglob("*")):
        inside = path.relative_to(DOCS).as_posix()
        if path.suffix == ".md":
            found[f"docs/{inside}"] = inside
        elif path.suffix == ".py":
            found[f"docs/{inside}"] = str(PurePosixPath(inside).with_suffix(".md"))
    return found


def markers() -> dict[str, str]:
    """Name of each generated part -> page of the repository that has it."""
    return {
        name: page
        for page in pages()
        if page.endswith(".md")
        for name in MARKER.findall((ROOT / page).read_text(encoding="utf-8"))
    }


def stage(out: Path, generated: dict[str, str]) -> None:
    """Copy pages and images into ``out``, with links as the site needs them.

    Args:
        out: Folder of the site's sources.
        generated: Text for each of `markers`.
    """
    shutil.copytree(DOCS / "images", out / "images")
    shutil.copytree(DOCS / "stylesheets", out / "stylesheets")
    for page, target in pages().items():
        if page.endswith(".md"):
            text = rewrite_links((ROOT / page).read_text(encoding="utf-8"), page, out)
            write(out / target, MARKER.sub(lambda match: generated[match[1]], text))


def write(path: Path, text: str) -> None:
    """Write a text file, and its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def rewrite_links(text: str, page: str, out: Path) -> str:
    """A page's Markdown with its links as the site needs them; files that are no pages are copied into ``files/``.

    Args:
        text: Markdown.
        page: Path of the page in the repository.
        out: Folder of the site's sources.
    """
    blocks: list[str] = []

    def keep(match: re.Match[str]) -> str:
        blocks.append(match[0])
        return f"\0{len(blocks) - 1}\0"

    known = pages()
    here = PurePosixPath(known[page]).parent
    text = _LINK.sub(lambda match: _rewritten(match, page, here, known, out), _CODE.sub(keep, text))
    return re.sub(r"\0(\d+)\0", lambda match: blocks[int(match[1])], text)


def _rewritten(match: re.Match[str], page: str, here: PurePosixPath, known: dict[str, str], out: Path) -> str:
    path, hash_sign, anchor = match[2].partition("#")
    if not path or re.match(r"[a-z]+:", path):
        return match[0]
    source = Path(os.path.normpath(ROOT / Path(page).parent / path))
    name = source.relative_to(ROOT).as_posix()
    if source.is_dir():
        return match[1].removesuffix("](").removeprefix("[")
    target = known.get(name)
    if target is None and name.startswith("docs/images/"):
        target = name.removeprefix("docs/")
    if target is None:
        target = f"files/{name}" + ("" if source.suffix else ".txt")
        (out / target).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, out / target)
    return f"{match[1]}{os.path.relpath(target, here)}{hash_sign}{anchor}{match[3]}"
