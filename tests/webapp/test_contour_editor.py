"""The editor: what Python takes from a browser, and the editor itself in Chromium, by mouse, touch and keyboard."""

from __future__ import annotations

import base64
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("streamlit", reason='the page needs pip install "lvef[app]"')

from lvef.geometry.control_points import contour_of_control_points, tracing_of_control_points
from lvef.measure.correction import Edit, corrected
from lvef.measure.options import MeasureOptions
from lvef.webapp.contour_editor import parse_actions
from lvef.webapp.viewer import image_data_url
from tests.waiting import wait_until
from tests.webapp import correction_app as drawn

APP = Path(__file__).with_name("correction_app.py")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
MACHINE_EF = drawn.phantom_clip().measurement.ef_percent

GOOD = {"seq": 3, "epoch": "a", "frame": 0, "kind": "move", "points": [[float(i), 1.0] for i in range(15)]}


def test_acts_come_in_order_whatever_the_browser_sent():
    step = {"seq": 2, "epoch": "a", "frame": 4, "kind": "step", "by": -1}
    acts = parse_actions([GOOD, step])
    assert [(a.seq, a.kind) for a in acts] == [(2, "step"), (3, "move")]
    assert acts[0].by == -1 and acts[1].points.shape == (15, 2)


@pytest.mark.parametrize(
    "wrong",
    [
        {"points": None},
        {"points": [[1, 2]]},
        {"points": [["a", "b"]] * 15},
        {"points": [[float("nan"), 1.0]] * 15},
        {"points": [[1e9, 1.0]] * 15},
        {"kind": "delete"},
        {"kind": ["move"]},
        {"seq": "3"},
        {"seq": True},
        {"frame": None},
        {"frame": 2**40},
        {"epoch": 5},
    ],
)
def test_a_malformed_act_is_left_out(wrong):
    assert parse_actions([GOOD | wrong]) == []


@pytest.mark.parametrize("found", [None, "x", 4, {"ops": []}, [None, 3, "x"]])
def test_what_is_no_list_of_acts_gives_none(found):
    assert parse_actions(found) == []


def test_small_images_travel_without_loss_and_large_ones_smaller():
    rng = np.random.default_rng(1)
    small = rng.integers(0, 256, (112, 100), dtype=np.uint8)
    assert np.array_equal(decoded(image_data_url(small, 1024, lossless_px=256)), small)
    url = image_data_url(np.zeros((1500, 2000), np.uint8), 1024)
    assert url.startswith("data:image/jpeg;base64,")
    assert decoded(url).shape == (768, 1024)


