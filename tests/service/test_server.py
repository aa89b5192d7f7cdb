import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace

import httpx
import pytest

from lvef.core.errors import ConfigError, WeightsError
from lvef.service.server import is_loopback, resolve_api_key, run_service
from lvef.service.settings import KEY_VARIABLE, ServiceSettings
from lvef.service.store import STORE_NAME, ResultStore
from tests.house import ROOT
from tests.service.test_worker import is_gone
from tests.waiting import wait_until

KEY = "0123456789abcdef"

COMMAND = "from lvef.cli.main import main; main()"

SCRIPT = """
import sys
from pathlib import Path
from lvef.service.server import run_service
from lvef.service.settings import ServiceSettings
from tests.service.fakes import FakeWorker
if __name__ == "__main__":
    settings = ServiceSettings(port=0, workers=1, threads=1, data=Path(sys.argv[1]), grace_seconds=int(sys.argv[2]))
    run_service(settings, announce=lambda url: print(url, flush=True), worker_factory=FakeWorker)
"""


@contextmanager
def process(tmp_path, grace=5):
    script = tmp_path / "service.py"
    script.write_text(SCRIPT)
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}
    command = [sys.executable, str(script), str(tmp_path / "data"), str(grace)]
    with (
        (tmp_path / "log").open("a") as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=env) as service,
    ):
        try:
            url = service.stdout.readline().strip()
            assert re.fullmatch(r"http://127\.0\.0\.1:\d+", url)
            with httpx.Client(base_url=url, timeout=300, trust_env=False) as client:
                yield service, client
        finally:
            service.kill()


def test_the_command(tmp_path):
    command = [
        sys.executable,
        "-c",
        COMMAND,
        "serve",
        "--port",
        "0",
        "--workers",
        "1",
        "--data",
        str(tmp_path),
    ]
    env = {name: value for name, value in os.environ.items() if name != KEY_VARIABLE}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env
    ) as service:
        try:
            url = service.stdout.readline().strip()
            assert re.fullmatch(r"http://127\.0\.0\.1:\d+", url)
            with httpx.Client(base_url=url, timeout=300, trust_env=False) as client:
                assert client.get("/healthz").status_code in (200, 503)
                assert client.get("/docs").status_code == 200
            service.send_signal(signal.SIGTERM)
            out, log = service.communicate(timeout=300)
        finally:
            service.kill()
    assert service.returncode == 0
    assert out == ""
    assert "GET /docs 200" in log
    assert "Traceback" not in log


def send(client, data, wait=0):
    answer = client.post("/v1/measure", files={"files": ("MEIER.avi", data)}, data={"wait": str(wait)})
    return answer.json()["jobs"][0]["id"]


def state(client, job):
    return client.get(f"/v1/jobs/{job}").json()["state"]


def kept(tmp_path, job):
    """What the database says of a job, once the service is gone."""
    store = ResultStore(tmp_path / "data" / STORE_NAME, 3600.0, 2**30)
    try:
        return store.job(job)
    finally:
        store.close()


def uploads(tmp_path):
    return list((tmp_path / "data" / "spool").rglob("*.avi"))


def test_killed_in_the_middle_and_started_again(tmp_path):
    with process(tmp_path) as (service, client):
        done = send(client, b"ok", wait=120)
        runs = send(client, b"sleep")
        waits = send(client, b"ok")
        wait_until(lambda: state(client, runs) == "running")
        assert len(uploads(tmp_path)) == 2
        children = subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(service.pid)], capture_output=True, text=True
        )
        service.send_signal(signal.SIGKILL)
        service.wait()
        for pid in children.stdout.split():
            wait_until(lambda pid=pid: is_gone(int(pid)))
    assert len(uploads(tmp_path)) == 2, "nobody was there to remove them"
    with process(tmp_path) as (_, client):
        assert uploads(tmp_path) == []
        assert len(list((tmp_path / "data" / "spool").iterdir())) == 1
        assert state(client, done) == "done"
        assert client.get(f"/v1/results/{done}").json()["ef_percent"] == 55.0
        for job in (runs, waits):
            told = client.get(f"/v1/jobs/{job}").json()
            assert (told["state"], told["error"]["code"]) == ("failed", "service_stopped")
        again = send(client, b"ok", wait=120)
        assert state(client, again) == "done"
    assert "MEIER" not in (tmp_path / "log").read_text()
    assert "Traceback" not in (tmp_path / "log").read_text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.slow
