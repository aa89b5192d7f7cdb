"""What a hostile client can send: each is answered by a status and one sentence, or cut off, and the service goes on."""

from __future__ import annotations

import errno
import json
import socket
import time
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from lvef.service import protocol, streams
from lvef.service.middleware import LOG
from lvef.service.server import _log_error

HEAD = "Host: localhost\r\n"


@contextmanager
def connected(running):
    address = urlsplit(running.url)
    with socket.create_connection((address.hostname, address.port), timeout=60) as client:
        yield client


def everything(client) -> bytes:
    """All that comes until the service closes the connection."""
    parts = []
    try:
        while part := client.recv(65536):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


def exchange(running, data: bytes) -> tuple[int, dict]:
    """Status and error of the answer to raw bytes."""
    with connected(running) as client:
        client.sendall(data)
        return read_error(everything(client))


def read_error(data: bytes) -> tuple[int, dict]:
    head, _, body = data.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)["error"]


def goes_on(running):
    assert running.client.get("/healthz").status_code == 200
    assert running.jobs._reserved == 0
    assert not running.jobs.upload_store.uploads()


def request(body: bytes, kind: str, path: str = "/v1/measure", *more: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}", "Connection: close"]
    lines += [f"Content-Type: {kind}"] * bool(kind)
    return "\r\n".join([*lines, *more, "", ""]).encode() + body


NO_REQUESTS = {
    "words": b"hello there\r\n\r\n",
    "tls": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64),
    "two lengths": b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    "length is a word": b"POST /v1/measure HTTP/1.1\r\nHost: localhost\r\nContent-Length: many\r\n\r\n",
    "length of 5000 digits": b"POST /v1/measure HTTP/1.1\r\nHost: localhost\r\nContent-Length: "
    + b"9" * 5000
    + b"\r\n\r\n",
    "no host": b"GET /healthz HTTP/1.1\r\n\r\n",
    "two hosts": b"GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "line break in a name": b"GET /healthz HTTP/1.1\r\nHost: a\r\nX\n: b\r\n\r\n",
    "bad chunk": b"POST /v1/measure HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=b\r\n"
    b"Transfer-Encoding: chunked\r\n\r\nzzz\r\n",
}


@pytest.mark.parametrize("name", NO_REQUESTS)
def test_what_is_no_request(quick, name):
    status, error = exchange(quick, NO_REQUESTS[name])
    assert (status, error["code"]) == (400, "bad_http")
    goes_on(quick)


@pytest.mark.parametrize(
    "headers",
    [
        f"X-Long: {'a' * 2**20}\r\n",
        "".join(f"X-{number}: 1\r\n" for number in range(50_000)),
        f"Cookie: {'a=b; ' * 100_000}\r\n",
        "\r\n",
    ],
    ids=["long", "many", "cookie", "path"],
)
def test_headers_that_are_too_large(quick, headers):
    with connected(quick) as client:
        path = "/healthz" if headers != "\r\n" else f"/{'a' * 2**20}"
        data = f"GET {path} HTTP/1.1\r\n{HEAD}{headers}\r\n".encode()
        # It is answered before all is sent.
        with suppress(BrokenPipeError, ConnectionResetError):
            client.sendall(data)
        answer = everything(client)
    # The answer may be lost where the client goes on sending.
    if answer:
        status, error = read_error(answer)
        assert (status, error["code"]) == (431, "too_large")
        assert "16 kB" in error["message"]
    goes_on(quick)


def test_slow_headers(quick, monkeypatch):
    monkeypatch.setattr(protocol, "REQUEST_LIMIT_S", 0.2)
    with connected(quick) as client:
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-")
        status, error = read_error(everything(client))
    assert (status, error["code"]) == (408, "request_stalled")
    goes_on(quick)


def test_connections_that_send_nothing_are_closed(quick, monkeypatch):
    monkeypatch.setattr(protocol, "REQUEST_LIMIT_S", 0.1)
    with connected(quick) as client:
        assert everything(client) == b""


def test_a_later_request_of_a_connection_that_stops_half_way(quick, monkeypatch):
    monkeypatch.setattr(protocol, "REQUEST_LIMIT_S", 0.2)
    with connected(quick) as client:
        answers = client.makefile("rb")
        for _ in range(3):
            client.sendall(f"GET /v1/jobs/none HTTP/1.1\r\n{HEAD}\r\n".encode())
            assert answers.readline().startswith(b"HTTP/1.1 404")
            while (line := answers.readline()) != b"\r\n":
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            assert json.loads(answers.read(length))["error"]["code"] == "not_found"
        client.sendall(b"GET /heal")
        assert read_error(answers.read())[0] == 408