def decoded(url):
    data = np.frombuffer(base64.b64decode(url.partition(",")[2]), np.uint8)
    return cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """The test page, served for this module."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = {
        "server.headless": "true",
        "server.port": port,
        "server.address": "127.0.0.1",
        "server.fileWatcherType": "none",
        "browser.gatherUsageStats": "false",
    }
    words = [word for key, value in options.items() for word in (f"--{key}", str(value))]
    home = tmp_path_factory.mktemp("home")
    log = home / "log"
    with log.open("wb") as out:
        server = subprocess.Popen(
            [sys.executable, "-m", "streamlit", "run", str(APP), *words],
            stdout=out,
            stderr=subprocess.STDOUT,
            env=os.environ | {"HOME": str(home)},
            cwd=home,
        )
    try:
        for _ in range(1800):
            assert server.poll() is None, log.read_text()
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=1):
                    break
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/"
    finally:
        server.send_signal(signal.SIGTERM)
        try:
            server.wait(60)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


@pytest.fixture(scope="module")
def browser():
    """Chromium without a window."""
    api = pytest.importorskip("playwright.sync_api", reason="browser tests need playwright")
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    with api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        # One for all visitors with a mouse: each has a session of the page's, and its files are fetched once.
        yield chromium.new_context(viewport={"width": 1366, "height": 1000})
        chromium.close()


class Page:
    """One visitor."""

    def __init__(self, context, address, kind="heart"):
        self.page = context.new_page()
        self.page.set_default_timeout(180_000)  # only keeps a broken page from hanging
        self.asked, self.errors = [], []
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.goto(f"{address}?kind={kind}")
        self.editor("es").locator("[data-handle='14']").wait_for(timeout=180_000)
        self.page.wait_for_function("document.querySelector('.reader .ef')")

    def editor(self, phase):
        return self.page.locator(".editor").nth(0 if phase == "ed" else 1)

    def handle(self, phase, index):
        return self.editor(phase).locator(f"[data-handle='{index}']")

    def until(self, true):
        """Wait until something holds."""
        wait_until(true, lambda seconds: self.page.wait_for_timeout(1000 * seconds))

    def centre(self, phase, index):
        box = self.handle(phase, index).locator(".dot").bounding_box()
        return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    def ef(self):
        return float(self.page.locator(".reader .ef").get_attribute("data-ef"))

    def points(self, phase):
        """As they are drawn, in pixels of the image."""
        found = (
            self.editor(phase)
            .locator(".handle")
            .evaluate_all("all => all.map(h => h.getAttribute('transform'))")
        )
        drawn_at = [[float(v) for v in re.findall(r"[-\d.]+", text)[:2]] for text in found]
        return np.array(drawn_at) / (1, drawn.ASPECT)

    def line(self, phase, name):
        text = self.editor(phase).locator(name).first.get_attribute("d")
        return np.array(re.findall(r"(-?[\d.]+) (-?[\d.]+)", text), dtype=float) / (1, drawn.ASPECT)

    def changes(self, before):
        """The EF once it is another than ``before``."""
        self.page.wait_for_function(
            "old => Math.abs(parseFloat(document.querySelector('.reader .ef').dataset.ef) - old) > 1e-3",
            arg=before,
            timeout=180_000,
        )
        return self.ef()

    def becomes(self, wanted):
        self.page.wait_for_function(
            "to => Math.abs(parseFloat(document.querySelector('.reader .ef').dataset.ef) - to) < 2e-3",
            arg=wanted,
            timeout=180_000,
        )

    def drag(self, phase, index, dx, dy):
        x, y = self.centre(phase, index)
        self.page.mouse.move(x, y)
        self.page.mouse.down()
        self.page.mouse.move(x + dx / 2, y + dy / 2)
        self.page.mouse.move(x + dx, y + dy)
        self.page.mouse.up()

    def close(self):
        outside = [
            url for url in self.asked if not re.match(r"(http|ws)://127\.0\.0\.1[:/]|data:|blob:", url)
        ]
        body = self.page.locator("body").inner_text()
        self.page.close()
        assert not outside and not self.errors
        assert "Traceback" not in body and "Error" not in body


@pytest.fixture
def visitor(browser, address):
    """One visitor on the heart's page, who at the end has asked nothing of other machines and seen no traceback."""
    page = Page(browser, address)
    yield page
    page.close()


@pytest.mark.browser
def test_the_browsers_contour_and_disks_are_pythons(visitor):
    visitor.drag("ed", 3, -37, 11)
    visitor.changes(MACHINE_EF)
    visitor.drag("es", 7, 15, -20)
    for phase in ("ed", "es"):
        points = visitor.points(phase)
        assert np.abs(visitor.line(phase, ".contour") - contour_of_control_points(points)).max() < 0.2
        chords = tracing_of_control_points(points, aspect=drawn.ASPECT).chords
        found = visitor.line(phase, ".disks").reshape(-1, 2, 2)
        left_first = np.sort(found[..., 0], axis=1)
        assert np.abs(left_first - np.sort(chords[..., 0], axis=1)).max() < 0.2


@pytest.mark.browser
def test_a_dragged_wall_changes_the_ef_as_it_should(visitor):
    visitor.drag("ed", 3, -40, 0)
    outward = visitor.changes(MACHINE_EF)
    assert outward > MACHINE_EF + 0.5
    expected = corrected(
        drawn.phantom_clip().measurement, Edit(ed_points=visitor.points("ed")), MeasureOptions()
    )
    assert outward == pytest.approx(expected.ef_percent, abs=0.02)
    visitor.editor("ed").locator(".moved").get_by_text("moved by reader").wait_for()
    # What the page draws below the panel follows; to three places, for the last may round either way.
    visitor.page.get_by_text(f"below: EF {outward:.3f}"[:-1]).wait_for()
    visitor.drag("es", 11, 40, 0)
    assert visitor.changes(outward) < outward


@pytest.mark.browser
def test_undo_redo_and_reset(visitor):
    visitor.drag("ed", 2, -30, 0)
    cached = visitor.changes(MACHINE_EF)
    visitor.drag("es", 2, 12, 0)
    twice = visitor.changes(cached)
    visitor.page.keyboard.press("Control+z")
    visitor.becomes(cached)
    visitor.page.keyboard.press("Control+z")
    visitor.becomes(MACHINE_EF)
    visitor.page.keyboard.press("Control+Shift+Z")
    visitor.page.keyboard.press("Control+Shift+Z")
    visitor.becomes(twice)
    visitor.editor("ed").get_by_role("button", name="Undo").click()
    visitor.becomes(cached)
    visitor.editor("ed").get_by_role("button", name="Reset").click()
    visitor.becomes(MACHINE_EF)
    assert np.allclose(visitor.points("ed")[[0, 7, 14]], [[68, 175], [110, 60], [152, 175]], atol=0.02)
    visitor.editor("ed").get_by_role("button", name="Undo").click()
    visitor.becomes(cached)
    visitor.page.get_by_role("button", name="Reset all").click()
    visitor.becomes(MACHINE_EF)


