"""Images of every state of the page: laptop, tablet and desktop, light and dark, of pydicom's cine and phantoms only.

Needs ``pip install "lvef[app,weights]" playwright`` and a Chromium. Run:
``python benchmarks/screenshots.py [--out out/screenshots] [--only result-cine] [--docs]``. With ``--docs`` the few images of
the documentation are written to docs/images/page, as PNGs with a palette.
"""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from page import PATIENCE_MS, chromium, hook, serving
from PIL import Image
from playwright.sync_api import Browser, Page

SIZES = {"laptop": (1366, 768), "tablet": (820, 1180), "desktop": (1920, 1080)}

DOCS = (
    "start",
    "result-cine",
    "correct-reader",
    "batch-table",
    "study",
    "compare",
)
"""States in docs/images/page, at laptop size in light and dark, and on a tablet in light."""

NEEDED = ("result-phantom", "refused", "result-cine")
"""States whose clips others show too."""

MOST_BYTES = 250_000
"""Largest image of the documentation."""

GROUNDS, GREYS = 32, 112
"""Places in an image's palette for its commonest colours as they are, and for the greys of echo and text; what is left goes
to coloured lines, which else were lost."""


class Visit:
    """One visitor who goes through the states; each method brings the page into one."""

    def __init__(self, tab: Page, address: str, folder: Path) -> None:
        self.tab = tab
        self.address = address
        self.folder = folder
        self.ids: dict[str, str] = {}

    def states(self) -> dict[str, Callable[[], None]]:
        """Name of a state -> what brings the page into it, in an order that works."""
        return {
            "start": lambda: self.go("#/"),
            "start-stills": self.start_stills,
            "running": self.running,
            "result-long-cine": self.result_long,
            "result-phantom": lambda: self.result("phantom"),
            "result-stills": lambda: self.result("stills"),
            "refused": self.refused,
            "study": lambda: self.result("study"),
            "result-cine": lambda: self.result("cine"),
            "result-beats": lambda: self.panel("beats"),
            "result-quality": lambda: self.panel("quality"),
            "files": self.files,
            "settings": self.settings,
            "shortcuts": self.shortcuts,
            "add": self.add,
            "scale": self.scale,
            "correct": lambda: self.correct("cine"),
            "correct-reader": self.correct_reader,
            "result-reader": lambda: self.show("cine"),
            "correct-study": lambda: self.correct("study"),
            "batch-list": self.batch_list,
            "batch-table": self.batch_table,
            "compare": self.compare,
            "about": self.about,
            "forget": self.forget,
        }

    def go(self, route: str) -> None:
        """A route, with nothing open."""
        self.tab.keyboard.press("Escape")
        self.tab.evaluate("route => { location.hash = route; }", route)
        self.tab.locator("main").wait_for()

    def fetched(self, path: str, method: str = "GET") -> dict:
        """What the server replies to the visitor."""
        return self.tab.evaluate(
            """async ([path, method]) => {
                const options = method === "GET" ? {} : {method, headers: {"Content-Type": "application/json"}, body: "{}"};
                return (await fetch(new URL(path, document.baseURI), options)).json();
            }""",
            [path, method],
        )

    def add_sample(self, name: str) -> str:
        """Measure a sample; the page hears of it at once."""
        found = self.fetched(f"api/samples/{name}", "POST")["id"]
        self.tab.evaluate("() => window.dispatchEvent(new Event('online'))")
        self.tab.wait_for_timeout(1000)
        return found

    def show(self, name: str) -> None:
        """The result of a sample that is measured already, or is now."""
        if name not in self.ids:
            self.ids[name] = self.add_sample(name)
        self.go(f"#/item/{self.ids[name]}")
        self.tab.locator(".ef-number:visible").wait_for(timeout=PATIENCE_MS)
        self.tab.locator(".v-pane .v-stage:visible").first.wait_for(timeout=PATIENCE_MS)
        self.tab.wait_for_timeout(700)

    def result(self, name: str) -> None:
        """As `show`, at its first frames."""
        self.show(name)

    def start_stills(self) -> None:
        """The start page for two stills."""
        self.go("#/")
        hook(self.tab, "kind-stills").first.check(force=True)

    def running(self) -> None:
        """A clip that is being measured."""
        self.ids["long-cine"] = self.add_sample("long-cine")
        self.go(f"#/item/{self.ids['long-cine']}")
        self.tab.locator("progress").wait_for(timeout=PATIENCE_MS)
        self.tab.wait_for_function("() => document.querySelector('progress')?.value > 5", timeout=PATIENCE_MS)

    def result_long(self) -> None:
        """The long cine."""
        self.show("long-cine")

    def refused(self) -> None:
        """A clip that is refused: noise without a heart."""
        if "refused" not in self.ids:
            from lvef.io.avi import encode_motion_jpeg

            rng = np.random.default_rng(0)
            path = self.folder / "noise.avi"
            path.write_bytes(encode_motion_jpeg(rng.integers(0, 255, (40, 240, 320), dtype=np.uint8), 30.0))
            with self.tab.expect_file_chooser() as chooser:
                self.add()
                hook(self.tab, "choose").last.click()
            chooser.value.set_files(str(path))
            while True:
                items = self.fetched("api/items")["items"]
                found = [item for item in items if item["name"] == "noise.avi"]
                if found and found[0]["state"] not in ("queued", "running"):
                    break
                self.tab.wait_for_timeout(300)
            self.ids["refused"] = found[0]["id"]
        self.go(f"#/item/{self.ids['refused']}")
        self.tab.locator(".refusal-reason:visible").wait_for(timeout=PATIENCE_MS)

    def panel(self, name: str) -> None:
        """A tab of the result."""
        self.show("cine")
        hook(self.tab, f"tab-{name}").click()
        hook(self.tab, f"tab-{name}").scroll_into_view_if_needed()

    def files(self) -> None:
        """The menu of files."""
        self.show("cine")
        hook(self.tab, "tab-values").click()
        hook(self.tab, "files").click()

    def settings(self) -> None:
        """The settings."""
        self.show("cine")
        hook(self.tab, "settings").click()
        self.tab.locator("dialog[open]").wait_for()

    def shortcuts(self) -> None:
        """The keyboard shortcuts."""
        self.show("cine")
        self.tab.keyboard.press("?")
        self.tab.locator("dialog[open]").wait_for()

    def add(self) -> None:
        """The dialog that adds files."""
        self.tab.keyboard.press("Escape")
        hook(self.tab, "add").click()
        self.tab.locator("dialog[open]").wait_for()

    def scale(self) -> None:
        """The scale of a clip without millimetres."""
        self.show("phantom")
        if hook(self.tab, "scale").count():
            hook(self.tab, "scale").click()
            self.tab.locator("dialog svg.ruler").wait_for(timeout=PATIENCE_MS)

    def correct(self, name: str) -> None:
        """The editors."""
        self.show(name)
        self.tab.evaluate("() => { location.hash = location.hash.replace(/\\/correct$/, '') + '/correct'; }")
        self.tab.locator(".v-pane.v-es .v-handle:visible").first.wait_for(timeout=PATIENCE_MS)
        self.tab.wait_for_timeout(400)

    def correct_reader(self) -> None:
        """The editors after a change by the reader."""
        self.correct("cine")
        point = self.tab.locator('.v-pane.v-ed .v-handle[data-point="4"]')
        point.scroll_into_view_if_needed()
        box = point.bounding_box()
        assert box is not None
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        self.tab.mouse.move(x, y)
        self.tab.mouse.down()
        for step in range(1, 7):
            self.tab.mouse.move(x - 3 * step, y)
        self.tab.mouse.up()
        self.tab.locator(".ef-number:not(.live)").wait_for(timeout=PATIENCE_MS)
        self.tab.locator(".ef-model").wait_for(timeout=PATIENCE_MS)

    def batch_list(self) -> None:
        """Several items, the list open."""
        self.show("cine")
        collapse = hook(self.tab, "collapse")
        if collapse.count() and collapse.get_attribute("aria-expanded") == "false":
            collapse.click()

    def batch_table(self) -> None:
        """The table of all."""
        self.go("#/batch")
        self.tab.locator("table:visible").wait_for(timeout=PATIENCE_MS)

    def compare(self) -> None:
        """All models on the cine."""
        self.go(f"#/compare/{self.ids['cine']}")
        self.tab.locator("table.models").wait_for(timeout=PATIENCE_MS)
        while self.fetched(f"api/items/{self.ids['cine']}/compare")["state"] != "done":
            self.tab.wait_for_timeout(500)
        self.tab.locator(".contours figure").first.wait_for(timeout=PATIENCE_MS)

    def about(self) -> None:
        """About."""
        self.go("#/about")
        self.tab.locator(".about-page h2").wait_for(timeout=PATIENCE_MS)

    def forget(self) -> None:
        """The question before everything is forgotten."""
        hook(self.tab, "forget-all").click()
        self.tab.locator("dialog[open]").wait_for()