def test_a_body_of_a_byte_now_and_then(quick, monkeypatch):
    monkeypatch.setattr(streams, "STALL_LIMIT_S", 0.3)
    with connected(quick) as client:
        client.sendall(
            f"POST /v1/measure HTTP/1.1\r\n{HEAD}Content-Length: 1000000\r\nConnection: close\r\n"
            "Content-Type: multipart/form-data; boundary=b\r\n\r\n--b\r\n".encode()
        )
        answer = b""
        client.settimeout(0.05)
        until = time.monotonic() + 60
        while not answer and time.monotonic() < until:
            client.sendall(b"-")
            try:
                answer = client.recv(65536)
            except TimeoutError:
                continue
        client.settimeout(60)
        status, error = read_error(answer + everything(client))
    assert (status, error["code"]) == (408, "upload_stalled")
    goes_on(quick)


def test_a_client_that_does_not_read(quick, monkeypatch):
    """Its connection is cut off; here the response is what `pause_writing` sees, whatever it is."""
    monkeypatch.setattr(protocol, "WRITE_LIMIT_S", 0.1)
    with connected(quick) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line = f"GET /openapi.json HTTP/1.1\r\n{HEAD}\r\n".encode()
        client.settimeout(0.2)
        cut = False
        until = time.monotonic() + 60
        while not cut and time.monotonic() < until:
            try:
                client.sendall(line * 200)
            except TimeoutError:
                continue
            except (BrokenPipeError, ConnectionResetError):
                cut = True
    assert cut
    goes_on(quick)


def test_too_many_connections(quick, monkeypatch):
    monkeypatch.setattr(protocol, "MAX_CONNECTIONS", 4)
    with ExitStack() as taken:
        clients = [taken.enter_context(connected(quick)) for _ in range(8)]
        status, error = read_error(everything(clients[-1]))
        assert (status, error["code"]) == (503, "too_many_connections")
    monkeypatch.undo()
    goes_on(quick)


def test_connections_leave_files_for_the_service(monkeypatch):
    import resource

    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, 4096))
    assert protocol.max_connections() == 128
    monkeypatch.setattr(resource, "getrlimit", lambda _: (resource.RLIM_INFINITY,) * 2)
    assert protocol.max_connections() == protocol.MAX_CONNECTIONS


def part(name: str, data: str = "", more: str = "") -> str:
    return f'--b\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n{data}\r\n'


FORM = "multipart/form-data; boundary=b"
FORMS = {
    "nothing": ("", FORM, 400, "bad_form"),
    "no end": (part("files", "x", '; filename="a.avi"'), FORM, 400, "bad_form"),
    "another boundary": ("--c\r\n\r\n--c--", FORM, 400, "bad_form"),
    "no name": ("--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--\r\n", FORM, 422, "bad_form"),
    "no headers": ("--b\r\n\r\nx\r\n--b--\r\n", FORM, 422, "bad_form"),
    "many parts": ("".join(part(f"f{i}") for i in range(10_000)) + "--b--\r\n", FORM, 413, "too_many_fields"),
    "many files": (
        "".join(part("files", "x", f'; filename="{i}.avi"') for i in range(10_000)) + "--b--\r\n",
        FORM,
        413,
        "too_many_files",
    ),
    "a field of 900 kB": (part("sex", "F" * 900_000) + "--b--\r\n", FORM, 413, "field_too_long"),
    "a part's header of 900 kB": (f"--b\r\nX: {'y' * 900_000}\r\n\r\n--b--\r\n", FORM, 400, "bad_form"),
    "many headers of a part": (
        "--b\r\n" + "".join(f"X-{i}: y\r\n" for i in range(50_000)) + "\r\n--b--\r\n",
        FORM,
        400,
        "bad_form",
    ),
    "a name of 5000 letters": (part("n" * 4000, "x") + "--b--\r\n", FORM, 422, "bad_request"),
    "text": ("files=x", "text/plain", 415, "not_multipart"),
    "json": ("{}", "application/json", 415, "not_multipart"),
    "no type": ("x", "", 415, "not_multipart"),
    "another multipart": ("--b--", "multipart/mixed; boundary=b", 415, "not_multipart"),
    "a boundary of 1000 letters": ("x", f"multipart/form-data; boundary={'b' * 1000}", 400, "bad_form"),
    "an empty boundary": ("--\r\n----", "multipart/form-data; boundary=", 400, "bad_form"),
    "an unknown charset": (part("sex", "F") + "--b--\r\n", f"{FORM}; charset=klingon", 422, "bad_request"),
    "larger than allowed": ("x" * (2**20 + 1), FORM, 413, "too_large"),
}


