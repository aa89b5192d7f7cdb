"""Pages in this process, with a worker that needs no model, and what a test sends to them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx

from lvef.service.server import Server, bind_socket
from lvef.webapp.server import PageApp
from lvef.webapp.settings import AppSettings
from tests.waiting import wait_until
from tests.webapp.fakes import PLAIN, FakePageWorker

SMALL = AppSettings(port=0, max_upload_mb=1)


class RunningPage:
    """A page in a thread of this process."""

    def __init__(self, app: PageApp, url: str) -> None:
        self.app, self.page, self.jobs, self.url = app, app.page, app.jobs, url
        self.clients: list[httpx.Client] = []

    def visitor(self, **headers: str) -> Visitor:
        """A visitor with a session of their own."""
        client = httpx.Client(base_url=self.url, timeout=300, headers=headers, trust_env=False)
        self.clients.append(client)
        return Visitor(client)


class Visitor:
    """Requests of one visitor."""

    def __init__(self, client: httpx.Client) -> None:
        self.client = client
        self.get, self.post, self.put, self.delete = client.get, client.post, client.put, client.delete

    def upload(self, data: bytes = PLAIN, name: str = "clip.avi") -> str:
        """Send a file; its id."""
        answer = self.post("api/uploads", params={"name": name}, content=data)
        assert answer.status_code == 201, answer.text
        return answer.json()["upload"]

    def add(self, *contents: bytes, kind: str = "clip", names: list[str] | None = None) -> dict:
        """Send files and measure them; the summary."""
        contents = contents or (PLAIN,)
        names = names or [f"{kind}{number}.avi" for number in range(len(contents))]
        uploads = [self.upload(data, name) for data, name in zip(contents, names, strict=True)]
        answer = self.post("api/items", json={"kind": kind, "uploads": uploads})
        assert answer.status_code == 201, answer.text
        return answer.json()

    def finished(self, item: dict) -> dict:
        """The detail of an item once it is measured."""
        wait_until(lambda: self.detail(item)["state"] not in ("queued", "running"))
        return self.detail(item)

    def detail(self, item: dict) -> dict:
        """Everything about an item."""
        answer = self.get(f"api/items/{item['id']}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def measured(self, *contents: bytes, **changes) -> dict:
        """The detail of files that were sent and measured."""
        return self.finished(self.add(*contents, **changes))

    def error(self, answer: httpx.Response) -> tuple[int, str, str]:
        """Status, code and sentence of an error."""
        error = answer.json()["error"]
        assert set(error) == {"code", "message"}
        assert error["message"][-1] in ".!" and "--" not in error["message"] and " /" not in error["message"]
        return answer.status_code, error["code"], error["message"]


@contextmanager
def running(
    folder: Path, settings: AppSettings = SMALL, make=FakePageWorker, *, ready=True, **service
) -> Iterator[RunningPage]:
    """A page whose files lie in a folder."""
    kept = {"workers": 1, "threads": 1, "grace_seconds": 1, **service}
    fixed = type(
        "Fixed",
        (AppSettings,),
        {"__slots__": (), "service": lambda self, f: replace(AppSettings.service(self, f), **kept)},
    )
    own = fixed(**{name: getattr(settings, name) for name in AppSettings.__dataclass_fields__})
    folder.mkdir(parents=True, exist_ok=True)
    app = PageApp(own, folder, make)
    listening = bind_socket(app.jobs.settings)
    up = threading.Event()
    server = Server(app, app.jobs.settings, up.set)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    assert up.wait(300)
    found = RunningPage(app, f"http://127.0.0.1:{listening.getsockname()[1]}{settings.root_path}/")
    try:
        if ready:
            wait_until(lambda: app.jobs.pool.ready == 1)
        yield found
    finally:
        for client in found.clients:
            client.close()
        server.should_exit = True
        thread.join()
        listening.close()
