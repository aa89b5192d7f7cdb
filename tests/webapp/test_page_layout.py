"""One screen: no state of the page overflows at laptop and desktop size, and what matters is in sight."""

from __future__ import annotations

import re

import numpy as np
import pytest

from tests.webapp import driver
from tests.webapp.driver import hook, measured

pytestmark = pytest.mark.browser

SIZES = {"laptop": (1366, 768), "desktop": (1920, 1080)}

OVERFLOW = """() => {
    const page = document.scrollingElement;
    const found = [];
    if (page.scrollHeight > innerHeight) found.push(`page: ${page.scrollHeight} > ${innerHeight} high`);
    if (page.scrollWidth > innerWidth) found.push(`page: ${page.scrollWidth} > ${innerWidth} wide`);
    for (const node of document.querySelectorAll("main button, main a, main dd, main dt, main td, main th, header button")) {
        const box = node.getBoundingClientRect();
        if (!box.width || !node.checkVisibility()) continue;
        if (box.right > innerWidth + 1 || box.left < -1) found.push(`outside: ${node.outerHTML.slice(0, 90)}`);
    }
    return found;
}"""

IN_SIGHT = """(selector) => [...document.querySelectorAll(selector)].some((node) => {
    const box = node.getBoundingClientRect();
    if (!box.width || !box.height || !node.checkVisibility()) return false;
    const inside = box.top >= 0 && box.left >= 0 && box.bottom <= innerHeight + 1 && box.right <= innerWidth + 1;
    const top = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
    return inside && top !== null && (node.contains(top) || top.contains(node));
})"""

RESULT = {
    "EF": ".ef-number",
    "interval": ".ef .interval",
    "class": ".ef .class-row",
    "decision": ".ef .decision",
    "cine": ".v-pane.v-cine .v-stage",
    "curve": ".v-curve",
}


def assert_fits(tab, state: str) -> None:
    assert tab.evaluate(OVERFLOW) == [], state


def assert_in_sight(tab, selectors: dict[str, str], state: str) -> None:
    missing = [name for name, selector in selectors.items() if not tab.evaluate(IN_SIGHT, selector)]
    assert missing == [], state


@pytest.mark.parametrize("size", SIZES)
def test_one_screen(visitors, served, size):
    width, height = SIZES[size]
    tab = visitors.open(served, viewport={"width": width, "height": height})
    hook(tab, "choose").wait_for()
    assert_fits(tab, "start")
    driver.sample(tab, "cine")
    item = measured(tab)["id"]
    tab.locator(".v-curve").wait_for()
    assert_fits(tab, "result")
    assert_in_sight(tab, RESULT, "result")
    hook(tab, "correct").click()
    tab.locator(".v-pane.v-es .v-handle").first.wait_for()
    assert_fits(tab, "correct")
    editors = {name: f".v-pane.v-{name} .v-stage" for name in ("ed", "es")}
    assert_in_sight(tab, {"EF": ".ef-number", **editors, "curve": ".v-curve"}, "correct")
    for state, path in (("about", "#/about"), ("compare", f"#/compare/{item}")):
        tab.goto(f"{served.address}{path}")
        tab.locator(f".{state}-page h2").wait_for()
        assert tab.evaluate("() => document.scrollingElement.scrollHeight <= innerHeight"), state
    tab.goto(f"{served.address}#/item/{item}")
    hook(tab, "add").click()
    hook(tab, "kind-study").first.check(force=True)
    assert_fits(tab, "add files")
    tab.keyboard.press("Escape")
    for _ in range(2):
        ask_sample(tab, "phantom")
    driver.wait_items(tab, lambda items: len(items) == 3 and driver.all_ended(items))
    tab.goto(f"{served.address}#/batch")
    tab.locator("table:visible tbody tr").nth(2).wait_for()
    assert_fits(tab, "batch")
    tab.goto(f"{served.address}#/item/{item}")
    measured(tab)
    tab.locator(".list:visible").wait_for()
    assert_fits(tab, "result beside a list")
    assert_in_sight(tab, RESULT, "result beside a list")


def ask_sample(tab, name: str) -> None:
    driver.ask(tab, f"api/samples/{name}", "POST", {})


def test_on_a_tablet_the_ef_stays_in_sight_while_correcting(visitors, served):
    tab = visitors.open(served, viewport={"width": 820, "height": 1180})
    driver.sample(tab, "cine")
    measured(tab)
    assert_in_sight(tab, {name: RESULT[name] for name in ("EF", "interval", "class", "cine")}, "result")
    assert tab.evaluate("() => document.scrollingElement.scrollWidth <= innerWidth")
    hook(tab, "correct").click()
    for phase in ("ed", "es"):
        stage = tab.locator(f".v-pane.v-{phase} .v-stage")
        stage.wait_for()
        stage.scroll_into_view_if_needed()
        assert_in_sight(tab, {"EF": ".ef-number"}, f"correcting {phase}")
        box = stage.bounding_box()
        assert box["width"] >= 380 and box["height"] >= 280, box


def test_a_phone_shows_class_and_quality_of_every_clip(visitors, served):
    tab = visitors.open(served, viewport={"width": 390, "height": 844})
    driver.sample(tab, "cine")
    found = measured(tab)
    tab.goto(f"{served.address}#/batch")
    row = tab.locator("table.batch tbody tr")
    row.wait_for()
    for name in ("class", "quality", "warnings"):
        assert tab.evaluate(IN_SIGHT, f"table.batch td.col-{name}"), name
    assert found["quality_text"] in row.inner_text()
    assert_fits_across(tab)


def assert_fits_across(tab) -> None:
    for selector in ("html", ".table-scroll"):
        node = tab.locator(selector)
        assert node.evaluate("node => node.scrollWidth - node.clientWidth") == 0, selector


def test_ed_and_es_stand_at_one_scale_and_centre(visitors, served):
    tab = visitors.open(served)
    driver.sample(tab, "cine")
    measured(tab)

    def views() -> np.ndarray:
        """Place and scale of both images."""
        found = tab.evaluate(
            """() => ["ed", "es"].map((name) => (
                document.querySelector(`.v-pane.v-${name} .v-world`).getAttribute("transform")))"""
        )
        return np.array([re.findall(r"-?[\d.]+", text) for text in found], float)

    def assert_alike() -> None:
        # A pane may be a pixel wider than the other.
        one, other = views()
        assert one == pytest.approx(other, abs=1.0) and one[2] == pytest.approx(other[2], rel=0.005)

    tab.locator(".v-pane.v-es .v-stage").wait_for()
    assert_alike()
    hook(tab, "correct").click()
    tab.locator(".v-pane.v-es .v-handle").first.wait_for()
    assert_alike()
    stage = tab.locator(".v-pane.v-ed .v-stage")
    stage.hover()
    before = views()
    tab.mouse.wheel(0, -300)
    driver.wait(tab, lambda: (views()[:, 2] > 1.1 * before[:, 2]).all())
    assert_alike()