@pytest.mark.parametrize("name", FORMS)
def test_forms(quick, name):
    body, kind, status, code = FORMS[name]
    found, error = exchange(quick, request(body.encode(), kind))
    assert (found, error["code"]) == (status, code), error
    assert error["message"].count("\n") == 0
    goes_on(quick)


NAMES = [
    "../../../etc/passwd",
    "/etc/passwd",
    "..\\..\\windows\\win.ini",
    "C:\\clip.avi",
    "clip.avi%00.sh",
    "a" * 3000 + ".avi",
    "\u202eiva.clip",
    "~/.ssh/authorized_keys",
    ".",
    "..",
    "con.avi",
    "$(reboot).avi",
    "<script>.avi",
]


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_file_names_are_never_paths(quick, name):
    body = part("files", "ok", f'; filename="{name}"') + "--b--\r\n"
    before = sorted(quick.jobs.settings.folder.rglob("*.avi"))
    answer = quick.client.post(
        "/v1/measure",
        content=body.encode(),
        headers={"Content-Type": FORM},
    )
    assert answer.status_code == 202, answer.text
    job = answer.json()["jobs"][0]["id"]
    while quick.state(job) in ("queued", "running"):
        time.sleep(0.02)
    shown = quick.client.get(f"/v1/jobs/{job}").json()["source"]
    assert len(shown) <= 120
    assert not {"/", "\\", "\0", "\u202e"} & set(shown)
    assert sorted(quick.jobs.settings.folder.rglob("*.avi")) == before
    quick.client.delete(f"/v1/jobs/{job}")
    goes_on(quick)


PATHS = [
    "/v1/results/..%2f..%2f..%2fetc%2fpasswd",
    "/v1/results/%00",
    "/v1/results/%ff%fe",
    "/v1/results/x/..%2fresults.sqlite",
    "/docs/../../results.sqlite",
    "/docs/..%5c..%5cresults.sqlite",
    "//etc/passwd",
    "/v1/jobs/' OR 1=1 --".replace(" ", "%20"),
    "/v1/results/x/A4C/../measurement.json",
]


@pytest.mark.parametrize("path", PATHS)
def test_paths_lead_nowhere_else(quick, path):
    status, error = exchange(quick, f"GET {path} HTTP/1.1\r\n{HEAD}Connection: close\r\n\r\n".encode())
    assert (status, bool(error["message"])) == (404, True)


BODIES = {
    "deep": b"[" * 500_000,
    "deep objects": b'{"a":' * 100_000,
    "a number of 100,000 digits": b'{"ed_frame": ' + b"9" * 100_000 + b"}",
    "a number of 400 digits": b'{"ed_frame": 1' + b"0" * 400 + b"}",
    "half a letter": b'{"a": "\xc3"}',
    "half a surrogate": b'{"a": "\\ud800"}',
    "nothing": b"",
}


@pytest.fixture
def result(quick):
    job = quick.send(b"ok").json()["jobs"][0]["id"]
    yield job
    quick.client.delete(f"/v1/jobs/{job}")


@pytest.mark.parametrize("name", BODIES)
def test_corrections_that_are_no_json(quick, result, name):
    data = request(BODIES[name], "application/json", f"/v1/results/{result}/correction")
    status, error = exchange(quick, data)
    assert (status, error["code"]) == (400, "bad_json")
    goes_on(quick)


def test_a_correction_that_is_too_large(quick, result):
    data = request(b" " * (2**20 + 1), "application/json", f"/v1/results/{result}/correction")
    assert exchange(quick, data)[0] == 413


@pytest.mark.parametrize("value", ["bytes=0-5", "bytes=5-0", "bytes=0-,0-,0-", "lines=1"])
def test_ranges_are_not_offered(quick, result, value):
    answer = quick.client.get(f"/v1/results/{result}/curve.csv", headers={"Range": value})
    assert (answer.status_code, answer.content) == (200, b"frame\n0\n")


def test_an_upload_that_cannot_be_removed_is_removed_later(quick, monkeypatch):
    unlink = Path.unlink

    def refuse(path, missing_ok=False):
        if path.suffix == ".avi":
            raise PermissionError(errno.EACCES, "Permission denied")
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", refuse)
    answer = quick.send(b"ok")
    assert (answer.status_code, answer.json()["jobs"][0]["state"]) == (200, "done")
    assert len(quick.jobs.upload_store.uploads()) == 1
    monkeypatch.undo()
    quick.jobs._clean_up()
    goes_on(quick)


def test_what_no_route_has_met_is_logged_without_what_it_says(monkeypatch):
    said = []
    monkeypatch.setattr(LOG, "error", lambda text, *values: said.append(text % values))
    _log_error(
        None, {"message": "Task exception was never retrieved", "exception": ValueError("Patient^Name")}
    )
    assert said == ["bug: ValueError"]
