"""Images of every page for docs/images/page: laptop and tablet, light and dark, of pydicom's cine and phantoms only.

Needs ``pip install "lvef[app,weights]" playwright`` and a Chromium. Run:
``python benchmarks/screenshots.py [--out docs/images/page] [--only video]``.
"""

from __future__ import annotations

import argparse
import io
import sys
from pathlib import Path

import numpy as np
from page import PATIENCE_MS, chromium, serving
from PIL import Image
from playwright.sync_api import Browser, Page

SIZES = {"laptop": (1366, 1500), "tablet": (820, 1700)}
"""Width and greatest height of an image in pixels."""

PAGES: dict[str, tuple[str, str, str]] = {
    "video": ("", "Synthetic phantom, EF known", "video"),
    "correct": ("", "Real echo", ".editor [data-handle='14']"),
    "images": ("images", "Stills of a synthetic phantom", ".editor [data-handle='14']"),
    "study": ("study", "Both views of a synthetic phantom", ".editor [data-handle='14']"),
    "compare": ("compare", "Real echo", ".drawing svg"),
    "about": ("about", "", ".lvef-text"),
}
"""Name of the image -> path, the button of the sample, what to wait for."""

MOST_BYTES = 250_000
"""Largest image."""

GROUNDS, GREYS = 32, 112
"""Places in an image's palette for its commonest colours as they are, and for the greys of echo and text; what is left goes
to coloured lines, which else were lost."""


def take(browser: Browser, address: str, name: str, size: str, scheme: str) -> bytes:
    """One image as PNG."""
    path, sample, wanted = PAGES[name]
    width, height = SIZES[size]
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)  # type: ignore[arg-type]
    tab = context.new_page()
    tab.goto(address + path)
    tab.get_by_role("heading", level=1).wait_for(timeout=PATIENCE_MS)
    if sample:
        tab.get_by_role("button", name=sample).click()
    tab.locator(wanted).first.wait_for(timeout=PATIENCE_MS)
    tab.mouse.move(2, height - 2)
    _settle(tab)
    if name == "correct":
        heading = tab.get_by_role("heading", name="Correction")
        heading.evaluate("e => e.scrollIntoView({block: 'start'})")
        tab.mouse.move(2, 300)
        tab.wait_for_timeout(600)
    needed = int(tab.evaluate("() => document.querySelector('.lvef-foot').getBoundingClientRect().bottom"))
    if needed + 40 < height:
        tab.set_viewport_size({"width": width, "height": needed + 40})
        tab.wait_for_timeout(400)
    data = tab.screenshot()
    context.close()
    return data


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
        "--out", type=Path, default=Path("docs/images/page"), help="folder (default: docs/images/page)"
    )
    parser.add_argument("--only", choices=PAGES, help="only this page")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    too_large = []
    with chromium() as browser, serving() as address:
        for name in [args.only] if args.only else PAGES:
            for size in SIZES:
                for scheme in ("light", "dark"):
                    data = small(take(browser, address, name, size, scheme))
                    path = args.out / f"{name}-{size}-{scheme}.png"
                    path.write_bytes(data)
                    print(f"{path}  {len(data) // 1000} KB")
                    if len(data) > MOST_BYTES:
                        too_large.append(path.name)
    if too_large:
        sys.exit(f"screenshots.py: larger than {MOST_BYTES} bytes: {', '.join(too_large)}.")


def _settle(tab: Page) -> None:
    """Wait until the page has stopped working and the sample is drawn."""
    tab.locator("[data-testid='stStatusWidget']").wait_for(state="detached", timeout=PATIENCE_MS)
    tab.wait_for_timeout(1500)


if __name__ == "__main__":
    main()