def shots(browser: Browser, address: str, folder: Path, states: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    """Name and PNG of each of these states, in every size and scheme."""
    context = browser.new_context(viewport={"width": 1366, "height": 768})
    tab = context.new_page()
    tab.goto(address)
    hook(tab, "choose").wait_for(timeout=PATIENCE_MS)
    visit = Visit(tab, address, folder)
    for state, bring in visit.states().items():
        if state not in states and state not in NEEDED:
            continue
        try:
            tab.set_viewport_size({"width": 1366, "height": 768})
            bring()
        except Exception as error:  # noqa: BLE001
            print(f"{state}: not reached: {str(error).splitlines()[0]}", file=sys.stderr)
            continue
        for size, (width, height) in SIZES.items() if state in states else ():
            tab.set_viewport_size({"width": width, "height": height})
            tab.mouse.move(2, height - 2)
            for scheme in ("light", "dark"):
                tab.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
                tab.wait_for_timeout(350)
                yield f"{state}-{size}-{scheme}", tab.screenshot()
    context.close()


def small(data: bytes) -> bytes:
    """A PNG with a palette in which grounds, echo and the few coloured lines each have places of their own."""
    pixels = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    colours, counts = np.unique(pixels.reshape(-1, 3), axis=0, return_counts=True)
    palettes = [colours[np.argsort(counts)[-GROUNDS:]]]
    coloured = np.ptp(pixels.astype(int), axis=2) > 24
    ways = (
        (pixels[~coloured], GREYS, Image.Quantize.MEDIANCUT),
        (pixels[coloured], 256 - GREYS - GROUNDS, Image.Quantize.MAXCOVERAGE),
    )
    for part, count, method in ways:
        if len(part):
            strip = Image.fromarray(part[None]).quantize(count, method=method)
            palettes.append(np.asarray(strip.getpalette()).reshape(-1, 3)[:count])
    palette = Image.new("P", (1, 1))
    palette.putpalette(np.concatenate(palettes).astype(np.uint8).tobytes())
    packed = io.BytesIO()
    Image.fromarray(pixels).quantize(palette=palette, dither=Image.Dither.NONE).save(
        packed, "PNG", optimize=True
    )
    return packed.getvalue()


def main() -> None:
    """Take all images."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--out", type=Path, default=Path("out/screenshots"), help="folder (default: out/screenshots)"
    )
    parser.add_argument("--only", default="", help="only states whose name begins so")
    parser.add_argument(
        "--docs", action="store_true", help="write the few of the documentation to docs/images/page"
    )
    args = parser.parse_args()
    out = Path("docs/images/page") if args.docs else args.out
    out.mkdir(parents=True, exist_ok=True)
    known = list(Visit(None, "", Path()).states())  # type: ignore[arg-type]
    states = DOCS if args.docs else [name for name in known if name.startswith(args.only)]
    wanted = {f"{s}-{z}" for s in DOCS for z in ("laptop-light", "laptop-dark", "tablet-light")}
    too_large = []
    with tempfile.TemporaryDirectory() as folder, chromium() as browser, serving() as address:
        for name, data in shots(browser, address, Path(folder), states):
            if args.docs:
                if name not in wanted:
                    continue
                data = small(data)
                if len(data) > MOST_BYTES:
                    too_large.append(name)
            (out / f"{name}.png").write_bytes(data)
            print(f"{out / name}.png  {len(data) // 1000} kB")
    if too_large:
        sys.exit(f"screenshots.py: larger than {MOST_BYTES} bytes: {', '.join(too_large)}.")


if __name__ == "__main__":
    main()
