"""No name of a person on the page, in files or in the log; nothing left on the disk; a path prefix."""

from __future__ import annotations

import io
import zipfile

import cv2
import numpy as np
import pytest

from tests.waiting import wait_until
from tests.webapp import driver
from tests.webapp.driver import ask, hook, measured
from tests.webapp.page_files import BURNED_IN, CINE, named_dicom
from tests.webapp.serving import NAMES, serving

pytestmark = pytest.mark.browser

WORDS = [*NAMES, *BURNED_IN.split()]

FRAMES = """async (id) => {
    const reply = await fetch(new URL(`api/items/${id}/frames`, document.baseURI));
    const bytes = new Uint8Array(await reply.arrayBuffer());
    let text = "";
    for (let i = 0; i < bytes.length; i += 32768) text += String.fromCharCode(...bytes.subarray(i, i + 32768));
    return btoa(text);
}"""


def test_a_named_file_leaves_no_name_and_no_trace(visitors, tmp_path):
    file = named_dicom(tmp_path)
    with serving(tmp_path / "served") as served:
        tab = visitors.open(served)
        driver.choose(tab, [file])
        found = measured(tab)
        hook(tab, "tab-method").click()
        assert not names_in(tab.content().encode())
        for path in (f"api/items/{found['id']}", f"api/items/{found['id']}/view", "api/session"):
            assert not names_in(str(ask(tab, path)).encode())
        assert_black_above(frames(tab, found["id"])[0])
        archive = zipfile.ZipFile(io.BytesIO(driver.download(tab, "all.zip")[1]))
        assert len(archive.namelist()) > 4
        for name in archive.namelist():
            assert not names_in(archive.read(name) + name.encode()), name
        left = served.files()
        assert left
        hook(tab, "forget-all").click()
        tab.locator("dialog[open] .button.danger").click()
        hook(tab, "choose").wait_for()
        # The upload and all that was made of it are gone; what stays is the store.
        wait_until(lambda: not [path for path, data in served.contents().items() if names_in(data)])
        wait_until(
            lambda: (
                not [
                    path
                    for path in served.files()
                    if path.suffix.lower() in (".dcm", ".jpg", ".png", ".npz", ".mp4")
                ]
            )
        )
        log = served.log.read_text()
        assert not names_in(log.encode()) and "Traceback" not in log
        # A tab that is still open would miss the server.
        tab.close()
    assert served.files() == []


def names_in(data: bytes) -> list[str]:
    return [word for word in WORDS if word.encode() in data]


def frames(tab, item: str) -> list[np.ndarray]:
    """The frames as the page gets them."""
    import base64

    data = base64.b64decode(tab.evaluate(FRAMES, item))
    assert data[:4] == b"LVEF"
    (count,) = np.frombuffer(data[4:8], "<u4")
    sizes = np.frombuffer(data[8 : 8 + 4 * count], "<u4")
    ends = 8 + 4 * count + np.cumsum(sizes)
    parts = [np.frombuffer(data[end - size : end], np.uint8) for size, end in zip(sizes, ends, strict=True)]
    return [cv2.imdecode(part, cv2.IMREAD_GRAYSCALE) for part in parts]


def assert_black_above(image: np.ndarray) -> None:
    """The name is burned in above the echo; JPEG ripples a little."""
    assert image[: len(image) // 10].max() < 8 < image.max()


def test_a_killed_server_leaves_files_that_the_next_removes(visitors, tmp_path):
    import signal

    visitors.expected_errors += ["Failed to load resource", "ERR_", "NetworkError", "Could not connect"]
    with serving(tmp_path) as served:
        tab = visitors.open(served)
        driver.choose(tab, [CINE])
        measured(tab)
        served.stop(signal.SIGKILL)
    assert served.files()
    with serving(tmp_path) as again:
        wait_until(lambda: not [path for path in again.files() if path.suffix == ".dcm"])
    # A worker of the killed server may take a moment to end.
    wait_until(lambda: not again.files())


def test_below_a_path(visitors, tmp_path):
    with serving(tmp_path, "--base-path", "echo/lab") as served:
        assert served.address.rstrip("/").endswith("/echo/lab")
        tab = visitors.open(served)
        driver.choose(tab, [CINE])
        measured(tab)
        hook(tab, "correct").click()
        tab.locator(".v-pane.v-ed .v-handle").first.wait_for()
        assert driver.download(tab, "measurement.json")[1].startswith(b"{")
        asked = [url for url in visitors.requests if url.startswith("http")]
        assert all(url.startswith(served.address) for url in asked)
        (cookie,) = (c for c in tab.context.cookies() if c["name"] == "lvef_session")
        assert (
            cookie["path"].rstrip("/") == "/echo/lab"
            and cookie["httpOnly"]
            and cookie["sameSite"] == "Strict"
        )
        # A tab that is still open would miss the server.
        tab.close()