@pytest.mark.browser
def test_many_undos_in_a_row_are_all_done(visitor):
    steps = [MACHINE_EF]
    for _ in range(4):
        visitor.drag("ed", 3, -8, 0)
        steps.append(visitor.changes(steps[-1]))
    for _ in range(3):
        for _ in range(4):
            visitor.page.keyboard.press("Control+z")
        for _ in range(4):
            visitor.page.keyboard.press("Control+Shift+Z")
    for _ in range(3):
        visitor.page.keyboard.press("Control+z")
    visitor.becomes(steps[1])
    # Nothing comes after it.
    visitor.page.wait_for_timeout(500)
    assert visitor.ef() == pytest.approx(steps[1], abs=1e-3)
    assert visitor.page.get_by_role("dialog").count() == 0


@pytest.mark.browser
def test_the_keyboard_moves_points(visitor):
    before = visitor.points("ed")
    visitor.handle("ed", 3).focus()
    visitor.page.keyboard.press("Shift+ArrowLeft")
    visitor.page.keyboard.press("ArrowLeft")
    visitor.page.keyboard.press("ArrowUp")
    assert np.allclose(visitor.points("ed")[3] - before[3], [-6, -1], atol=0.02)
    assert visitor.ef() == pytest.approx(MACHINE_EF, abs=1e-3)
    visitor.page.keyboard.press("Enter")
    entered = visitor.changes(MACHINE_EF)
    assert entered > MACHINE_EF
    visitor.page.keyboard.press("Tab")
    assert visitor.handle("ed", 4).evaluate("h => h === h.getRootNode().activeElement")
    visitor.page.keyboard.press("Shift+ArrowLeft")
    visitor.page.keyboard.press("Tab")  # leaving a point is as good as Enter
    left = visitor.changes(entered)
    visitor.page.keyboard.press("Shift+ArrowLeft")
    visitor.page.keyboard.press("Escape")
    visitor.page.keyboard.press("Tab")
    assert visitor.handle("ed", 5).get_attribute("aria-label") == "ED, left wall, point 5 of 6 from the base"
    visitor.page.keyboard.press("PageDown")
    visitor.editor("ed").get_by_text("frame 1").wait_for()
    visitor.page.keyboard.press("Control+z")
    visitor.becomes(left)


@pytest.mark.browser
def test_the_contour_hides_and_the_image_zooms(visitor):
    editor = visitor.editor("ed")
    first = [float(v) for v in editor.locator("svg.picture").get_attribute("viewBox").split()]
    # The window lies around the ventricle, and a pixel is as high as it should be.
    points = visitor.points("ed") * (1, drawn.ASPECT)
    assert (
        (points > first[:2]).all()
        and (points < np.add(first[:2], first[2:])).all()
        and first[2] < drawn.WIDTH
    )
    image = editor.locator("image").evaluate(
        "i => [i.getAttribute('width'), i.getAttribute('height')].map(Number)"
    )
    assert image == [drawn.WIDTH, drawn.HEIGHT * drawn.ASPECT]
    visitor.handle("ed", 3).focus()
    visitor.page.keyboard.press("h")
    assert not editor.locator(".contour").first.is_visible()
    visitor.page.keyboard.press("h")
    assert editor.locator(".contour").first.is_visible()
    visitor.page.keyboard.press("+")
    second = [float(v) for v in editor.locator("svg.picture").get_attribute("viewBox").split()]
    assert second[2] < first[2]
    x, y = visitor.centre("ed", 3)
    visitor.page.mouse.move(x + 100, y)
    visitor.page.mouse.down()
    visitor.page.mouse.move(x + 130, y + 20)
    visitor.page.mouse.up()
    third = [float(v) for v in editor.locator("svg.picture").get_attribute("viewBox").split()]
    assert third[0] < second[0] and third[1] < second[1] and third[2] == second[2]
    visitor.page.mouse.wheel(0, -200)
    visitor.until(lambda: float(editor.locator("svg.picture").get_attribute("viewBox").split()[2]) < third[2])
    editor.get_by_role("button", name="Zoom to the ventricle").click()
    assert [
        float(v) for v in editor.locator("svg.picture").get_attribute("viewBox").split()
    ] == pytest.approx(first)
    assert visitor.ef() == pytest.approx(MACHINE_EF, abs=1e-3)


