"""Access rules before every route, and headers on every response. Plain ASGI, so that no body is held in memory.

A page of another site that a browser shows could otherwise use a service on the same machine: with a form that it submits
(cross-site request forgery), or with a host name of its own that it points at 127.0.0.1 (DNS rebinding). Starlette's
`TrustedHostMiddleware` cannot allow every IP address, and its `CORSMiddleware` refuses no request; the latter adds the
headers for origins that are allowed.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import logging
import time
from pathlib import PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from lvef.core.errors import error_location
from lvef.core.memory import is_out_of_memory
from lvef.service.database import DISK_FULL
from lvef.service.errors import ApiError, error_body
from lvef.service.metrics import Metrics
from lvef.service.settings import ServiceSettings

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

OPEN_PATHS = frozenset({"/", "/healthz", "/docs", "/docs/page.js", "/docs/page.css", "/openapi.json"})
"""Paths that need no key: they hold nothing about anybody."""

NOTHING_POLICY = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
"""Content-Security-Policy of responses that are not a page."""

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
"""Headers of every response, where it does not set them itself."""

MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".csv": "text/csv; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".mp4": "video/mp4",
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
    ".zip": "application/zip",
}
"""Media types of all files that are sent, by their suffix."""

LOG = logging.getLogger("lvef.service")
"""One line per request: method, route, status, milliseconds."""

_METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS")

BUG = "The service met an error it should not have; please report it."
"""Message of a bug."""

NO_MEMORY, MEMORY_RETRY_S = (
    "The service has not enough memory for this at the moment; send it again later.",
    10,
)
"""Message where memory has run out, and seconds after which to try again."""

WRONG_HOST = "The service is not known under this name; start it with --allow-host NAME to allow it."
FOREIGN_ORIGIN = "A page of another origin may not use this service; --allow-origin allows one."
"""Messages of the two access rules."""


class AccessMiddleware:
    """The application behind its access rules.

    Args:
        app: The application.
        settings: Of the service.
        metrics: Where requests are counted.
        messages: Of a request with a wrong host name, and of one from another origin.
    """

    def __init__(
        self,
        app: ASGIApp,
        settings: ServiceSettings,
        metrics: Metrics,
        messages: tuple[str, str] = (WRONG_HOST, FOREIGN_ORIGIN),
    ) -> None:
        self._messages = messages
        self._metrics = metrics
        self._digest = _digest(settings.api_key) if settings.api_key else b""
        self._hosts = {name.lower() for name in settings.allow_host}
        self._origins = {origin.rstrip("/").lower() for origin in settings.allow_origin}
        self._root = settings.root_path
        self._app, self._shared_app = app, self._respond
        if self._origins:
            self._shared_app = CORSMiddleware(
                self._respond,
                allow_origins=self._origins,
                allow_methods=("GET", "POST", "DELETE"),
                allow_headers=("X-API-Key", "Authorization"),
                expose_headers=("Location", "Retry-After"),
            )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to a request, or have the application respond."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        if self._root:
            # Some proxies strip their path prefix, others do not.
            path = scope["path"]
            inside = path == self._root or path.startswith(f"{self._root}/")
            scope = {**scope, "root_path": self._root, "path": path if inside else self._root + path}
        shared = Headers(scope=scope).get("origin", "").lower() in self._origins
        status = 500

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status, headers = message["status"], MutableHeaders(scope=message)
                if shared:
                    headers.setdefault("cross-origin-resource-policy", "cross-origin")
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            await self._shared_app(scope, receive, send_with_headers)
        finally:
            self._record(scope, status, time.perf_counter() - began)

    async def _respond(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = ended = False

        async def watch(message: Message) -> None:
            nonlocal started, ended
            started = True
            ended = message["type"] == "http.response.body" and not message.get("more_body", False)
            await send(message)

        try:
            self._check(scope, Headers(scope=scope))
            await self._app(scope, receive, watch)
        except ApiError as error:
            self._metrics.refused.labels(error.code).inc()
            await JSONResponse(error.body(), error.status, error.headers)(scope, receive, send)
        except Exception as error:  # noqa: BLE001  the message of a bug may quote what the client sent
            if is_out_of_memory(error):
                LOG.warning("not enough memory: %s", error_location(error))
            else:
                LOG.error("bug: %s", error_location(error))
            if ended:
                # Starlette has responded; it raises the error all the same.
                return
            if started:
                raise ConnectionAbortedError from None
            await (await bug_response(error))(scope, receive, send)

    def _check(self, scope: Scope, headers: Headers) -> None:
        """Raise where the request is not allowed."""
        host, origin = headers.get("host", ""), headers.get("origin", "").lower()
        if not self._is_own_host(host):
            raise ApiError(421, "wrong_host", self._messages[0])
        reads = scope["method"] in ("GET", "HEAD") and headers.get("sec-fetch-mode") == "navigate"
        cross_site = headers.get("sec-fetch-site") == "cross-site" and not reads
        foreign = bool(origin) and _host_and_port(origin) != host.lower()
        if origin not in self._origins and (cross_site or foreign):
            raise ApiError(403, "foreign_origin", self._messages[1])
        is_open = scope["path"].removeprefix(self._root) in OPEN_PATHS
        if self._digest and not is_open and not self._has_key(headers):
            raise ApiError(
                401,
                "no_key",
                "This service needs its API key, in the header X-API-Key or as Authorization: Bearer.",
                {"WWW-Authenticate": "Bearer"},
            )

    def _is_own_host(self, host: str) -> bool:
        """Whether the service may be called by this name.

        An IP address always: it cannot be pointed elsewhere. Where a key is needed, a page with a name of its own has none,
        so every name is allowed, unless names are given.
        """
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            name = ""
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

    def _has_key(self, headers: Headers) -> bool:
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        keys = (headers.get("x-api-key", ""), bearer.strip() if scheme.lower() == "bearer" else "")
        # Digests have one length, so that the time says nothing about the key's.
        return any(hmac.compare_digest(_digest(key), self._digest) for key in keys)

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        # The template, never the path: that holds ids.
        route = getattr(scope.get("route"), "path", "other")
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self._metrics.requests.labels(method, route, str(status)).inc()
        self._metrics.request_seconds.labels(route).observe(seconds)
        LOG.info("%s %s %d %.0f ms", method, route, status, 1000 * seconds)


async def disk_full(_: Request, __: Exception) -> Response:
    """The response where nothing can be saved; a handler of SQLite's errors."""
    return JSONResponse(error_body("no_space", DISK_FULL), 507)


async def bug_response(*given: object) -> Response:
    """The response where the service met a bug or has no memory; a handler of `Exception`, as Starlette's own is plain text.

    Args:
        given: The error, alone or after the request.
    """
    if any(isinstance(one, Exception) and is_out_of_memory(one) for one in given):
        return JSONResponse(error_body("no_memory", NO_MEMORY), 503, {"Retry-After": str(MEMORY_RETRY_S)})
    return JSONResponse(error_body("bug", BUG), 500)


def media_type_of(name: str) -> str:
    """Media type of a file by its name."""
    return MEDIA_TYPES.get(PurePosixPath(name).suffix, "application/octet-stream")


def _host_and_port(origin: str) -> str:
    """Host and port of an origin; empty where it is none."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
