"""The built site, checked: every link and anchor leads somewhere, and no page loads anything from elsewhere."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

_LOADS = {"src", "srcset", "poster", "data"}


class _Page(HTMLParser):
    """Anchors, links, and addresses that a browser loads by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loads: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.anchors |= {values[name] for name in ("id", "name") if name in values and tag != "meta"}
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        elif tag == "link" and values.get("rel") not in {"canonical", "prev", "next"}:
            self.loads.append(values.get("href", ""))
        self.loads += [values[name] for name in _LOADS if name in values]


def faults_of_site(site: Path) -> list[str]:
    """What is wrong with a built site, one line each; empty where all is well.

    Args:
        site: Folder with the HTML pages.
    """
    read = {path.resolve(): _read(path) for path in sorted(site.rglob("*.html"))}
    faults = []
    for path, page in read.items():
        name = path.relative_to(site.resolve())
        faults += [f"{name}: loads {address}" for address in page.loads if _is_elsewhere(address)]
        if path.name == "404.html":  # served under any address
            continue
        for link in [*page.links, *page.loads]:
            if not re.match(r"[a-z]+:|//", link) and (fault := _fault(link, path, read)):
                faults.append(f"{name}: {link}: {fault}")
    for path in sorted(site.rglob("*.css")):
        found = re.findall(r"url\(\s*[\"']?((?:https?:)?//[^)\"']+)", path.read_text(encoding="utf-8"))
        faults += [f"{path.relative_to(site)}: loads {address}" for address in found]
    return faults


def _read(path: Path) -> _Page:
    page = _Page()
    page.feed(path.read_text(encoding="utf-8"))
    return page


def _is_elsewhere(address: str) -> bool:
    return re.match(r"(https?:)?//", address) is not None


def _fault(link: str, path: Path, read: dict[Path, _Page]) -> str:
    target, _, anchor = unquote(link).partition("#")
    target = target.partition("?")[0]
    file = (path.parent / target).resolve() if target else path
    if file.is_dir():
        file /= "index.html"
    if not file.is_file():
        return "no such file"
    if anchor and file in read and anchor not in read[file].anchors and not anchor.startswith("__"):
        return "no such anchor"
    return ""
