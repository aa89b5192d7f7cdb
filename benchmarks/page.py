"""The page: seconds until it is open, from a dropped clip to its EF, and from a released point to the new EF.

The clip: a phantom of 175 frames, 112 x 112, MJPEG AVI, 50 frames a second, made here; dropped as a file, in Chromium, on a
server of its own. "First" is the first clip after the server has started; its network is loaded meanwhile.

Needs ``pip install "lvef[app,weights]" playwright`` and a Chromium. Run:
``python benchmarks/page.py [--repeats 5] [--out FILE]``.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Browser, Page, sync_playwright

N_FRAMES, RATE = 175, 50.0
"""The median clip of EchoNet-Dynamic."""

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
"""Of Chromium."""

PATIENCE_MS = 60_000


@contextmanager
def serving() -> Iterator[str]:
    """``lvef app`` on a free port; gives its address."""
    command = [sys.executable, "-m", "lvef.cli.main", "app", "--port", "0", "--no-open"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


@contextmanager
def chromium() -> Iterator[Browser]:
    """A Chromium without a window."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        sys.exit("page.py: no Chromium on this machine; install one (apt install chromium).")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=FLAGS)
        yield browser
        browser.close()


def make_clip(path: Path) -> None:
    """Write the clip."""
    from lvef.stores.synthetic_files import write_video
    from lvef.synthesis.phantom.draw import PhantomOptions, draw_phantom
    from lvef.synthesis.phantom.render import render_phantom

    rng = np.random.default_rng(1)
    options = PhantomOptions(ef_percent=55.0, heart_rate_bpm=70.0, frame_rate_hz=RATE, n_frames=N_FRAMES)
    write_video(path, render_phantom(draw_phantom(rng, options, name="clip"), rng))


def open_seconds(browser: Browser, address: str) -> tuple[Page, float]:
    """A new tab on the page and the seconds until its drop zone is there."""
    tab = browser.new_context(viewport={"width": 1366, "height": 900}).new_page()
    began = time.perf_counter()
    tab.goto(address)
    tab.locator("input[type=file]").first.wait_for(state="attached", timeout=PATIENCE_MS)
    tab.get_by_role("heading", level=1).wait_for(timeout=PATIENCE_MS)
    return tab, time.perf_counter() - began


def drop_seconds(tab: Page, clip: Path) -> float:
    """Seconds from dropping the clip until its EF is to be read."""
    if tab.get_by_role("button", name="Forget all").count():
        tab.get_by_role("button", name="Forget all").click()
        tab.locator("p.lvef-ef").wait_for(state="detached", timeout=PATIENCE_MS)
    began = time.perf_counter()
    tab.locator("input[type=file]").first.set_input_files(str(clip))
    tab.locator("p.lvef-ef").wait_for(timeout=PATIENCE_MS)
    return time.perf_counter() - began


def release_seconds(tab: Page, repeats: int) -> list[float]:
    """Seconds from releasing a point of the ED contour until the panel shows the new EF."""
    tab.locator("video").wait_for(timeout=PATIENCE_MS)
    point = tab.locator(".editor").first.locator("[data-handle='4'] .dot")
    point.scroll_into_view_if_needed()
    waits = []
    for _ in range(repeats):
        before = tab.locator(".reader .ef").get_attribute("data-ef")
        box = point.bounding_box()
        assert box is not None
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        tab.mouse.move(x, y)
        tab.mouse.down()
        tab.mouse.move(x - 4, y)
        tab.mouse.move(x - 9, y)
        tab.mouse.up()
        began = time.perf_counter()
        tab.wait_for_function(
            "old => document.querySelector('.reader .ef')?.dataset.ef !== old",
            arg=before,
            polling=10,
            timeout=PATIENCE_MS,
        )
        waits.append(time.perf_counter() - began)
        tab.wait_for_timeout(1000)
    return waits


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--repeats", type=int, default=5, help="times that each later step is done (default: 5)"
    )
    parser.add_argument("--out", type=Path, help="also write the figures as JSON here")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, chromium() as browser, serving() as address:
        clip = Path(folder) / "clip.avi"
        make_clip(clip)
        tab, first_open = open_seconds(browser, address)
        first = drop_seconds(tab, clip)
        later = [drop_seconds(tab, clip) for _ in range(args.repeats)]
        opens = [open_seconds(browser, address)[1] for _ in range(args.repeats)]
        released = release_seconds(tab, args.repeats)
    figures: dict[str, Any] = {
        "first_open_s": first_open,
        "open_s": statistics.median(opens),
        "first_drop_to_ef_s": first,
        "drop_to_ef_s": statistics.median(later),
        "slowest_drop_to_ef_s": max(later),
        "release_to_ef_s": statistics.median(released),
        "repeats": args.repeats,
    }
    for name, value in figures.items():
        print(f"{name:24} {value:.2f}" if isinstance(value, float) else f"{name:24} {value}")
    if args.out is not None:
        args.out.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
