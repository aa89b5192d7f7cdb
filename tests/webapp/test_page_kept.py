"""Nothing is lost: reload, back, a closed tab, Stop and Try again, an upload that breaks off, a session that is gone."""

from __future__ import annotations

import socket
import urllib.parse

import pytest

from tests.waiting import wait_until
from tests.webapp import driver
from tests.webapp.driver import all_ended, hook, measured, wait_items
from tests.webapp.page_files import CINE
from tests.webapp.serving import serving

pytestmark = pytest.mark.browser


def test_reload_closed_tab_and_back_keep_the_result(visitors, served):
    tab = visitors.open(served)
    driver.sample(tab, "cine")
    before = measured(tab)
    tab.reload()
    assert measured(tab)["id"] == before["id"]
    hook(tab, "nav-about").click()
    tab.locator(".ef-number").wait_for(state="hidden")
    driver.go_back(tab)
    assert measured(tab)["ef_percent"] == before["ef_percent"]
    context = tab.context
    tab.close()
    again = visitors.open(served, context=context)
    assert measured(again)["id"] == before["id"]
    second = visitors.open(served, context=context)
    assert measured(second)["id"] == before["id"]


def test_another_visitor_sees_nothing(visitors, served, tmp_path):
    mine = tmp_path / "only-mine.dcm"
    mine.write_bytes(CINE.read_bytes())
    tab = visitors.open(served)
    driver.choose(tab, [mine])
    found = measured(tab)
    other = visitors.open(served)
    hook(other, "choose").wait_for()
    assert driver.items(other) == []
    visitors.expected_errors += ["404"]
    status, _ = other.evaluate(driver.ASK, ["GET", f"api/items/{found['id']}", None])
    assert status == 404
    other.goto(f"{served.address}#/item/{found['id']}")
    driver.wait_message(other)
    assert "only-mine" not in other.content()


def test_forget_leaves_nothing_and_back_gives_a_sentence(visitors, served, tmp_path):
    tab = visitors.open(served)
    driver.sample(tab, "cine")
    found = measured(tab)
    hook(tab, "nav-about").click()
    tab.locator(".ef-number").wait_for(state="hidden")
    driver.go_back(tab)
    measured(tab)
    hook(tab, "forget-all").click()
    tab.locator("dialog[open] .button.danger").click()
    hook(tab, "choose").wait_for()
    assert driver.items(tab) == []
    tab.evaluate("id => { location.hash = `#/item/${id}`; }", found["id"])
    assert driver.wait_message(tab).endswith(".")
    hook(tab, "choose").wait_for()
    assert tab.locator(".ef-number:visible").count() == 0


def test_stop_then_try_again_beside_another_clip(visitors, served, long_clip):
    tab = visitors.open(served)
    driver.choose(tab, [long_clip])
    tab.locator("progress").wait_for()
    wait_items(tab, lambda items: items and items[0]["state"] == "running" and items[0]["progress"] > 0)
    # Another clip meanwhile.
    driver.choose(tab, [CINE])
    wait_items(tab, lambda items: len(items) == 2)
    long_id = next(item["id"] for item in driver.items(tab) if item["name"] == long_clip.name)
    tab.goto(f"{served.address}#/item/{long_id}")
    hook(tab, "stop").click()
    found = wait_items(tab, lambda items: all_ended(items))
    states = {item["name"]: item["state"] for item in found}
    assert states == {long_clip.name: "stopped", CINE.name: "done"}
    tab.reload()
    hook(tab, "again").click()
    wait_items(tab, lambda items: next(i for i in items if i["id"] == long_id)["state"] == "running")
    hook(tab, "stop").click()
    wait_items(tab, lambda items: next(i for i in items if i["id"] == long_id)["state"] == "stopped")
    hook(tab, "again").wait_for()
    assert len(driver.items(tab)) == 2