@pytest.mark.browser
def test_a_contour_that_crosses_itself_is_reported_and_put_back(visitor):
    before = visitor.points("ed")
    visitor.drag("ed", 3, 420, 0)
    message = visitor.editor("ed").locator(".message")
    message.wait_for()
    assert message.inner_text().startswith("The contour crosses itself")
    assert np.allclose(visitor.points("ed"), before)
    assert visitor.ef() == pytest.approx(MACHINE_EF, abs=1e-3)
    visitor.drag("ed", 3, -20, 0)
    visitor.changes(MACHINE_EF)
    message.wait_for(state="hidden")


@pytest.mark.browser
def test_fingers_drag_and_pinch(browser, address):
    context = browser.browser.new_context(viewport={"width": 820, "height": 1180}, has_touch=True)
    visitor = Page(context, address)
    fingers = context.new_cdp_session(visitor.page)

    def touch(kind, *places):
        points = [{"x": x, "y": y, "id": i} for i, (x, y) in enumerate(places)]
        fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    x, y = visitor.centre("ed", 3)
    touch("touchStart", (x + 8, y + 5))  # a finger need not hit the middle
    touch("touchMove", (x - 12, y + 5))
    touch("touchMove", (x - 32, y + 5))
    touch("touchEnd")
    moved = visitor.changes(MACHINE_EF)
    assert moved > MACHINE_EF
    assert visitor.centre("ed", 3) == pytest.approx((x - 40, y), abs=1.0)
    old = float(visitor.editor("ed").locator("svg.picture").get_attribute("viewBox").split()[2])
    middle = visitor.editor("ed").locator("svg.picture").bounding_box()
    x, y = middle["x"] + middle["width"] / 2, middle["y"] + middle["height"] / 2
    touch("touchStart", (x - 40, y))
    touch("touchStart", (x - 40, y), (x + 40, y))
    touch("touchMove", (x - 40, y), (x + 60, y))
    touch("touchEnd")
    assert float(
        visitor.editor("ed").locator("svg.picture").get_attribute("viewBox").split()[2]
    ) == pytest.approx(old * 0.8, rel=0.02)
    assert visitor.ef() == pytest.approx(moved, abs=1e-3)
    visitor.close()
    context.close()


@pytest.mark.browser
def test_two_visitors_at_once_do_not_meet(browser, address, visitor):
    other = Page(browser, address)
    visitor.drag("ed", 3, -40, 0)
    mine = visitor.changes(MACHINE_EF)
    assert other.ef() == pytest.approx(MACHINE_EF, abs=1e-3)
    other.drag("es", 3, -20, 0)
    theirs = other.changes(MACHINE_EF)
    assert theirs < MACHINE_EF < mine
    visitor.drag("ed", 3, -5, 0)
    visitor.changes(mine)
    assert other.ef() == theirs
    other.close()


@pytest.mark.browser
def test_both_views_of_a_study(browser, address):
    visitor = Page(browser, address, "study")
    visitor.page.get_by_text("A2C", exact=True).click()
    # The editors of the other view are there too until those of this one are drawn.
    visitor.page.locator("[class*='st-key-c-A2C-es-frame']").wait_for()
    visitor.page.locator("[class*='st-key-c-A4C-']").first.wait_for(state="detached")
    visitor.editor("ed").get_by_label("ED, apex").wait_for()
    visitor.drag("ed", 3, -40, 0)
    assert visitor.changes(MACHINE_EF) > MACHINE_EF
    visitor.page.get_by_text("Changed: A2C ED contour").wait_for()
    visitor.close()


@pytest.mark.browser
def test_a_correction_is_saved_and_loaded_again(visitor, tmp_path):
    visitor.drag("ed", 3, -40, 0)
    moved = visitor.changes(MACHINE_EF)
    with visitor.page.expect_download() as download:
        visitor.page.get_by_role("button", name="Save the correction").click()
    assert download.value.suggested_filename == "heart.correction.json"
    file = tmp_path / "c.json"  # longer names are shown cut
    download.value.save_as(file)
    visitor.page.get_by_role("button", name="Reset all").click()
    visitor.becomes(MACHINE_EF)
    visitor.page.get_by_role("button", name="Load a correction").click()
    visitor.page.locator("input[type=file]").set_input_files(file)
    visitor.becomes(moved)
    file.write_text("{}}")
    # The old uploader, which shows the file's name, makes room for a new one.
    visitor.page.wait_for_function(
        "name => document.querySelectorAll('input[type=file]').length === 1 && !document.body.innerText.includes(name)",
        arg=file.name,
    )
    visitor.page.locator("input[type=file]").set_input_files(file)
    visitor.page.get_by_text("is not valid JSON").wait_for()
    assert visitor.ef() == pytest.approx(moved, abs=0.01)
