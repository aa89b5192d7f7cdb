"""What a visitor does on the page, and what its server says. Elements are found by their hooks, not by words."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.waiting import wait_until

ASK = """async ([method, path, body]) => {
    const options = {method, headers: body === null ? {} : {"Content-Type": "application/json"}};
    if (body !== null) options.body = JSON.stringify(body);
    const reply = await fetch(new URL(path, document.baseURI), options);
    const text = await reply.text();
    return [reply.status, text ? JSON.parse(text) : null];
}"""

DROP = """(files) => {
    const data = new DataTransfer();
    for (const [name, text] of files) {
        data.items.add(new File([Uint8Array.from(atob(text), (c) => c.charCodeAt(0))], name));
    }
    for (const type of ["dragenter", "dragover", "drop"]) {
        document.body.dispatchEvent(new DragEvent(type, {dataTransfer: data, bubbles: true, cancelable: true}));
    }
}"""


def hook(tab, name: str):
    """The visible element with ``data-focus="NAME"``."""
    return tab.locator(f'[data-focus="{name}"]:visible')


def ask(tab, path: str, method: str = "GET", body: Any = None) -> Any:
    """What the server replies to the visitor; its status must be good."""
    status, reply = tab.evaluate(ASK, [method, path, body])
    assert status < 300, (path, status, reply)
    return reply


def items(tab) -> list[dict]:
    """The items of the visitor's session in short."""
    return ask(tab, "api/items")["items"]


def shown_id(tab) -> str:
    """The item that the address names."""
    tab.wait_for_function("() => location.hash.startsWith('#/item/')")
    return tab.evaluate("() => location.hash.split('/')[2]")


def detail(tab, item: str | None = None) -> dict:
    """One item in full; the one that is shown without a name."""
    return ask(tab, f"api/items/{item or shown_id(tab)}")


def wait(tab, is_true: Callable[[], object]) -> None:
    """Wait until something holds; the events of the page go on meanwhile."""
    wait_until(is_true, pause=lambda seconds: tab.wait_for_timeout(1000 * seconds))


def wait_items(tab, is_true: Callable[[list[dict]], object]) -> list[dict]:
    """Wait until something holds of the items."""
    found: list[dict] = []

    def look() -> object:
        found[:] = items(tab)
        return is_true(found)

    wait(tab, look)
    return found


def all_ended(found: list[dict]) -> bool:
    """Whether nothing is measured any more."""
    return bool(found) and not any(item["state"] in ("queued", "running") for item in found)


def choose(tab, files: Sequence[Path], name: str = "choose") -> None:
    """Choose files with the button of the start page, or of the dialog *Add files*."""
    # The bar is there before the start page is.
    tab.locator("body[data-shows]").wait_for(state="attached")
    hook(tab, name).or_(hook(tab, "add")).first.wait_for()
    if not hook(tab, name).count():
        hook(tab, "add").click()
    with tab.expect_file_chooser() as chooser:
        hook(tab, name).click()
    chooser.value.set_files([str(file) for file in files])


def drop(tab, files: Sequence[Path]) -> None:
    """Drop small files anywhere on the page, once it listens."""
    tab.locator("body[data-shows]").wait_for(state="attached")
    tab.evaluate(DROP, [[file.name, base64.b64encode(file.read_bytes()).decode()] for file in files])


def sample(tab, name: str) -> None:
    """Measure a sample of the start page."""
    hook(tab, f"sample-{name}").click()


def wait_ef(tab) -> str:
    """Wait for the EF of the shown item; its text."""
    number = tab.locator(".ef-number")
    number.wait_for()
    return number.inner_text()


def measured(tab) -> dict:
    """Wait for the EF; the item in full, once its EF is the one on the page."""
    found: dict = {}

    def look() -> bool:
        text = wait_ef(tab)
        found.update(detail(tab))
        result = found["result"] or {"ef_text": ""}
        return "".join(text.split()) == "".join(result["ef_text"].split())

    wait(tab, look)
    return found


def download(tab, name: str) -> tuple[str, bytes]:
    """A file of the shown item by the menu *Files*; its name and content."""
    hook(tab, "files").click()
    with tab.expect_download() as waiting:
        tab.locator(f'a[href$="/files/{name}"]:visible').last.click()
    return waiting.value.suggested_filename, Path(waiting.value.path()).read_bytes()


def follow_download(tab, link) -> bytes:
    """What a link downloads."""
    with tab.expect_download() as waiting:
        link.click()
    return Path(waiting.value.path()).read_bytes()


def messages(tab) -> list[str]:
    """The messages that are shown."""
    return tab.locator("#messages .message p").all_inner_texts()


def wait_message(tab) -> str:
    """Wait for a message; its sentence."""
    tab.locator("#messages .message p").first.wait_for()
    return messages(tab)[-1]


def go_back(tab) -> None:
    """The back button."""
    before = tab.evaluate("() => location.href")
    tab.evaluate("() => history.back()")
    tab.wait_for_function("before => location.href !== before", arg=before)


def texts() -> dict:
    """The page's catalogue."""
    import lvef.webapp

    path = Path(lvef.webapp.__file__).parent / "static" / "texts" / "en.json"
    return json.loads(path.read_text(encoding="utf-8"))
