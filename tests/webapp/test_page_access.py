"""The page without a mouse and for a screen reader: axe-core in every state, light and dark; a walk by keyboard; names."""

from __future__ import annotations

from importlib import resources

import pytest

from tests.webapp import driver
from tests.webapp.driver import hook, measured

pytestmark = pytest.mark.browser

SERIOUS = ("serious", "critical")

RUN = """async () => {
    const found = await axe.run(document, {resultTypes: ["violations"]});
    return found.violations.flatMap((one) => one.nodes.map((node) => (
        [one.impact, one.id, node.target.join(" "), (node.any[0] || node.all[0] || node.none[0])?.message || one.help])));
}"""


@pytest.fixture(scope="module")
def axe() -> str:
    """The script of axe-core."""
    pytest.importorskip("axe_playwright_python", reason="needs pip install axe-playwright-python")
    return (resources.files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")


def findings(tab, axe: str) -> list[str]:
    """Serious findings in light and dark."""
    found = []
    for scheme in ("light", "dark"):
        tab.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        if not tab.evaluate("() => 'axe' in window"):
            tab.evaluate(axe)
        rows = tab.evaluate(RUN)
        found += [
            f"{scheme} {rule} {target}: {text}" for impact, rule, target, text in rows if impact in SERIOUS
        ]
    return found


def test_no_state_has_a_serious_finding(chromium_visitors, served, axe, tmp_path):
    tab = chromium_visitors.open(served)
    found: dict[str, list[str]] = {}

    def look(state: str) -> None:
        found[state] = findings(tab, axe)

    hook(tab, "choose").wait_for()
    look("start")
    tab.locator('[data-focus="kind-stills"]').check(force=True)
    look("start, stills")
    driver.sample(tab, "long-cine")
    tab.locator("progress").wait_for()
    # Stopped in the page's own words; running is drawn until then.
    look("running")
    driver.ask(tab, f"api/items/{driver.shown_id(tab)}/stop", "POST", {})
    tab.locator("[data-focus=again]:visible, .ef-number:visible").first.wait_for()
    look("stopped")
    driver.ask(tab, "api/samples/cine", "POST", {})
    broken = tmp_path / "broken.avi"
    broken.write_bytes(b"no video" * 100)
    driver.choose(tab, [broken])
    states = driver.wait_items(tab, lambda items: len(items) == 3 and driver.all_ended(items))
    cine = next(item["id"] for item in states if item["state"] == "done" and item["name"] != "broken.avi")
    refused = next(item["id"] for item in states if item["name"] == "broken.avi")
    tab.goto(f"{served.address}#/item/{refused}")
    tab.locator(".refusal-reason:visible").wait_for()
    look("refused")
    tab.goto(f"{served.address}#/batch")
    tab.locator("table:visible tbody tr").nth(2).wait_for()
    look("batch")
    tab.goto(f"{served.address}#/item/{cine}")
    measured(tab)
    tab.locator(".v-curve").wait_for()
    look("result")
    for name in ("beats", "quality", "method"):
        hook(tab, f"tab-{name}").click()
        look(f"result, {name}")
    hook(tab, "files").click()
    look("files")
    tab.keyboard.press("Escape")
    hook(tab, "settings").click()
    tab.locator("dialog[open]").wait_for()
    look("settings")
    tab.keyboard.press("Escape")
    tab.keyboard.press("?")
    tab.locator("dialog[open]").wait_for()
    look("shortcuts")
    tab.keyboard.press("Escape")
    hook(tab, "correct").click()
    tab.locator(".v-pane.v-es .v-handle").first.wait_for()
    look("correct")
    tab.goto(f"{served.address}#/compare/{cine}")
    tab.locator(".page:visible table, .page:visible .card").first.wait_for()
    look("compare")
    tab.goto(f"{served.address}#/about")
    tab.locator(".page:visible h2").first.wait_for()
    look("about")
    assert {state: rows for state, rows in found.items() if rows} == {}


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
    found = measured(tab)["result"]
    curve = tab.locator(".v-curve [role=slider]")
    curve.wait_for()
    curve.focus()
    curve.press("Home")
    assert curve.get_attribute("aria-valuenow") == "1"
    curve.press("ArrowRight")
    assert curve.get_attribute("aria-valuenow") == "2"
    tab.keyboard.press("d")
    tab.wait_for_function(
        "frame => document.querySelector('.v-curve [role=slider]').getAttribute('aria-valuenow') === frame",
        arg=str(found["ed_frame"] + 1),
    )


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
