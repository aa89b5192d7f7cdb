"""The page: seconds until it is open, from a dropped clip to its EF, from a released point to the new EF; dragging.

The clip: a phantom of 175 frames, 112 x 112, MJPEG AVI, 50 frames a second, made here; dropped as a file, in Chromium, on a
server of its own. "First" is the first clip after the server has started; its network is loaded meanwhile. Dragging is done
on pydicom's cine. Beside each figure stands that of the former page, made with Streamlit, on two bf16 cores, and how many
times as fast the page is now.

With ``--against REVISION`` only the first drop is measured, on servers of that revision and of this tree by turns, as the
ratio within each pair; ``--pause`` is the time for which a visitor looks for the file.

Needs ``pip install "lvef[app,weights]" playwright`` and a Chromium. Run:
``python benchmarks/page.py [--repeats 5] [--out FILE] [--against REVISION [--pause SECONDS]]``.
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
from playwright.sync_api import Browser, Locator, Page, sync_playwright
from revisions import unpack

N_FRAMES, RATE = 175, 50.0
"""The median clip of EchoNet-Dynamic."""

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
"""Of Chromium."""

VIEWPORT = {"width": 1366, "height": 768}

PATIENCE_MS = 60_000

BEFORE = {"first_open_s": 1.86, "open_s": 1.90, "drop_to_ef_s": 1.52, "release_to_ef_s": 0.107}
"""Medians of the former page, by the same steps."""

WATCH = """() => {
    const seen = window.seen = {moves: [], frames: [], efs: []};
    addEventListener("pointermove", () => seen.moves.push(performance.now()), {capture: true, passive: true});
    const tick = (now) => { seen.frames.push(now); requestAnimationFrame(tick); };
    requestAnimationFrame(tick);
    new MutationObserver(() => {
        const text = document.querySelector(".ef-number")?.textContent;
        if (text && text !== seen.efs.at(-1)?.[1]) seen.efs.push([performance.now(), text]);
    }).observe(document.querySelector(".ef"), {subtree: true, childList: true, characterData: true});
}"""
"""Notes when the pointer moved, when the display was drawn, and when the EF changed."""


@contextmanager
def serving(*options: str, environment: dict[str, str] | None = None) -> Iterator[str]:
    """``lvef app`` on a free port; gives its address."""
    command = [sys.executable, "-m", "lvef.cli.main", "app", "--port", "0", "--no-open", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
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


def hook(tab: Page, name: str) -> Locator:
    """The visible element with ``data-focus="NAME"``."""
    return tab.locator(f'[data-focus="{name}"]:visible')


def open_seconds(browser: Browser, address: str) -> tuple[Page, float]:
    """A new tab on the page and the seconds until files can be chosen."""
    tab = browser.new_context(viewport=VIEWPORT).new_page()  # type: ignore[arg-type]
    began = time.perf_counter()
    tab.goto(address)
    hook(tab, "choose").wait_for(timeout=PATIENCE_MS)
    return tab, time.perf_counter() - began


def drop_seconds(tab: Page, clip: Path) -> float:
    """Seconds from choosing the clip until its EF is to be read."""
    if tab.locator(".ef-number").count():
        hook(tab, "forget-all").click()
        tab.locator("dialog[open] .button.danger").click()
        hook(tab, "choose").wait_for(timeout=PATIENCE_MS)
    with tab.expect_file_chooser() as chooser:
        hook(tab, "choose").click()
    began = time.perf_counter()
    chooser.value.set_files(str(clip))
    tab.locator(".ef-number").wait_for(timeout=PATIENCE_MS)
    return time.perf_counter() - began


def compare_first_drops(against: str, pause_s: float, repeats: int) -> None:
    """Print medians of the first drop of another revision and of this tree, and of the ratios of the pairs."""
    pairs = []
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        clip = Path(folder) / "clip.avi"
        make_clip(clip)
        trees = [unpack(against, Path(folder)), unpack(".", Path(folder))]
        for turn in range(repeats):
            found = {}
            # Each is the first of every second pair.
            for tree in trees if turn % 2 else trees[::-1]:
                with serving(environment=tree.environment) as address:
                    tab, opened = open_seconds(browser, address)
                    tab.wait_for_timeout(1000 * pause_s)
                    found[tree.name] = opened, drop_seconds(tab, clip)
                    tab.context.close()
            pairs.append([found[tree.name] for tree in trees])
            print(
                *(f"{name}: open {o:.2f} s, drop {d:.2f} s" for name, (o, d) in found.items()),
                sep="; ",
                flush=True,
            )
    for k, name in enumerate(("first_open_s", "first_drop_to_ef_s")):
        before, after = ([pair[i][k] for pair in pairs] for i in (0, 1))
        ratios = [x / y for x, y in zip(before, after, strict=True)]
        print(
            f"{name:24}{statistics.median(after):8.3f}   before {statistics.median(before):.3f}, "
            f"{statistics.median(ratios):.2f} times as fast (pairs {min(ratios):.2f} to {max(ratios):.2f})"
        )


def start_correction(tab: Page, address: str) -> None:
    """Open pydicom's cine for correction."""
    tab.goto(address)
    hook(tab, "sample-cine").click()
    tab.locator(".ef-number").wait_for(timeout=PATIENCE_MS)
    hook(tab, "correct").click()
    tab.locator(".v-pane.v-ed .v-handle").first.wait_for(timeout=PATIENCE_MS)
    tab.evaluate(WATCH)


