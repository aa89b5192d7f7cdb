"""What stands before every route: who may ask, from where, and what every answer carries. Plain ASGI, no copies of bodies.

A page of another site that a browser shows could otherwise drive a service on the same machine: by naming it in a form
(cross-site request), or by pointing a name of its own at 127.0.0.1 (DNS rebinding).
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import json
import logging
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from lvef.core.errors import error_location
from lvef.service.errors import ApiError, error_body
from lvef.service.metrics import Metrics
from lvef.service.settings import ServiceSettings

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

OPEN_PATHS = frozenset({"/", "/healthz", "/docs", "/docs/page.js", "/docs/page.css", "/openapi.json"})
"""Paths that need no key: they tell nothing of anybody."""

NOTHING_POLICY = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
"""Content-Security-Policy of answers that are no page."""

SECURITY_HEADERS = {
    "content-security-policy": NOTHING_POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cache-control": "no-store",
}
"""Headers of every answer, where the answer does not set them itself."""

LOG = logging.getLogger("lvef.service")
"""One line a request: method, route, status, milliseconds."""


class AccessMiddleware:
    """The application behind its rules.

    Args:
        app: What answers.
        settings: Of the service.
        metrics: Where requests are counted.
    """

    def __init__(self, app: App, settings: ServiceSettings, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics
        self._digest = _digest(settings.api_key) if settings.api_key else b""
        self._hosts = {name.lower() for name in settings.allow_host}
        self._origins = {origin.rstrip("/").lower() for origin in settings.allow_origin}
        self._root = settings.root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or have it answered."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        if self._root:
            # Some proxies cut their path off before they ask, others do not.
            path = scope["path"]
            inside = path == self._root or path.startswith(f"{self._root}/")
            scope = {**scope, "root_path": self._root, "path": path if inside else self._root + path}
        headers = {
            name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]
        }
        origin = headers.get("origin", "").lower()
        shared = origin in self._origins
        status, begun = 500, False

        async def send_guarded(message: MutableMapping[str, Any]) -> None:
            nonlocal status, begun
            if message["type"] == "http.response.start":
                status, begun = message["status"], True
                present = {name.lower() for name, _ in message["headers"]}
                extra = dict(SECURITY_HEADERS)
                if shared:
                    extra |= {"access-control-allow-origin": headers["origin"], "vary": "Origin"}
                    extra |= {"access-control-expose-headers": "Location, Retry-After"}
                    extra["cross-origin-resource-policy"] = "cross-origin"
                message["headers"] = [
                    *message["headers"],
                    *(
                        (n.encode(), v.encode("latin-1"))
                        for n, v in extra.items()
                        if n.encode() not in present
                    ),
                ]
            await send(message)

        try:
            if shared and scope["method"] == "OPTIONS" and "access-control-request-method" in headers:
                await _answer(send_guarded, 204, b"", _PREFLIGHT)
            else:
                self._check(scope, headers, origin)
                await self._app(scope, receive, send_guarded)
        except ApiError as error:
            self._metrics.refused.labels(error.code).inc()
            body = json.dumps(error_body(error.code, error.message)).encode()
            await _answer(
                send_guarded, error.status, body, {"content-type": "application/json", **error.headers}
            )
        except Exception as error:  # noqa: BLE001  a bug met by one request must not be told with what the client sent
            LOG.error("bug: %s", error_location(error))
            if begun:
                raise ConnectionAbortedError from None
            body = json.dumps(
                error_body("bug", "The service met an error it should not have; please report it.")
            ).encode()
            await _answer(send_guarded, 500, body, {"content-type": "application/json"})
        finally:
            self._record(scope, status, time.perf_counter() - began)

    def _check(self, scope: Scope, headers: dict[str, str], origin: str) -> None:
        """Raise where the request may not be answered."""
        host = headers.get("host", "")
        if not self._host_is_ours(host):
            raise ApiError(
                421,
                "wrong_host",
                "The service is not known under this name; start it with --allow-host NAME to allow it.",
            )
        if origin and origin not in self._origins and _place(origin) != host.lower():
            raise ApiError(
                403,
                "foreign_origin",
                "A page of another origin may not use this service; --allow-origin allows one.",
            )
        reading = scope["method"] in ("GET", "HEAD") and headers.get("sec-fetch-mode") == "navigate"
        if headers.get("sec-fetch-site") == "cross-site" and origin not in self._origins and not reading:
            raise ApiError(
                403,
                "foreign_origin",
                "A page of another site may not use this service; --allow-origin allows one.",
            )
        if self._digest and self._path(scope) not in OPEN_PATHS and not self._has_key(headers):
            raise ApiError(
                401,
                "no_key",
                "This service needs its API key, in the header X-API-Key or as Authorization: Bearer.",
                {"WWW-Authenticate": "Bearer"},
            )

    def _host_is_ours(self, host: str) -> bool:
        """Whether the service may be called by this name.

        An address in figures always: it cannot be pointed elsewhere. Where a key is needed, a page that points its own name
        here has none, so every name will do, unless names are given.
        """
        name = _name(host)
        if (
            "*" in self._hosts
            or name in self._hosts
            or name == "localhost"
            or (self._digest and not self._hosts)
        ):
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True

    def _has_key(self, headers: dict[str, str]) -> bool:
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        keys = (headers.get("x-api-key", ""), bearer.strip() if scheme.lower() == "bearer" else "")
        # Digests have one length, so that the time tells nothing of the key's.
        return any(hmac.compare_digest(_digest(key), self._digest) for key in keys)

    def _path(self, scope: Scope) -> str:
        return str(scope["path"]).removeprefix(self._root)

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        # The template, never the path: that holds ids.
        route = getattr(scope.get("route"), "path", "other")
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self._metrics.requests.labels(method, route, str(status)).inc()
        self._metrics.request_seconds.labels(route).observe(seconds)
        LOG.info("%s %s %d %.0f ms", method, route, status, 1000 * seconds)


_METHODS = ("GET", "HEAD", "POST", "DELETE", "OPTIONS")
_PREFLIGHT = {
    "access-control-allow-methods": "GET, POST, DELETE",
    "access-control-allow-headers": "X-API-Key, Authorization, Content-Type",
    "access-control-max-age": "600",
}


def _place(origin: str) -> str:
    """Host and port of an origin; nothing where it is none."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""


def _name(host: str) -> str:
    """The name in a Host header, in small letters, without its port."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


async def _answer(send: Send, status: int, body: bytes, headers: dict[str, str]) -> None:
    lines = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]
    lines.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": lines})
    await send({"type": "http.response.body", "body": body})


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
