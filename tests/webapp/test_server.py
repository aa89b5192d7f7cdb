"""``lvef app`` as a process and its folder: restarts, orphans, locks, and what expires."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import httpx
import pytest

pytest.importorskip("uvicorn", reason='the page needs pip install "lvef[app]"')

from lvef.core.errors import ConfigError
from lvef.io.uploads import UploadStore
from lvef.webapp.server import FOLDER_PREFIX, page_address, page_folder
from lvef.webapp.settings import AppSettings
from tests.waiting import wait_until
from tests.webapp.pages import SMALL, running

SCRIPT = """
import sys
from pathlib import Path
from lvef.webapp.server import run_app
from lvef.webapp.settings import AppSettings
from tests.webapp.fakes import FakePageWorker
if __name__ == "__main__":
    data = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    run_app(AppSettings(port=0, data=data), lambda address: print(address, flush=True), worker_factory=FakePageWorker)
"""


@pytest.fixture
def start(tmp_path, repository):
    """Starts pages in processes of their own: their address and process."""
    script, temporary, processes = tmp_path / "serve.py", tmp_path / "tmp", []
    script.write_text(SCRIPT)
    temporary.mkdir()

    def begin(*words):
        process = subprocess.Popen(
            [sys.executable, str(script), *words],
            stdout=subprocess.PIPE,
            text=True,
            env={
                **os.environ,
                "TMPDIR": str(temporary),
                "PYTHONPATH": os.pathsep.join([str(repository), *sys.path]),
            },
        )
        processes.append(process)
        return process.stdout.readline().strip(), process

    yield begin
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.wait()
        process.stdout.close()


@pytest.mark.slow
def test_a_temporary_folder_goes_with_the_page_and_one_that_was_killed_with_the_next(start, tmp_path):
    temporary = tmp_path / "tmp"
    address, process = start()
    with httpx.Client(base_url=address, trust_env=False) as client:
        assert client.post("api/uploads", params={"name": "a.avi"}, content=b"clip").status_code == 201
    (folder,) = temporary.iterdir()
    assert folder.name.startswith(FOLDER_PREFIX) and folder.stat().st_mode & 0o777 == 0o700
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert folder.is_dir()
    _, second = start()
    assert folder not in list(temporary.iterdir()) and len(list(temporary.iterdir())) == 1
    second.terminate()
    assert second.wait(60) == 0
    assert list(temporary.iterdir()) == []


@pytest.mark.slow
def test_a_page_goes_on_after_a_restart(tmp_path):
    """Files, results, corrections and the session are there again; what was not measured says so."""
    with running(tmp_path / "data") as first:
        visitor = first.visitor()
        done, waits = visitor.measured(names=["a.avi"]), visitor.add(b"sleep")
        wait_until(lambda: visitor.detail(waits)["state"] == "running")
        visitor.put("api/options", json={"sex": "M"})
        body = {"revision": 1, "edit": {"ed_frame": 0, "es_frame": 18}, "history": [1]}
        corrected = visitor.put(f"api/items/{done['id']}/edit", json=body).json()
        cookie = visitor.client.cookies["lvef_session"]
    # In another place, such as a volume that is mounted elsewhere.
    (tmp_path / "data").rename(tmp_path / "moved")
    with running(tmp_path / "moved") as second:
        visitor = second.visitor()
        visitor.client.cookies.set("lvef_session", cookie)
        # A tab that stayed open asks for its result first.
        assert visitor.detail(done) == corrected
        values = visitor.get("api/session").json()
        assert [item["state"] for item in values["items"]] == ["done", "stopped"] and "notice" not in values
        assert values["options"]["sex"] == "M"
        assert visitor.detail(done) == corrected
        again = visitor.post(f"api/items/{done['id']}/measure", json={}).json()
        assert visitor.finished(again)["ef_percent"] == done["ef_percent"]


def test_a_kept_folder_is_for_one_page(tmp_path):
    settings = AppSettings(data=tmp_path / "data")
    with page_folder(settings) as folder:
        assert folder == tmp_path / "data" and folder.stat().st_mode & 0o777 == 0o700
        with pytest.raises(ConfigError, match="is used by another"), page_folder(settings):
            pass
    with page_folder(settings):
        pass


def test_other_files_in_the_temporary_folder_are_left_alone(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    other = UploadStore(tmp_path, FOLDER_PREFIX)
    (tmp_path / "mine").mkdir()
    with page_folder(AppSettings()) as folder:
        assert set(tmp_path.iterdir()) == {folder, other.folder, tmp_path / "mine"}
    assert set(tmp_path.iterdir()) == {other.folder, tmp_path / "mine"}
    other.close()


def test_what_has_expired_is_deleted(tmp_path):
    with running(tmp_path, replace(SMALL, keep_hours=1.0)) as found:
        visitor = found.visitor()
        began = time.time()
        item, other = visitor.measured(), visitor.upload()
        page = found.page

        def purge(now):
            asyncio.run_coroutine_threadsafe(page.purge(now), page.jobs._loop).result(60)

        # Counted so that the time which the steps above took decides nothing.
        purge(began + 3000)
        assert visitor.detail(item) == item
        purge(time.time() + 3700)
        assert visitor.get(f"api/items/{item['id']}").status_code == 404
        assert list(page.uploads_folder.iterdir()) == [] and page.jobs.store.count() == 0
        assert visitor.error(visitor.post("api/items", json={"kind": "clip", "uploads": [other]}))[0] == 404
        assert visitor.get("api/items").json()["notice"]["code"] == "session_expired"


def test_addresses():
    assert page_address(AppSettings(), 1) == "http://127.0.0.1:1/"
    assert page_address(AppSettings(host="0.0.0.0", base_path="/echo/"), 2) == "http://localhost:2/echo/"
    assert page_address(AppSettings(host="::1"), 3) == "http://[::1]:3/"


def test_settings_of_the_jobs(tmp_path):
    service = AppSettings(max_upload_mb=7, base_path="echo", keep_hours=3).service(tmp_path)
    assert (service.max_upload_mb, service.root_path, service.keep_hours, service.data) == (
        7,
        "/echo",
        3,
        tmp_path,
    )
    assert service.allow_host == ("127.0.0.1",) and service.workers >= 2
    # Where other machines may come in, they may come by any name.
    assert AppSettings(host="0.0.0.0").service(tmp_path).allow_host == ("*",)
