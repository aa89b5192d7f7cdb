"""Runs the service: binds its socket, announces its address, stops properly."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import os
import socket
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

import uvicorn
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

import lvef
from lvef.core.errors import ConfigError, error_location, os_reason
from lvef.core.wording import DISCLAIMER
from lvef.inference.catalogue import find_model
from lvef.service.errors import ApiError, error_body
from lvef.service.jobs import JobManager
from lvef.service.middleware import LOG, AccessMiddleware, bug_response, disk_full
from lvef.service.pool import WorkerFactory
from lvef.service.protocol import MAX_HEADER_BYTES, LimitedProtocol
from lvef.service.routes import installed_models, measure_routes, result_routes, service_routes
from lvef.service.schemas import INTRODUCTION
from lvef.service.settings import KEY_VARIABLE, ServiceSettings, read_api_key_file, validate_api_key
from lvef.service.worker import Worker

_MESSAGES = {
    404: "There is no such page; /docs lists all routes.",
    405: "This route does not support the method.",
}


class Service:
    """The ASGI application of a service, and its jobs.

    Args:
        settings: Of the service.
        worker_factory: Makes, inside a worker process, what does the tasks.

    Raises:
        DataError: The data folder cannot be used.
        WeightsError: The installed models cannot be listed.
    """

    def __init__(self, settings: ServiceSettings, worker_factory: WorkerFactory = Worker) -> None:
        # Looked up here, so that an error in what is installed is reported before the service starts.
        installed_models()
        self.jobs = JobManager(settings, worker_factory)
        self.api = _api(settings, self.jobs)
        self.app = AccessMiddleware(self.api, settings, self.jobs.metrics)


def _api(settings: ServiceSettings, jobs: JobManager) -> FastAPI:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        jobs.start()
        yield
        await jobs.stop()

    api = FastAPI(
        title="lvef",
        version=lvef.__version__,
        description=f"{INTRODUCTION}\n{DISCLAIMER}",
        lifespan=lifespan,
        # FastAPI's own pages load their scripts from a public server.
        docs_url=None,
        redoc_url=None,
    )
    if settings.api_key:
        _document_api_key(api)
    for routes in (measure_routes, result_routes, service_routes):
        api.include_router(routes(jobs))

    @api.exception_handler(ApiError)
    async def api_error(_: Request, error: ApiError) -> JSONResponse:
        if error.status in (413, 408):
            jobs.metrics.refused.labels(error.code).inc()
        return JSONResponse(error.body(), error.status, error.headers)

    @api.exception_handler(RequestValidationError)
    async def validation_error(_: Request, error: RequestValidationError) -> JSONResponse:
        # Where, not what: the value may identify a person.
        places = sorted({".".join(str(part) for part in one["loc"]) for one in error.errors()})
        return JSONResponse(error_body("bad_request", f"The request is wrong at {', '.join(places)}."), 422)

    @api.exception_handler(HTTPException)
    async def http_error(_: Request, error: HTTPException) -> JSONResponse:
        message = _MESSAGES.get(error.status_code, "The request cannot be answered.")
        return JSONResponse(error_body("http", message), error.status_code, error.headers)

    api.add_exception_handler(sqlite3.OperationalError, disk_full)
    api.add_exception_handler(Exception, bug_response)
    return api


def _document_api_key(api: FastAPI) -> None:
    """State in the OpenAPI document that a key is needed, and for which routes."""
    original = api.openapi

    def openapi() -> dict[str, Any]:
        document: dict[str, Any] = original()
        document["components"]["securitySchemes"] = {
            "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            "bearer": {"type": "http", "scheme": "bearer"},
        }
        document["security"] = [{"key": []}, {"bearer": []}]
        document["paths"]["/healthz"]["get"]["security"] = []
        return document

    api.openapi = openapi


BACKLOG = 256
"""Connections that may wait to be accepted."""

KEEP_ALIVE_S = 15
"""Time for which an idle connection stays open."""


def run_service(
    settings: ServiceSettings,
    *,
    announce: Callable[[str], None],
    worker_factory: WorkerFactory = Worker,
    log: bool = True,
) -> None:
    """Run until SIGTERM or Ctrl-C.

    Args:
        settings: Of the service.
        announce: Called with the service's address once it responds.
        worker_factory: Makes, inside a worker process, what does the tasks.
        log: Write a line for each request on stderr.

    Raises:
        ConfigError: The address cannot be used.
        DataError: The data folder cannot be used.
        WeightsError: The model is not installed, or damaged.
    """
    find_model(settings.weights)
    listening = bind_socket(settings)
    try:
        service = Service(settings, worker_factory)
    except BaseException:
        listening.close()
        raise
    set_up_log(log)
    with listening:
        Server(service, settings, lambda: announce(service_url(listening, settings))).run(sockets=[listening])


def resolve_api_key(settings: ServiceSettings, key_file: Path | None, no_key: bool) -> ServiceSettings:
    """Settings with the API key, if one is given or needed.

    Args:
        settings: Without a key.
        key_file: File that holds it; without it the environment variable is read.
        no_key: Use none, whatever the address.

    Raises:
        ConfigError: None is given, but other machines can reach the service; or it is invalid.
    """
    if no_key:
        return settings
    if key_file is not None:
        return replace(settings, api_key=read_api_key_file(key_file))
    if os.environ.get(KEY_VARIABLE):
        return replace(settings, api_key=validate_api_key(os.environ[KEY_VARIABLE], KEY_VARIABLE))
    if not is_loopback(settings.host):
        raise ConfigError(
            f"{settings.host} can be reached from other machines, so an API key is needed: set {KEY_VARIABLE} or give "
            "--api-key-file (`openssl rand -hex 24` makes a key), or pass --no-key."
        )
    return settings


def is_loopback(host: str) -> bool:
    """Whether an address can be reached from this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def bind_socket(settings: ServiceSettings) -> socket.socket:
    """A socket that listens at the address of the settings.

    Raises:
        ConfigError: The address or port cannot be used.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        made = socket.socket(family, kind, protocol)
        try:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind(address)
            made.listen(BACKLOG)
        except BaseException:
            made.close()
            raise
    except OSError as error:
        raise ConfigError(
            f"{settings.host} port {settings.port} cannot be used ({os_reason(error)}); choose another with --host "
            "or --port."
        ) from None
    return made


class Servable(Protocol):
    """What can be served: an application and its jobs."""

    @property
    def app(self) -> Any:  # noqa: ANN401
        """The ASGI application."""
        ...

    @property
    def jobs(self) -> JobManager:
        """Its jobs."""
        ...


class Server(uvicorn.Server):
    """Stops the jobs before it waits for connections: some of these wait for jobs.

    Args:
        service: The service.
        settings: Of the service.
        started: Called once it responds.
    """

    def __init__(self, service: Servable, settings: ServiceSettings, started: Callable[[], None]) -> None:
        config = uvicorn.Config(
            service.app,
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="on",
            backlog=BACKLOG,
            timeout_keep_alive=KEEP_ALIVE_S,
            # Responses that wait for a running file are sent before this.
            timeout_graceful_shutdown=settings.grace_seconds + 5,
            ws="none",
            http=LimitedProtocol,
            h11_max_incomplete_event_size=MAX_HEADER_BYTES,
        )
        super().__init__(config)
        self._service, self._announce = service, started
        self._loop: asyncio.AbstractEventLoop | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to respond."""
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets=sockets)
        if self.started:
            self._announce()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Handle a signal."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._service.jobs.begin_stop)
        super().handle_exit(sig, frame)

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Respond until the service is stopped."""
        asyncio.get_running_loop().set_exception_handler(_log_error)
        with self.capture_signals():
            await self._serve(sockets)
            # uvicorn would raise the signal again, and the exit code would be that of an error; it has been handled.
            self._captured_signals.clear()

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        """Respond until the service is stopped, in an event loop of its own."""
        asyncio.run(self.serve(sockets=sockets))


def _log_error(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log what no route has met by kind and location; asyncio would print a traceback."""
    error = context.get("exception")
    LOG.error("bug: %s", error_location(error) if isinstance(error, BaseException) else context["message"])


def service_url(listening: socket.socket, settings: ServiceSettings) -> str:
    """The address of a service that listens at this socket."""
    port = listening.getsockname()[1]
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{host}:{port}{settings.root_path}"


def set_up_log(log: bool) -> None:
    """Write a line for each request on stderr, or errors alone."""
    LOG.setLevel(logging.INFO if log else logging.WARNING)
    LOG.propagate = False
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    LOG.handlers = [handler]
    # Its error lines are tracebacks; requests are in our own log.
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