def test_an_upload_that_breaks_off_can_be_tried_again(visitors, served):
    visitors.expected_errors += ["Failed to load resource", "ERR_", "NetworkError"]
    tab = visitors.open(served)
    tab.route("**/api/uploads*", lambda route: route.abort())
    driver.choose(tab, [CINE])
    hook(tab, "again").wait_for()
    assert driver.wait_message(tab).endswith(".")
    assert driver.items(tab) == []
    tab.unroute("**/api/uploads*")
    hook(tab, "again").click()
    measured(tab)


def test_a_connection_that_breaks_leaves_no_part_of_the_file(visitors, served):
    tab = visitors.open(served)
    hook(tab, "choose").wait_for()
    cookie = next(c for c in tab.context.cookies() if c["name"] == "lvef_session")
    before = set(served.files())
    parts = urllib.parse.urlsplit(served.address)
    with socket.create_connection((parts.hostname, parts.port)) as line:
        head = f"POST {parts.path.rstrip('/')}/api/uploads?name=cut.avi HTTP/1.1\r\nHost: {parts.netloc}\r\n"
        head += f"Origin: http://{parts.netloc}\r\nContent-Type: application/octet-stream\r\n"
        head += f"Cookie: lvef_session={cookie['value']}\r\nContent-Length: 5000000\r\n\r\n"
        line.sendall(head.encode() + bytes(1_000_000))
        wait_until(lambda: any(data for path, data in served.contents().items() if path not in before))
    wait_until(
        lambda: (
            not [
                path
                for path, data in served.contents().items()
                if path not in before and (path.suffix == ".avi" or len(data) > 10_000)
            ]
        )
    )
    assert driver.items(tab) == []


def test_what_is_too_large_is_refused_before_it_is_sent(visitors, tmp_path):
    vast, large = tmp_path / "vast.avi", tmp_path / "large.avi"
    for file, size in ((vast, 2**31), (large, 2**21)):
        with file.open("wb") as opened:
            opened.truncate(size)
    with serving(tmp_path, "--max-upload-mb", "1") as served:
        tab = visitors.open(served)
        for file in (large, vast):
            driver.choose(tab, [file])
            tab.locator("#messages").get_by_text(file.name).wait_for()
        assert driver.items(tab) == [] and len(driver.messages(tab)) == 2
        assert not [url for url in visitors.requests if "/api/uploads" in url]
        # What does not ask first is refused as well.
        visitors.expected_errors += ["413"]
        status, reply = tab.evaluate(
            """async () => {
                const reply = await fetch(new URL("api/uploads?name=large.avi", document.baseURI),
                    {method: "POST", headers: {"Content-Type": "application/octet-stream"}, body: new Uint8Array(2**21)});
                return [reply.status, await reply.json()];
            }"""
        )
        assert status == 413 and reply["error"]["message"].endswith(".")
        # A tab that is still open would miss the server.
        tab.close()


def test_a_session_that_is_gone_gives_a_sentence(visitors, served):
    visitors.expected_errors += ["401", "403", "404", "410"]
    tab = visitors.open(served)
    driver.sample(tab, "cine")
    measured(tab)
    tab.context.clear_cookies()
    tab.evaluate("() => window.dispatchEvent(new Event('online'))")
    assert driver.wait_message(tab).endswith(".")
    hook(tab, "choose").wait_for()
    # And the page works again.
    driver.sample(tab, "cine")
    measured(tab)


def test_a_server_that_starts_again_has_everything_with_a_folder(visitors, tmp_path):
    visitors.expected_errors += ["Failed to load resource", "ERR_", "NetworkError", "Could not connect"]
    data = tmp_path / "data"
    with serving(tmp_path, "--data", str(data)) as served:
        tab = visitors.open(served)
        driver.sample(tab, "cine")
        before = measured(tab)
        port = urllib.parse.urlsplit(served.address).port
        served.stop()
        tab.evaluate("() => window.dispatchEvent(new Event('online'))")
        tab.locator("#banner:visible").wait_for()
    with serving(tmp_path, "--data", str(data), port=port) as served:
        tab.locator("#banner").wait_for(state="hidden")
        assert measured(tab)["id"] == before["id"]
        tab.reload()
        assert measured(tab)["ef_percent"] == before["ef_percent"]
