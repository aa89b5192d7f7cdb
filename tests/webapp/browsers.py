"""The browsers of the tests: a headless Chromium and a headless Firefox, both of the machine."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

BROWSERS = ("chromium", "firefox")

PROGRAMS = {
    "chromium": ("chromium", "chromium-browser", "google-chrome"),
    "firefox": ("firefox-esr", "firefox"),
}

SETTINGS: dict[str, dict[str, Any]] = {
    "chromium": {"args": ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]},
    # By WebDriver BiDi, which every Firefox has; Playwright's own channel needs a Firefox of Playwright's.
    # Without the cache of left pages, Playwright sees that going back has ended.
    "firefox": {
        "channel": "moz-firefox",
        "firefox_user_prefs": {
            "browser.sessionhistory.max_total_viewers": 0,
            "fission.bfcacheInParent": False,
            "app.normandy.enabled": False,
            "network.captive-portal-service.enabled": False,
            "network.connectivity-service.enabled": False,
        },
    },
}


PATIENCE_MS = 180_000
"""Only keeps a broken page, or a broken browser, from hanging."""


def program(name: str) -> str | None:
    """Where the browser is, if it is."""
    return next((found for word in PROGRAMS[name] if (found := shutil.which(word))), None)


@contextmanager
def launched(name: str) -> Iterator[Any]:
    """A running browser. One at a time: Playwright allows no two in a thread."""
    api = pytest.importorskip("playwright.sync_api", reason="browser tests need playwright")
    path = program(name)
    if path is None:
        pytest.skip(f"no {name} on this machine")
    with api.sync_playwright() as playwright:
        browser = getattr(playwright, name).launch(
            executable_path=path, timeout=PATIENCE_MS, **SETTINGS[name]
        )
        try:
            browser.new_context().close()
        except api.Error as error:  # a Playwright that is too new for this Firefox
            browser.close()
            pytest.skip(f"this Playwright cannot drive this {name}: {error.message.splitlines()[0]}")
        yield browser
        browser.close()
