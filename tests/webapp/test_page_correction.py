"""Correction on the page: drag, undo, reload, two tabs; the EF of the page is that of the saved file."""

from __future__ import annotations

import io
import json

import av
import numpy as np
import pytest
from click.testing import CliRunner
from pypdf import PdfReader

from lvef.cli.main import main
from tests.webapp import driver
from tests.webapp.driver import detail, hook, measured
from tests.webapp.page_files import CINE

pytestmark = pytest.mark.browser

PLACES = """pane => [...document.querySelectorAll(`.v-pane.v-${pane} .v-handle`)].map((node) => {
    const box = node.getBoundingClientRect();
    return [box.x + box.width / 2, box.y + box.height / 2];
})"""

WALL = 4
"""A control point in the middle of the left wall."""


def correcting(visitors, served, *, context=None):
    """A visitor who corrects pydicom's cine."""
    tab = visitors.open(served, context=context)
    driver.sample(tab, "cine")
    measured(tab)
    correct(tab)
    return tab


def correct(tab) -> None:
    hook(tab, "correct").click()
    handle(tab, "ed", WALL).wait_for()
    handle(tab, "es", WALL).wait_for()


def handle(tab, phase: str, index: int):
    return tab.locator(f'.v-pane.v-{phase} .v-handle[data-point="{index}"]')


def places(tab, phase: str) -> np.ndarray:
    """Where the points are on the screen."""
    return np.array(tab.evaluate(PLACES, phase))


def grab(tab, phase: str, index: int) -> tuple[float, float]:
    x, y = places(tab, phase)[index]
    tab.mouse.move(x, y)
    tab.mouse.down()
    return float(x), float(y)


def drag(tab, phase: str, index: int, dx: float, dy: float = 0.0) -> dict:
    """Drag a point; the item once the correction is stored."""
    before = detail(tab)["revision"]
    x, y = grab(tab, phase, index)
    tab.mouse.move(x + dx / 2, y + dy / 2)
    tab.mouse.move(x + dx, y + dy)
    tab.mouse.up()
    return stored(tab, before)


def stored(tab, before: int) -> dict:
    """The item once another correction is stored and shown."""
    found: dict = {}

    def look() -> bool:
        found.update(detail(tab))
        return found["revision"] > before and ef_shown(tab) == short(found["result"]["ef_text"])

    driver.wait(tab, look)
    return found


def ef_shown(tab) -> str:
    """The EF on the page, of no preview."""
    return tab.evaluate(
        "() => document.querySelector('.ef-number:not(.live)')?.textContent.replace(/\\s/g, '') || ''"
    )


def short(text: str) -> str:
    return "".join(text.split())


def test_a_drag_moves_its_neighbours_shows_the_ef_and_is_one_step_of_undo(visitors, served):
    tab = correcting(visitors, served)
    first = detail(tab)
    before = places(tab, "ed")
    x, y = grab(tab, "ed", WALL)
    for step in range(1, 5):
        tab.mouse.move(x - 6 * step, y)
    # Shown while the point is held, and stored by nobody yet.
    tab.locator(".ef-number.live").wait_for()
    tab.wait_for_function(
        "old => document.querySelector('.ef-number.live')?.textContent.replace(/\\s/g, '') !== old",
        arg=short(first["result"]["ef_text"]),
    )
    assert detail(tab)["revision"] == first["revision"]
    moved = np.linalg.norm(places(tab, "ed") - before, axis=1)
    assert moved[WALL] == pytest.approx(24, abs=1.5)
    assert 0 < moved[WALL + 2] < moved[WALL + 1] < moved[WALL] and 0 < moved[WALL - 1] < moved[WALL]
    # Landmarks and the other wall stay.
    assert moved[[0, 7, 14]].max() < 0.5 and moved[9:].max() < 0.5
    tab.mouse.up()
    after = stored(tab, first["revision"])
    # What was shown last may be of a place before; the EF of the same contours is the same.
    preview = driver.ask(tab, f"api/items/{after['id']}/preview", "POST", {"edit": after["edit"]})
    assert preview["ef_text"] == after["result"]["ef_text"]
    assert after["ef_percent"] > first["ef_percent"] and after["corrected"]
    assert after["machine"]["ef_percent"] == pytest.approx(first["ef_percent"])

    tab.keyboard.press("Control+z")
    undone = stored(tab, after["revision"])
    assert undone["ef_percent"] == pytest.approx(first["ef_percent"]) and not undone["corrected"]
    tab.keyboard.press("Control+Shift+z")
    redone = stored(tab, undone["revision"])
    assert redone["ef_percent"] == pytest.approx(after["ef_percent"])

    tab.reload()
    handle(tab, "ed", WALL).wait_for()
    assert measured(tab)["ef_percent"] == pytest.approx(after["ef_percent"])
    assert detail(tab)["edit"] == after["edit"]
    tab.keyboard.press("Control+z")
    assert stored(tab, redone["revision"])["ef_percent"] == pytest.approx(first["ef_percent"])


