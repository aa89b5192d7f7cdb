"""One server and one browser for all tests of the page."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


@dataclass
class Served:
    """A running ``lvef app``: its address, the folder of its temporary files, what it wrote."""

    address: str
    temporary: Path
    log: Path


@pytest.fixture(scope="module", autouse=True)
def own_main():
    """Streamlit's test runner puts the page in the place of ``__main__``; processes started later would run it."""
    main = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = main


@pytest.fixture(scope="module", autouse=True)
def own_monitor():
    """The thread that looks after visitors ends with the module: it would ask the runtimes that later tests put in place."""
    yield
    session = sys.modules.get("lvef.webapp.session")
    if session is not None and session._session_monitor.cache_info().currsize:
        session._session_monitor().close()
        session._session_monitor.cache_clear()


@pytest.fixture(scope="session")
def served(tmp_path_factory):
    """``lvef app`` on a free port, with a temporary folder of its own."""
    pytest.importorskip("streamlit", reason='the page needs pip install "lvef[app]"')
    folder = tmp_path_factory.mktemp("page")
    temporary = folder / "tmp"
    temporary.mkdir()
    log = folder / "log"
    command = [sys.executable, "-m", "lvef.cli.main", "app", "--port", "0", "--no-open"]
    with log.open("w") as errors:
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            cwd=folder,
            env={**os.environ, "TMPDIR": str(temporary)},
        )
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert address.startswith("http://127.0.0.1:"), log.read_text()
        yield Served(address, temporary, log)
        process.terminate()
        process.wait(120)
        process.stdout.close()


@pytest.fixture(scope="module")
def chromium():
    """A headless Chromium. One a module: Playwright allows no two at the same time."""
    api = pytest.importorskip("playwright.sync_api", reason="browser tests need playwright")
    if CHROMIUM is None:
        pytest.skip("browser tests need a Chromium on the machine")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def visitor(chromium, served):
    """Opens tabs, each a visitor of its own; no request of theirs may leave this machine."""
    contexts, asked = [], []

    def open_tab(path: str = "", **settings):
        context = chromium.new_context(viewport={"width": 1366, "height": 900}, **settings)
        context.set_default_timeout(180_000)  # only keeps a broken page from hanging
        contexts.append(context)
        tab = context.new_page()
        tab.on("request", lambda request: asked.append(request.url))
        tab.goto(served.address + path)
        tab.get_by_role("heading", level=1).wait_for()
        return tab

    yield open_tab
    for context in contexts:
        context.close()
    assert asked
    inside = (served.address, served.address.replace("http", "ws", 1), "data:", "blob:")
    assert not [url for url in asked if not url.startswith(inside)]
