import asyncio
import json
import logging

import pytest

from lvef.service.metrics import Metrics
from lvef.service.middleware import LOG, SECURITY_HEADERS, AccessMiddleware
from lvef.service.settings import ServiceSettings

KEY = "0123456789abcdef"


async def inner(scope, receive, send):
    """Stands for the application."""
    if scope["path"] == "/bug":
        raise RuntimeError("the secret of Mrs Meier")
    if scope["path"] == "/full":
        raise RuntimeError("can't start new thread")
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"x-frame-options", b"SAMEORIGIN")]}
    )
    await send({"type": "http.response.body", "body": b"hello"})


def ask(path="/v1/models", method="GET", settings=None, metrics=None, **headers):
    lines = {"host": "127.0.0.1:8000", **{name.replace("_", "-"): value for name, value in headers.items()}}
    raw = [(name.encode(), value.encode("utf-8")) for name, value in lines.items()]
    scope = {"type": "http", "method": method, "path": path, "headers": raw}
    sent = []

    async def send(message):
        sent.append(message)

    guard = AccessMiddleware(inner, settings or ServiceSettings(), metrics or Metrics())
    asyncio.run(guard(scope, None, send))
    head = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], head, sent[1]["body"]


def test_every_answer_carries_the_headers():
    status, headers, body = ask()
    assert (status, body) == (200, b"hello")
    assert headers == SECURITY_HEADERS | {"x-frame-options": "SAMEORIGIN"}
    for host in ("evil.example", ""):
        status, headers, _ = ask(host=host)
        assert status == 421
        assert SECURITY_HEADERS.items() <= headers.items()


@pytest.mark.parametrize(
    ("host", "allow", "key", "status"),
    [
        ("127.0.0.1:8000", (), "", 200),
        ("localhost:8000", (), "", 200),
        ("LOCALHOST", (), "", 200),
        ("[::1]:8000", (), "", 200),
        ("192.168.1.4", (), "", 200),
        ("evil.example:8000", (), "", 421),
        ("127.0.0.1.evil.example", (), "", 421),
        ("localhost.evil.example", (), "", 421),
        ("echo.example", ("echo.example",), "", 200),
        ("other.example", ("echo.example",), "", 421),
        ("other.example", ("*",), "", 200),
        ("echo.example", (), KEY, 200),
        ("other.example", ("echo.example",), KEY, 421),
        ("[", (), "", 421),
    ],
)
def test_names_of_the_service(host, allow, key, status):
    settings = ServiceSettings(allow_host=allow, api_key=key)
    assert ask(host=host, settings=settings, x_api_key=key)[0] == status


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"origin": "http://127.0.0.1:8000"}, 200),
        ({"origin": "http://127.0.0.1:8001"}, 403),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://127.0.0.1:8000.evil.example"}, 403),
        ({"origin": "http://["}, 403),
        ({"sec_fetch_site": "cross-site"}, 403),
        ({"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate"}, 200),
        ({"sec_fetch_site": "same-origin"}, 200),
    ],
)
def test_pages_of_other_sites(headers, status):
    assert ask(**headers)[0] == status


def test_a_form_of_another_site_is_no_reading():
    assert ask(method="POST", sec_fetch_site="cross-site", sec_fetch_mode="navigate")[0] == 403


def test_an_origin_that_is_allowed():
    settings = ServiceSettings(allow_origin=("https://echo.example",))
    status, headers, _ = ask(origin="https://echo.example", settings=settings, sec_fetch_site="cross-site")
    assert status == 200
    assert headers["access-control-allow-origin"] == "https://echo.example"
    assert headers["cross-origin-resource-policy"] == "cross-origin"
    status, headers, _ = ask(
        method="OPTIONS",
        origin="https://echo.example",
        settings=settings,
        access_control_request_method="POST",
    )
    assert status == 200
    assert "X-API-Key" in headers["access-control-allow-headers"]
    assert ask(method="OPTIONS", origin="https://evil.example", settings=settings)[0] == 403
    assert "access-control-allow-origin" not in ask(settings=settings)[1]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"x_api_key": KEY}, 200),
        ({"x_api_key": KEY + "x"}, 401),
        ({"x_api_key": KEY[:-1]}, 401),
        ({"x_api_key": ""}, 401),
        ({"x_api_key": "é"}, 401),
        ({"authorization": f"Bearer {KEY}"}, 200),
        ({"authorization": f"bearer {KEY}"}, 200),
        ({"authorization": f"Basic {KEY}"}, 401),
        ({"authorization": KEY}, 401),
    ],
)
def test_the_key(headers, status):
    found, head, body = ask(settings=ServiceSettings(api_key=KEY), **headers)
    assert found == status
    if status == 401:
        assert head["www-authenticate"] == "Bearer"
        assert "X-API-Key" in json.loads(body)["error"]["message"]


@pytest.mark.parametrize(
    ("path", "root", "status"),
    [
        ("/healthz", "", 200),
        ("/docs", "", 200),
        ("/openapi.json", "", 200),
        ("/metrics", "", 401),
        ("/healthz/x", "", 401),
        ("/v1/healthz", "", 401),
        ("/lvef/healthz", "/lvef", 200),
        ("/lvef/metrics", "/lvef", 401),
        ("/lvef/healthz", "", 401),
    ],
)
def test_paths_without_a_key(path, root, status):
    assert ask(path, settings=ServiceSettings(api_key=KEY, root_path=root))[0] == status


def test_the_key_is_not_shown():
    assert KEY not in repr(ServiceSettings(api_key=KEY))


def test_a_bug_tells_nothing_of_the_request(caplog):
    LOG.propagate = True
    with caplog.at_level(logging.INFO, logger="lvef.service"):
        status, _, body = ask("/bug")
    assert status == 500
    assert json.loads(body)["error"]["code"] == "bug"
    assert "Meier" not in caplog.text + body.decode()
    assert "RuntimeError in test_middleware.py" in caplog.text


def test_want_of_memory_is_no_bug(caplog):
    LOG.propagate = True
    with caplog.at_level(logging.INFO, logger="lvef.service"):
        status, headers, body = ask("/full")
    assert (status, headers["retry-after"]) == (503, "10")
    assert json.loads(body)["error"]["code"] == "no_memory"
    assert "not enough memory: RuntimeError in test_middleware.py" in caplog.text
    assert "bug" not in caplog.text


def test_refusals_are_counted():
    metrics = Metrics()
    ask(origin="https://evil.example", metrics=metrics)
    text = metrics.text()[0].decode()
    assert 'lvef_refused_total{limit="foreign_origin"} 1.0' in text
    assert 'lvef_requests_total{method="GET",route="other",status="403"} 1.0' in text
