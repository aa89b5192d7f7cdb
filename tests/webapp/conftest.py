"""One server and one browser at a time for all tests of the page."""

from __future__ import annotations

import numpy as np
import pytest

from tests.webapp.browsers import BROWSERS, PATIENCE_MS, launched
from tests.webapp.serving import Served, serving


@pytest.fixture(scope="session")
def served(tmp_path_factory):
    """``lvef app`` on a free port, with a temporary folder of its own."""
    for package in ("fastapi", "uvicorn"):
        pytest.importorskip(package, reason='the page needs pip install "lvef[app]"')
    with serving(tmp_path_factory.mktemp("page")) as found:
        yield found


@pytest.fixture(scope="module", params=BROWSERS)
def browser_name(request) -> str:
    """Each browser in turn: all tests of a module in the one, then all in the other."""
    return request.param


@pytest.fixture(scope="module")
def browser(browser_name):
    """A headless browser, one process for the tests of a module."""
    with launched(browser_name) as found:
        yield found


@pytest.fixture(scope="module")
def chromium():
    """A headless Chromium, for tests of what does not depend on the browser."""
    with launched("chromium") as found:
        yield found


class Visitors:
    """Opens tabs, each a visitor of its own unless it is given another's context."""

    def __init__(self, browser):
        self.browser = browser
        self.contexts: list = []
        self.requests: list[str] = []
        self.errors: list[str] = []
        self.expected_errors: list[str] = []
        self.origins: set[str] = set()

    def context(self, **settings):
        context = self.browser.new_context(**{"viewport": {"width": 1366, "height": 768}, **settings})
        context.set_default_timeout(PATIENCE_MS)
        self.contexts.append(context)
        return context

    def open(self, served: Served | str, path: str = "", *, context=None, **settings):
        address = served if isinstance(served, str) else served.address
        self.origins.add(address.split("/", 3)[2])
        tab = (context or self.context(**settings)).new_page()
        tab.on("request", lambda request: self.requests.append(request.url))
        tab.on("pageerror", lambda error: self.errors.append(str(error)))
        tab.on("console", self._listen)
        tab.goto(address.rstrip("/") + "/" + path)
        return tab

    def _listen(self, message) -> None:
        if message.type == "error":
            self.errors.append(message.text)

    def unexpected(self) -> list[str]:
        return [e for e in self.errors if not any(part in e for part in self.expected_errors)]


def _visitors(browser):
    found = Visitors(browser)
    yield found
    # Before the tabs are closed: requests that break off then are no errors.
    errors = found.unexpected()
    for context in found.contexts:
        context.close()
    assert found.requests
    local = tuple(f"http://{origin}/" for origin in found.origins)
    assert not [url for url in found.requests if not url.startswith((*local, "data:", "blob:"))]
    assert errors == []


@pytest.fixture
def visitors(browser):
    """Visitors in each browser. No request of theirs leaves the server, and no error stands in their console."""
    yield from _visitors(browser)


@pytest.fixture
def chromium_visitors(chromium):
    """Visitors in Chromium alone."""
    yield from _visitors(chromium)


@pytest.fixture(scope="session")
def long_clip(phantom_clip, tmp_path_factory):
    """A clip that is measured long enough to be met on the way; as long as is read (`lvef.io.limits.MAX_FRAMES`)."""
    from lvef.io.avi import encode_motion_jpeg

    path = tmp_path_factory.mktemp("long") / "long.avi"
    path.write_bytes(encode_motion_jpeg(np.concatenate([phantom_clip.clip.frames] * 33), 50.0))
    return path
