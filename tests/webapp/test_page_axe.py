"""axe-core finds nothing serious in any state of the page, light and dark."""

from __future__ import annotations

from importlib import resources

import pytest

from tests.webapp import driver
from tests.webapp.driver import hook, measured

pytestmark = pytest.mark.browser

SERIOUS = ("serious", "critical")

RUN = """async () => {
    const found = await axe.run(document);
    if (found.passes.length < 8) throw new Error("axe looked at next to nothing");
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


def test_no_state_has_a_serious_finding(chromium_visitors, served, axe, long_clip, tmp_path):
    tab = chromium_visitors.open(served)
    found: dict[str, list[str]] = {}

    def look(state: str) -> None:
        found[state] = findings(tab, axe)

    hook(tab, "choose").wait_for()
    look("start")
    tab.locator('[data-focus="kind-stills"]').check(force=True)
    look("start, stills")
    tab.locator('[data-focus="kind-clip"]').check(force=True)
    driver.choose(tab, [long_clip])
    driver.wait_items(tab, lambda items: items and items[0]["state"] == "running")
    tab.locator("progress").first.wait_for()
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
    tab.locator(".compare-page .contours figure").first.wait_for()
    look("compare")
    tab.goto(f"{served.address}#/about")
    tab.locator(".about-page h2").wait_for()
    look("about")
    assert {state: rows for state, rows in found.items() if rows} == {}