def place(tab: Page) -> tuple[float, float]:
    """Where a point of the ED wall is on the screen."""
    box = tab.locator('.v-pane.v-ed .v-handle[data-point="4"]').bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def release_seconds(tab: Page, repeats: int) -> list[float]:
    """Seconds from releasing a point of the ED contour until the server's new EF stands on the page."""
    waits = []
    for _ in range(repeats):
        x, y = place(tab)
        tab.mouse.move(x, y)
        tab.mouse.down()
        tab.mouse.move(x - 2, y)
        tab.mouse.move(x - 5, y)
        tab.locator(".ef-number.live").wait_for(timeout=PATIENCE_MS)
        tab.evaluate(
            """() => addEventListener("pointerup", () => {
                const began = performance.now();
                window.released = new Promise((done) => {
                    const look = () => (document.querySelector(".ef-number:not(.live)")
                        ? done(performance.now() - began) : setTimeout(look, 1));
                    setTimeout(look, 1);
                });
            }, {once: true, capture: true})"""
        )
        tab.mouse.up()
        tab.wait_for_function("() => window.released")
        waits.append(tab.evaluate("() => window.released") / 1000)
        tab.wait_for_timeout(500)
    return waits


def drag_figures(tab: Page, seconds: float = 4.0) -> dict[str, float]:
    """While a point is dragged to and fro: frames, moves and EFs a second; then the latency of a preview."""
    x, y = place(tab)
    tab.mouse.move(x, y)
    tab.mouse.down()
    tab.evaluate("() => { seen.frames.length = seen.moves.length = seen.efs.length = 0; }")
    began, step = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        step += 1
        tab.mouse.move(x - 12 + 12 * float(np.cos(step / 9)), y + 4 * float(np.sin(step / 9)))
    seen = tab.evaluate(
        "() => ({frames: seen.frames.slice(), moves: seen.moves.slice(), efs: seen.efs.map((e) => e[0])})"
    )
    gaps = np.diff(seen["frames"])
    waits = []
    for i in range(12):
        tab.wait_for_timeout(250)
        tab.evaluate("() => { seen.moves.length = seen.efs.length = 0; }")
        tab.mouse.move(x - 4 - 14 * (i % 2), y)
        tab.wait_for_function("() => seen.moves.length && seen.efs.length", timeout=PATIENCE_MS)
        waits.append(tab.evaluate("() => seen.efs[0][0] - seen.moves[0]"))
    tab.mouse.up()
    return {
        "drag_frames_per_s": 1000 / float(np.mean(gaps)),
        "drag_slowest_frame_ms": float(np.percentile(gaps, 99)),
        "drag_moves_per_s": len(seen["moves"]) / seconds,
        "drag_efs_per_s": len(seen["efs"]) / seconds,
        "preview_ms": float(statistics.median(waits)),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--repeats", type=int, default=5, help="times that each later step is done (default: 5)"
    )
    parser.add_argument("--out", type=Path, help="also write the figures as JSON here")
    parser.add_argument("--against", help="another revision, whose first drop is measured by turns")
    parser.add_argument(
        "--pause", type=float, default=5.0, help="seconds from the open page to the drop (default: 5)"
    )
    args = parser.parse_args()
    if args.against:
        compare_first_drops(args.against, args.pause, args.repeats)
        return
    with tempfile.TemporaryDirectory() as folder, chromium() as browser, serving() as address:
        clip = Path(folder) / "clip.avi"
        make_clip(clip)
        tab, first_open = open_seconds(browser, address)
        first = drop_seconds(tab, clip)
        later = [drop_seconds(tab, clip) for _ in range(args.repeats)]
        opens = [open_seconds(browser, address)[1] for _ in range(args.repeats)]
        tab = browser.new_context(viewport=VIEWPORT).new_page()  # type: ignore[arg-type]
        start_correction(tab, address)
        dragged = drag_figures(tab)
        tab.wait_for_timeout(1000)
        released = release_seconds(tab, args.repeats)
    figures: dict[str, Any] = {
        "first_open_s": first_open,
        "open_s": statistics.median(opens),
        "first_drop_to_ef_s": first,
        "drop_to_ef_s": statistics.median(later),
        "slowest_drop_to_ef_s": max(later),
        "release_to_ef_s": statistics.median(released),
        **dragged,
        "repeats": args.repeats,
    }
    for name, value in figures.items():
        shown = f"{value:8.3f}" if isinstance(value, float) else f"{value:8}"
        before = BEFORE.get(name)
        print(
            f"{name:24}{shown}"
            + (f"   before {before:.3f}, {before / value:.1f} times as fast" if before else "")
        )
    if args.out is not None:
        args.out.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