def test_at_a_stop_signal_it_lets_a_running_job_finish(tmp_path, number):
    with process(tmp_path, grace=300) as (service, client):
        runs = send(client, f"until {tmp_path / 'go'}".encode())
        wait_until(lambda: state(client, runs) == "running")
        service.send_signal(number)
        (tmp_path / "go").touch()
        assert service.wait(300) == 0
    assert list((tmp_path / "data" / "spool").iterdir()) == []
    assert kept(tmp_path, runs).state == "done"
    assert "Traceback" not in (tmp_path / "log").read_text()


def test_at_a_stop_signal_it_does_not_wait_for_ever(tmp_path):
    with process(tmp_path, grace=0) as (service, client):
        runs = send(client, b"sleep")
        wait_until(lambda: state(client, runs) == "running")
        service.send_signal(signal.SIGTERM)
        assert service.wait(300) == 0
    assert list((tmp_path / "data" / "spool").iterdir()) == []
    assert kept(tmp_path, runs).code == "service_stopped"


@pytest.mark.slow
def test_two_services_share_a_folder(tmp_path):
    with process(tmp_path) as (_, one), process(tmp_path) as (_, other):
        job = send(one, f"until {tmp_path / 'go'}".encode())
        assert state(other, job) in ("queued", "running")
        (tmp_path / "go").touch()
        wait_until(lambda: state(other, job) == "done")
        assert other.get(f"/v1/results/{job}").status_code == 200


NEAR, FAR = ("127.0.0.1", "127.1.2.3", "::1", "localhost"), ("0.0.0.0", "::", "192.168.0.1", "echo.example")


@pytest.mark.parametrize(("host", "own"), [*((h, True) for h in NEAR), *((h, False) for h in FAR)])
def test_loopback(host, own):
    assert is_loopback(host) is own


def test_a_key_is_needed_where_others_can_reach_it(tmp_path, monkeypatch):
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    near, far = ServiceSettings(), ServiceSettings(host="0.0.0.0")
    assert resolve_api_key(near, None, no_key=False).api_key == ""
    with pytest.raises(ConfigError, match="an API key is needed"):
        resolve_api_key(far, None, no_key=False)
    assert resolve_api_key(far, None, no_key=True).api_key == ""
    (tmp_path / "key").write_text(f"{KEY}\n")
    assert resolve_api_key(far, tmp_path / "key", no_key=False).api_key == KEY
    monkeypatch.setenv(KEY_VARIABLE, KEY + "2")
    assert resolve_api_key(far, None, no_key=False).api_key == KEY + "2"
    assert resolve_api_key(near, None, no_key=False).api_key == KEY + "2"
    assert resolve_api_key(far, tmp_path / "key", no_key=False).api_key == KEY
    assert resolve_api_key(far, None, no_key=True).api_key == ""


WRONG_KEYS = ["", "qwxz", "a" * 15, "a key with spaces in it", "kéy" * 10, "a" * 20 + "\nb"]


@pytest.mark.parametrize("text", WRONG_KEYS, ids=range(len(WRONG_KEYS)))
def test_keys_that_are_none(tmp_path, monkeypatch, text):
    (tmp_path / "key").write_text(text)
    with pytest.raises(ConfigError, match="holds no key") as error:
        resolve_api_key(ServiceSettings(), tmp_path / "key", no_key=False)
    assert not text or text not in str(error.value)


def test_a_key_file_that_is_not_there(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        resolve_api_key(ServiceSettings(), tmp_path / "none", no_key=False)


def test_a_port_that_is_taken(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = ServiceSettings(port=taken.getsockname()[1], data=tmp_path)
        with pytest.raises(ConfigError, match="cannot be used"):
            run_service(settings, announce=print)


def test_a_network_that_is_not_there(tmp_path):
    with pytest.raises(WeightsError, match="No model named soup"):
        run_service(replace(ServiceSettings(port=0, data=tmp_path), weights="soup"), announce=print)


def test_a_service_that_found_no_thread_for_a_job_stops(start, monkeypatch):
    with start() as running:

        def refuse(*_):
            raise RuntimeError("can't start new thread")

        with monkeypatch.context() as without:
            without.setattr(running.jobs._writer, "submit", refuse)
            assert running.send(b"a").json()["error"]["code"] == "no_memory"
        assert not running.jobs._live
        assert running.send(b"b").status_code == 200


def test_a_job_that_cannot_be_kept_is_finished_all_the_same(start, monkeypatch):
    with start() as running:

        async def refuse(*_):
            raise MemoryError

        with monkeypatch.context() as without:
            without.setattr(running.jobs, "_keep", refuse)
            running.send(b"a")
        assert not running.jobs._live
