"""Scale, settings, comparison and About."""

from __future__ import annotations

import pytest

from tests.webapp import driver
from tests.webapp.driver import detail, hook, measured
from tests.webapp.page_files import CINE

pytestmark = pytest.mark.browser


def test_two_clicks_and_a_length_give_millilitres(visitors, served, phantom_file):
    tab = visitors.open(served)
    driver.choose(tab, [phantom_file])
    before = measured(tab)
    assert before["scale"]["needed"] and "ml" not in tab.locator(".main-values dd").first.inner_text()
    hook(tab, "scale").click()
    image = tab.locator("dialog svg.ruler")
    image.wait_for()
    box = image.bounding_box()
    # Each click moves the nearer end.
    for part in (0.1, 0.9):
        tab.mouse.click(box["x"] + 0.5 * box["width"], box["y"] + part * box["height"])
    tab.locator("#scale-length").fill("120")
    tab.locator("#scale-length").press("Enter")
    tab.locator(".main-values dd").get_by_text(" ml").first.wait_for()
    after = measured(tab)
    assert after["ef_percent"] == pytest.approx(before["ef_percent"], abs=1e-3)
    (scale,) = after["scale"]["parts"]
    line = scale["line"]
    assert scale["length_mm"] == 120 and abs(line[3] - line[1]) > 0.6 * 112
    hook(tab, "tab-method").click()
    tab.locator("#tab-panel").get_by_text("120 mm").first.wait_for()


def test_sex_gives_the_class_at_once_and_height_alone_a_sentence(visitors, served):
    tab = visitors.open(served)
    driver.sample(tab, "cine")
    first = measured(tab)
    hook(tab, "settings").click()
    dialog = tab.locator("dialog[open]")
    dialog.locator("#setting-height_cm").fill("170")
    dialog.locator("button[type=submit]").click()
    error = dialog.locator(".form-error")
    error.wait_for()
    assert error.inner_text().endswith(".")
    dialog.locator("#setting-weight_kg").fill("70")
    dialog.locator("input[name=sex][value=F]").check(force=True)
    dialog.locator("button[type=submit]").click()
    dialog.wait_for(state="detached")
    tab.wait_for_function(
        "old => ![old, undefined].includes(document.querySelector('.class-row')?.textContent)",
        arg=f"{first['result']['category']['label']}{first['result']['category']['text']}",
    )
    after = detail(tab)
    assert after["ef_percent"] == first["ef_percent"]
    assert after["result"]["category"]["key"] != first["result"]["category"]["key"]
    tab.reload()
    measured(tab)
    assert driver.ask(tab, "api/session")["options"]["sex"] == "F"


def test_all_models_on_the_same_frames(visitors, served):
    tab = visitors.open(served)
    driver.choose(tab, [CINE])
    found = measured(tab)
    hook(tab, "nav-compare").click()
    # The page has asked for it by now, or will.
    tab.locator("table.models").wait_for()
    driver.wait(tab, lambda: driver.ask(tab, f"api/items/{found['id']}/compare")["state"] == "done")
    reply = driver.ask(tab, f"api/items/{found['id']}/compare")
    shown = {str(found["result"]["ed_frame"]), str(found["result"]["es_frame"])}
    assert {str(reply["ed_frame"]), str(reply["es_frame"])} == shown
    own = next(model for model in reply["models"] if model["name"] == "camus-seg")
    assert own["ef_text"] == found["result"]["ef_text"] and set(own["contours"]) == shown
    # Models that trace nothing have no contour, and none of another frame.
    assert all(set(model["contours"] or {}) <= shown for model in reply["models"])
    table = tab.locator("table.models")
    table.get_by_text(found["result"]["ef_text"]).first.wait_for()
    assert table.locator("tbody tr").count() == len(reply["models"])
    tab.locator("figure svg path.line").first.wait_for(state="attached")
    assert all(model["experimental"] == (model["name"] != "camus-seg") for model in reply["models"])


def test_about_says_what_it_is_once(visitors, served):
    tab = visitors.open(served, "#/about")
    tab.locator(".about-page h2").wait_for()
    text = tab.locator("body").inner_text()
    assert text.count("Not a medical device") == 1
    assert "10.1109/TMI.2019.2900516" in text and "CC-BY-NC-SA-4.0" in text.replace(
        "CC BY-NC-SA 4.0", "CC-BY-NC-SA-4.0"
    )


def test_no_text_is_missing_and_none_names_an_option_of_the_command_line(visitors, served):
    tab = visitors.open(served)
    missing: list[str] = []
    tab.on("console", lambda message: missing.append(message.text) if "No text for" in message.text else None)
    driver.sample(tab, "cine")
    measured(tab)
    for name in ("beats", "quality", "method", "values"):
        hook(tab, f"tab-{name}").click()
    hook(tab, "correct").click()
    tab.locator(".v-pane.v-ed .v-handle").first.wait_for()
    tab.keyboard.press("?")
    tab.locator("dialog[open]").wait_for()
    text = tab.locator("body").inner_text()
    tab.goto(f"{served.address}#/about")
    tab.locator(".about-page h2").wait_for()
    text += tab.locator("body").inner_text()
    assert (
        missing == []
        and " --" not in text
        and "undefined" not in text
        and "NaN" not in text
        and "{" not in text
    )
