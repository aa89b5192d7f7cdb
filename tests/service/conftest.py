"""Running services: one with a real network for all tests, and quick ones with fakes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import httpx
import pytest

from lvef.service.server import Server, Service, bind_socket
from lvef.service.settings import ServiceSettings
from lvef.service.worker import Worker
from tests.service.fakes import FakeWorker
from tests.waiting import wait_until


class Running:
    """A service in a thread of this process, with its worker processes."""

    def __init__(self, service, client, url):
        self.service, self.client, self.url = service, client, url
        self.jobs = service.jobs

    def send(self, *contents, wait=120, names=None, **fields):
        """Send files of these contents."""
        names = names or [f"clip{i}.avi" for i in range(len(contents))]
        files = [("files", (name, data)) for name, data in zip(names, contents, strict=True)]
        return self.client.post("/v1/measure", files=files, data={"wait": str(wait), **fields})

    def state(self, job):
        return self.client.get(f"/v1/jobs/{job}").json()["state"]


@contextmanager
def run(settings, make=FakeWorker, *, ready=True) -> Iterator[Running]:
    listening = bind_socket(settings)
    service = Service(settings, make)
    up = threading.Event()
    server = Server(service, settings, up.set)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    assert up.wait(300)
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    headers = {"X-API-Key": settings.api_key} if settings.api_key else {}
    try:
        with httpx.Client(base_url=url, timeout=300, headers=headers, trust_env=False) as client:
            running = Running(service, client, url)
            if ready:
                wait_until(lambda: service.jobs.pool.ready == settings.n_workers)
            yield running
    finally:
        server.should_exit = True
        thread.join()
        listening.close()


SMALL = ServiceSettings(port=0, workers=1, threads=1, max_upload_mb=1, grace_seconds=1)


@pytest.fixture
def start(tmp_path):
    """Starts services with fakes: ``with start(max_queue=1) as running``."""

    def begin(make=FakeWorker, *, ready=True, **changes):
        return run(replace(SMALL, data=tmp_path / "data", **changes), make, ready=ready)

    return begin


@pytest.fixture(scope="session")
def quick(tmp_path_factory):
    """A service with a fake worker, for all tests."""
    with run(replace(SMALL, data=tmp_path_factory.mktemp("quick") / "data")) as running:
        yield running


@pytest.fixture(scope="session")
def real(tmp_path_factory):
    """A service with the real network, for all tests."""
    data = tmp_path_factory.mktemp("real") / "data"
    with run(replace(SMALL, data=data, max_upload_mb=64, precision="f32"), Worker) as running:
        yield running


@pytest.fixture(scope="session")
def answered(real, phantom_file):
    """The phantom, measured by the service: the answer's body."""
    answer = real.send(phantom_file.read_bytes(), names=["phantom.avi"])
    assert answer.status_code == 200, answer.text
    return answer.json()
