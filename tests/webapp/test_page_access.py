"""The page without a mouse: a walk by keyboard, keys of the viewer, names."""

from __future__ import annotations

import pytest

from tests.webapp import driver
from tests.webapp.driver import hook, measured

pytestmark = pytest.mark.browser


def focus(tab) -> str:
    """The hook, or else the name, of what has the focus."""
    return tab.evaluate(
        "() => document.activeElement.dataset.focus || document.activeElement.getAttribute('aria-label') || ''"
    )


def tab_to(tab, name: str, *, key: str = "Tab") -> None:
    """Press Tab until something has the focus, as a person would; its ring must be seen."""
    for _ in range(60):
        tab.keyboard.press(key)
        if focus(tab) == name:
            ring = tab.evaluate(
                """() => {
                    const style = getComputedStyle(document.activeElement);
                    const isSeen = style.outlineStyle !== "none" || style.boxShadow !== "none";
                    return document.activeElement.matches(":focus-visible") && isSeen;
                }"""
            )
            assert ring, name
            return
    raise AssertionError(f"{name} is not reached by {key}")


def test_from_the_start_to_a_correction_by_keyboard(visitors, served):
    tab = visitors.open(served)
    hook(tab, "choose").wait_for()
    tab_to(tab, "sample-cine")
    tab.keyboard.press("Enter")
    before = measured(tab)
    tab_to(tab, "correct")
    tab.keyboard.press("Enter")
    tab.locator(".v-pane.v-ed .v-handle").first.wait_for()
    # Into the first editor.
    for _ in range(80):
        tab.keyboard.press("Tab")
        if tab.evaluate("() => document.activeElement.matches('.v-pane.v-ed .v-handle[data-point=\"3\"]')"):
            break
    else:
        raise AssertionError("the points are not reached by Tab")
    for _ in range(6):
        tab.keyboard.press("ArrowLeft")
    driver.wait(tab, lambda: driver.detail(tab)["revision"] > before["revision"])
    assert driver.detail(tab)["ef_percent"] > before["ef_percent"]
    # The change is said.
    tab.wait_for_function("() => document.getElementById('live').textContent.length > 0")


def test_keys_of_the_viewer(visitors, served):
    tab = visitors.open(served)
    driver.sample(tab, "cine")
    measured(tab)
    curve = tab.locator(".v-curve [role=slider]")
    curve.wait_for()
    curve.focus()
    curve.press("Home")
    assert curve.get_attribute("aria-valuenow") == "1"
    curve.press("ArrowRight")
    assert curve.get_attribute("aria-valuenow") == "2"
    curve.press("End")
    assert curve.get_attribute("aria-valuenow") == curve.get_attribute("aria-valuemax")
    tab.keyboard.press("Space")
    driver.wait(tab, lambda: curve.get_attribute("aria-valuenow") != curve.get_attribute("aria-valuemax"))
    tab.keyboard.press("?")
    tab.locator("dialog[open]").wait_for()
    tab.keyboard.press("Escape")
    tab.locator("dialog[open]").wait_for(state="detached")


def test_everything_that_can_be_pressed_has_a_name(visitors, served):
    tab = visitors.open(served)
    driver.sample(tab, "cine")
    measured(tab)
    hook(tab, "correct").click()
    tab.locator(".v-pane.v-ed .v-handle").first.wait_for()
    nameless = tab.evaluate(
        """() => [...document.querySelectorAll("button, a[href], input, select, [role=slider], [tabindex='0']")]
            .filter((e) => e.checkVisibility() && !(e.getAttribute("aria-label") || e.getAttribute("aria-labelledby")
                || e.textContent.trim() || (e.labels && e.labels.length)))
            .map((e) => e.outerHTML.slice(0, 160))"""
    )
    assert nameless == []