def test_shift_moves_one_point(visitors, served):
    tab = correcting(visitors, served)
    before, first = places(tab, "es"), detail(tab)
    x, y = grab(tab, "es", WALL)
    tab.keyboard.down("Shift")
    tab.mouse.move(x - 3, y)
    tab.mouse.move(x - 6, y)
    tab.mouse.up()
    tab.keyboard.up("Shift")
    stored(tab, first["revision"])
    moved = np.linalg.norm(places(tab, "es") - before, axis=1)
    assert moved[WALL] > 2 and np.delete(moved, WALL).max() < 0.5


def test_keys_move_a_point(visitors, served):
    tab = correcting(visitors, served)
    before, first = places(tab, "ed"), detail(tab)
    handle(tab, "ed", WALL).focus()
    # One key: several that come slowly are several steps.
    tab.keyboard.press("ArrowLeft")
    after = stored(tab, first["revision"])
    assert after["ef_percent"] > first["ef_percent"]
    assert places(tab, "ed")[WALL, 0] < before[WALL, 0]
    tab.keyboard.press("Control+z")
    assert stored(tab, after["revision"])["ef_percent"] == pytest.approx(first["ef_percent"])


def test_the_files_hold_the_corrected_ef_of_the_command(visitors, served, tmp_path):
    tab = correcting(visitors, served)
    drag(tab, "ed", WALL, -18)
    found = drag(tab, "es", 10, -6)
    name, data = driver.download(tab, "correction.json")
    assert name.endswith("correction.json")
    saved = tmp_path / "correction.json"
    saved.write_bytes(data)
    command = ["report", str(CINE), "--correction", str(saved), "--out", str(tmp_path / "out"), "--json"]
    result = CliRunner().invoke(main, command, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    (written,) = (tmp_path / "out").rglob("*.pdf")
    text = PdfReader(written).pages[0].extract_text()
    ef = found["result"]["ef_text"]
    assert ef in text
    pdf = PdfReader(io.BytesIO(driver.download(tab, "report.pdf")[1]))
    assert ef in pdf.pages[0].extract_text() and found["machine"]["ef_text"] in pdf.pages[0].extract_text()
    values = json.loads(driver.download(tab, "measurement.json")[1])
    assert values["ef_percent"] == pytest.approx(found["ef_percent"])
    assert values["correction"]["machine_ef_percent"] == pytest.approx(found["machine"]["ef_percent"])
    with av.open(io.BytesIO(driver.download(tab, "overlay.mp4")[1])) as video:
        assert video.streams.video[0].codec_context.name == "h264"
        assert sum(1 for _ in video.decode(video=0)) > 20


def test_two_tabs_that_correct_the_same_clip(visitors, served):
    tab = correcting(visitors, served)
    other = visitors.open(served, f"#/item/{driver.shown_id(tab)}", context=tab.context)
    measured(other)
    correct(other)
    visitors.expected_errors += ["409"]
    # The other tab does not hear of it: its change would overwrite the first.
    before_both = driver.ask(other, "api/items")
    other.route("**/api/items", lambda route: route.fulfill(json=before_both))
    first = drag(tab, "ed", WALL, -15)
    before = other.locator(".ef-number").inner_text()
    x, y = grab(other, "es", WALL)
    other.mouse.move(x - 4, y)
    other.mouse.move(x - 8, y)
    other.mouse.up()
    driver.wait(other, lambda: ef_shown(other) == short(first["result"]["ef_text"]))
    assert before != first["result"]["ef_text"]
    said = driver.texts()["viewer"]["conflict"]
    other.get_by_text(said).first.wait_for()
    assert detail(other)["ef_percent"] == pytest.approx(first["ef_percent"])
    other.unroute_all(behavior="wait")
    # And the other tab goes on from there.
    both = drag(other, "es", WALL, -8)
    assert both["ef_percent"] != pytest.approx(first["ef_percent"])
    tab.bring_to_front()
    driver.wait(tab, lambda: ef_shown(tab) == short(both["result"]["ef_text"]))


def choose_tool(tab, name: str) -> None:
    tab.locator(f'button[role=radio][data-tool="{name}"]:visible').click()


def test_a_stretch_drawn_anew(visitors, served):
    tab = correcting(visitors, served)
    before, first = places(tab, "ed"), detail(tab)
    choose_tool(tab, "redraw")
    # Along the right wall, 10 pixels further out.
    out = before[9:13] + np.array([10.0, 0.0])
    tab.mouse.move(*out[0])
    tab.mouse.down()
    for place in out[1:]:
        tab.mouse.move(*place, steps=4)
    tab.mouse.up()
    after = stored(tab, first["revision"])
    now = places(tab, "ed")
    assert after["ef_percent"] > first["ef_percent"]
    assert now[10:12, 0].min() > before[10:12, 0].min() + 5
    # Nothing elsewhere.
    assert np.linalg.norm(now - before, axis=1)[:6].max() < 0.5
    tab.keyboard.press("Control+z")
    assert stored(tab, after["revision"])["ef_percent"] == pytest.approx(first["ef_percent"])


def test_a_contour_through_three_points(visitors, served):
    tab = correcting(visitors, served)
    before, first = places(tab, "es"), detail(tab)
    choose_tool(tab, "landmarks")
    wanted = before[[7, 0, 14]] + np.array([[0, -4], [0, 3], [0, 3]])
    for place in wanted:
        tab.mouse.click(*place)
    after = stored(tab, first["revision"])
    now = places(tab, "es")
    assert np.linalg.norm(now[[7, 0, 14]] - wanted, axis=1).max() < 12
    assert after["edit"]["es_points"] and after["ef_percent"] != pytest.approx(first["ef_percent"])


def test_a_contour_that_gives_no_ef_is_put_back_with_a_sentence(visitors, served):
    tab = correcting(visitors, served)
    first = detail(tab)
    visitors.expected_errors += ["422"]
    # Both walls of ED drawn together until ED is smaller than ES: no EF comes of that.
    for index, dx in ((3, 80), (11, -80), (5, 65), (9, -65)):
        x, y = grab(tab, "ed", index)
        tab.mouse.move(x + dx / 2, y)
        tab.mouse.move(x + dx, y)
        tab.mouse.up()
    sentence = tab.locator(".v-message:visible, .v-note:visible").filter(has_text=".").first
    sentence.wait_for()
    now = detail(tab)
    assert now["id"] == first["id"] and now["ef_percent"] is not None and now["ef_percent"] > 0
    driver.wait(tab, lambda: ef_shown(tab) == short(detail(tab)["result"]["ef_text"]))


def frame_shown(tab) -> int:
    """The frame of the cine, from 0."""
    return int(tab.locator(".v-curve [role=slider]").get_attribute("aria-valuenow")) - 1


def test_a_drag_along_the_curve_shows_its_frames(visitors, served):
    tab = visitors.open(served)
    driver.sample(tab, "cine")
    found = measured(tab)
    chart = tab.locator(".v-curve-chart")
    chart.wait_for()
    last = driver.ask(tab, f"api/items/{found['id']}/view")["n_frames"] - 1
    # The axis of time has its unit, once.
    assert sum(text.endswith(" s") for text in chart.locator("text").all_text_contents()) == 1
    box = chart.bounding_box()
    y = box["y"] + box["height"] / 2
    tab.mouse.move(box["x"] + 0.3 * box["width"], y)
    tab.mouse.down()
    # To the right end of the axis, back into the middle, and to the left end.
    for part, is_there in (
        (0.999, lambda frame: frame == last),
        (0.5, lambda frame: 0 < frame < last),
        (0.001, lambda frame: frame == 0),
    ):
        tab.mouse.move(box["x"] + part * box["width"], y, steps=3)
        driver.wait(tab, lambda is_there=is_there: is_there(frame_shown(tab)))
    tab.mouse.up()
    assert frame_shown(tab) == 0


def test_a_correction_is_carried_over_the_cycle(visitors, served):
    tab = correcting(visitors, served)
    first = drag(tab, "ed", WALL, -18)
    view = f"api/items/{first['id']}/view"
    assert "reader_contours" not in driver.ask(tab, view)
    button = tab.get_by_role("button", name=driver.texts()["viewer"]["correct"]["propagate"], exact=True)
    button.click()
    after = stored(tab, first["revision"])
    assert button.get_attribute("aria-pressed") == "true" and after["edit"]["propagate"]
    # ED and ES are as they were, and with them the EF; frames between follow.
    assert after["ef_percent"] == pytest.approx(first["ef_percent"])
    carried = driver.ask(tab, view)
    ed, es = after["result"]["ed_frame"], after["result"]["es_frame"]
    between = range(min(ed, es) + 1, max(ed, es))
    assert any(carried["reader_contours"][frame] != carried["contours"][frame] for frame in between)
    button.click()
    assert "propagate" not in stored(tab, after["revision"])["edit"]


def volume_shown(tab, phase: str) -> str:
    return tab.locator(f".v-pane.v-{phase} .v-pane-value").inner_text()


def frame_text(tab, phase: str) -> str:
    return tab.locator(f".v-pane.v-{phase} .v-pane-text").inner_text()


def marker(tab, phase: str) -> float:
    """Where the line of a phase is on the screen, from the left."""
    box = tab.locator(f".v-curve-phase.v-{phase}").evaluate("node => node.getBoundingClientRect().x")
    return float(box)


def hold_marker(tab, phase: str, wanted: int, view: dict, frames: dict[str, int]) -> None:
    """Drag the marker of a phase to a frame and hold it there."""
    ed, es = marker(tab, "ed"), marker(tab, "es")
    times = view["times"]
    per_s = (es - ed) / (times[frames["es"]] - times[frames["ed"]])
    box = tab.locator(".v-curve-chart").bounding_box()
    y = box["y"] + box["height"] / 2
    tab.mouse.move(marker(tab, phase), y)
    tab.mouse.down()
    tab.mouse.move(ed + per_s * (times[wanted] - times[frames["ed"]]), y, steps=4)


def neighbour(view: dict, frame: int, other: int) -> int:
    """A frame two beside this one that has a contour, away from the other phase."""
    step = -2 if other > frame else 2
    found = frame + step if 0 <= frame + step < view["n_frames"] else frame - step
    assert view["points"][str(found)] and found != other
    return found


def at_size_of(points, others):
    """Points of the screen, moved and scaled evenly to the place and size of others."""
    middle, size = others.mean(axis=0), np.ptp(others, axis=0)[1]
    return (points - points.mean(axis=0)) * size / np.ptp(points, axis=0)[1] + middle


def test_the_marker_on_the_curve_moves_frame_contour_volume_and_ef(visitors, served):
    tab = correcting(visitors, served)
    first = drag(tab, "ed", WALL, -18)
    view = driver.ask(tab, f"api/items/{first['id']}/view")
    frames = {"ed": first["result"]["ed_frame"], "es": first["result"]["es_frame"]}
    wanted = neighbour(view, frames["ed"], frames["es"])
    own, before = places(tab, "ed"), volume_shown(tab, "ed")
    announced = driver.texts()["result"]["announce_reader"]

    hold_marker(tab, "ed", wanted, view, frames)
    # While it is held: the frame's own contour, its volume and the EF that it would give; nothing is stored.
    tab.locator(".ef-number.live").wait_for()
    assert f"Frame {wanted + 1} " in frame_text(tab, "ed") + " "
    held = volume_shown(tab, "ed")
    assert str(round(view["volume"][wanted])) in held and held != before
    assert np.linalg.norm(places(tab, "ed") - own, axis=1).max() > 3
    assert detail(tab)["revision"] == first["revision"]
    tab.mouse.up()
    moved = stored(tab, first["revision"])
    assert (moved["edit"]["ed_frame"], moved["edit"]["ed_points"]) == (wanted, None)
    assert moved["result"]["ed_frame"] == wanted and moved["machine"]["ed_frame"] == frames["ed"]
    volumes = view["volume"]
    assert moved["ef_percent"] == pytest.approx(100 * (1 - volumes[frames["es"]] / volumes[wanted]), abs=0.6)
    assert volume_shown(tab, "ed") == held and f"Frame {wanted + 1} " in frame_text(tab, "ed") + " "
    said = {"name": moved["name"], "ef": moved["result"]["ef_text"]}
    driver.wait(tab, lambda: tab.locator("#live").inner_text() == announced.format(**said))

    # Back by keys, after the page was left: the contour of the reader is there again, and with it the EF.
    tab.reload()
    handle(tab, "ed", WALL).wait_for()
    slider = tab.locator(".v-pane.v-ed .v-choice input")
    slider.focus()
    key, back = ("ArrowRight", "ArrowLeft") if wanted < frames["ed"] else ("ArrowLeft", "ArrowRight")
    revision = moved["revision"]
    for _ in range(2):
        tab.keyboard.press(key)
        revision = stored(tab, revision)["revision"]
    returned = detail(tab)
    assert returned["edit"] == first["edit"]
    assert returned["ef_percent"] == pytest.approx(first["ef_percent"])
    # A page that was left shows the image at another size.
    assert volume_shown(tab, "ed") == before and np.abs(at_size_of(places(tab, "ed"), own) - own).max() < 1.5
    # Keys do what the mouse did.
    for _ in range(2):
        tab.keyboard.press(back)
        revision = stored(tab, revision)["revision"]
    assert detail(tab)["edit"] == moved["edit"]
    assert detail(tab)["ef_percent"] == pytest.approx(moved["ef_percent"])


def test_a_marker_on_the_frame_of_the_other_phase_goes_back(visitors, served):
    tab = correcting(visitors, served)
    first = detail(tab)
    view = driver.ask(tab, f"api/items/{first['id']}/view")
    frames = {"ed": first["result"]["ed_frame"], "es": first["result"]["es_frame"]}
    at, ef = marker(tab, "es"), ef_shown(tab)
    hold_marker(tab, "es", frames["ed"], view, frames)
    tab.mouse.up()
    tab.get_by_text(driver.texts()["viewer"]["same_frame"]).first.wait_for()
    assert marker(tab, "es") == pytest.approx(at, abs=0.5) and ef_shown(tab) == ef
    assert f"Frame {frames['es'] + 1} " in frame_text(tab, "es") + " "
    assert detail(tab)["revision"] == first["revision"]
