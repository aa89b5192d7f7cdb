"""The page as an application, and its server: routes behind the access rules of the service, folder, socket, proper stop."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import sqlite3
import tempfile
import threading
import webbrowser
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from lvef.core.errors import ConfigError, DataError, LvefError, explained
from lvef.core.locks import is_locked_elsewhere
from lvef.inference.catalogue import find_model
from lvef.io.uploads import UploadStore, make_private_folder
from lvef.report.style import DARK, LIGHT, ON_BLACK, css_variables
from lvef.service.errors import ApiError, error_body
from lvef.service.middleware import MEDIA_TYPES, AccessMiddleware, bug_response, disk_full
from lvef.service.pool import WorkerFactory
from lvef.service.server import Server, bind_socket, set_up_log
from lvef.service.worker import Worker
from lvef.webapp.page import Page
from lvef.webapp.routes import page_routes
from lvef.webapp.routes_item import item_routes
from lvef.webapp.settings import ALL_INTERFACES, AppSettings
from lvef.webapp.visitors import Visitors
from lvef.webapp.warning_values import plain_text

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

STATIC_FOLDER = Path(__file__).with_name("static")
"""Where the page's files lie."""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' blob: data:; "
    "media-src 'self' blob:; connect-src 'self'; font-src 'self'; frame-ancestors 'none'; base-uri 'none'; "
    "form-action 'none'"
)
"""Content-Security-Policy of the page: nothing from outside, no script but its own files."""


def static_routes(root_path: str, visitors: Visitors) -> list[Route]:
    """The routes of the page's files.

    Args:
        root_path: Path prefix of the page.
        visitors: Who get their cookie with the page.
    """

    async def index(request: Request) -> Response:
        response = file_response(request, "index.html")
        visitors.welcome(request, response)
        return response

    async def static(request: Request) -> Response:
        return file_response(request, request.path_params["name"])

    async def colours(request: Request) -> Response:
        return _cached_response(request, drawing_css().encode(), ".css")

    async def favicon(request: Request) -> Response:
        return RedirectResponse(f"{root_path}/static/icon.svg")

    return [
        Route("/", index, methods=["GET"]),
        Route("/favicon.ico", favicon, methods=["GET"]),
        Route("/static/drawing.css", colours, methods=["GET"]),
        Route("/static/{name:path}", static, methods=["GET"]),
    ]


def drawing_css() -> str:
    """The colours of phases and contours, as the report has them: on the page, light and dark, and on images."""
    light, dark = ({phase: colours[phase] for phase in ("ed", "es")} for colours in (LIGHT, DARK))
    return (
        f":root{{{css_variables(light | ON_BLACK)}}}\n"
        f"@media(prefers-color-scheme:dark){{:root{{{css_variables(dark)}}}}}\n"
    )


def file_response(request: Request, name: str) -> Response:
    """A file of the page; 304 where the browser has it.

    Raises:
        ApiError: There is no such file.
    """
    path = STATIC_FOLDER / name
    # Only names that the folder lists: no `..` and no link leads out of it.
    if (
        path.suffix not in MEDIA_TYPES
        or path not in STATIC_FOLDER.rglob(f"*{path.suffix}")
        or not path.is_file()
    ):
        raise ApiError(404, "not_found", "There is no such file.")
    return _cached_response(request, path.read_bytes(), path.suffix)


def _cached_response(request: Request, data: bytes, suffix: str) -> Response:
    tag = f'"{hashlib.sha256(data).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": "no-cache", "Content-Security-Policy": POLICY}
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(data, headers={**headers, "Content-Type": MEDIA_TYPES[suffix]})


MESSAGES = (
    "This page is not known under this name; open it at the address that it printed when it was started.",
    "A page of another site may not use this one.",
)
"""Messages of requests with a wrong host name, and from another origin."""

_HTTP_MESSAGES = {404: "There is no such page.", 405: "This address does not support the method."}


class PageApp:
    """The ASGI application of the page.

    Args:
        settings: Of the page.
        folder: Where files, results and sessions are kept.
        worker_factory: Makes, inside a worker process, what measures.

    Raises:
        DataError: The folder cannot be used.
    """

    def __init__(self, settings: AppSettings, folder: Path, worker_factory: WorkerFactory = Worker) -> None:
        self.page = Page(settings, folder, worker_factory)
        self.jobs = self.page.jobs
        self.api = _starlette(self.page)
        self.app = AccessMiddleware(
            _with_slash(self.api, settings.root_path), self.jobs.settings, self.jobs.metrics, MESSAGES
        )


def _starlette(page: Page) -> Starlette:
    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        # The first clip of a visitor is not to wait for all of them.
        page.jobs.start(one_by_one=True)
        purging = asyncio.ensure_future(page.purge_regularly())
        yield
        purging.cancel()
        await asyncio.gather(purging, return_exceptions=True)
        await page.jobs.stop()
        page.close()

    async def health(request: Request) -> Response:
        status = page.jobs.status
        values = {"status": status, "workers": page.jobs.pool.ready}
        return JSONResponse(values, 200 if status == "ready" else 503)

    root = page.settings.root_path
    routes = [
        *static_routes(root, page.visitors),
        *page_routes(page),
        *item_routes(page),
        Route("/healthz", health, methods=["GET"]),
    ]
    return Starlette(
        routes=routes,
        lifespan=lifespan,
        exception_handlers={
            ApiError: _api_error,
            LvefError: _lvef_error,
            HTTPException: _http_error,
            ClientDisconnect: _client_gone,
            sqlite3.OperationalError: disk_full,
            Exception: bug_response,
        },
    )


def _with_slash(app: ASGIApp, root_path: str) -> ASGIApp:
    """An application that leads from its prefix to the page: without the slash, relative addresses would lead out of it."""

    async def respond(scope: Scope, receive: Receive, send: Send) -> None:
        if root_path and scope["type"] == "http" and scope["path"] == root_path:
            await RedirectResponse(f"{root_path}/")(scope, receive, send)
        else:
            await app(scope, receive, send)

    return respond


async def _api_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    # Frames count from 1 on the page, and it has no command line.
    # It is a sentence already, which may begin with a file's name.
    message = error.message[:1] + plain_text(error.message)[1:]
    return JSONResponse(error_body(error.code, message), error.status, error.headers)


async def _lvef_error(_: Request, error: Exception) -> Response:
    return JSONResponse(error_body("not_possible", plain_text(str(error))), 422)


async def _http_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    message = _HTTP_MESSAGES.get(error.status_code, "The request cannot be answered.")
    return JSONResponse(error_body("http", message), error.status_code, error.headers)


async def _client_gone(_: Request, __: Exception) -> Response:
    return Response(status_code=499)


FOLDER_PREFIX = "lvef-page-"
"""Beginning of the names of the pages' folders, in the system's folder for temporary files."""

LOCK_NAME = "page.lock"
"""File of a kept folder that the page holds locked."""


def run_app(
    app: AppSettings, announce: Callable[[str], None], *, worker_factory: WorkerFactory = Worker
) -> None:
    """Serve the page until the process is stopped.

    Args:
        app: Its settings.
        announce: Called with the page's address once it answers.
        worker_factory: Makes, inside a worker process, what measures.

    Raises:
        ConfigError: The address or the port cannot be used.
        DataError: The folder cannot be used.
        WeightsError: There is no such model.
    """
    find_model(app.weights)
    with page_folder(app) as folder:
        settings = app.service(folder)
        listening = bind_socket(settings)
        with listening:
            page = PageApp(app, folder, worker_factory)
            set_up_log(False)
            address = page_address(app, listening.getsockname()[1])

            def started() -> None:
                announce(address)
                if app.open_browser:
                    # In a thread: some systems wait for the browser.
                    threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()

            Server(page, settings, started).run(sockets=[listening])


@contextlib.contextmanager
def page_folder(app: AppSettings) -> Iterator[Path]:
    """The folder of a page: the one of its settings, or a temporary one that goes with it.

    Folders of pages that were killed are removed.

    Raises:
        DataError: It cannot be made, or another page uses it.
    """
    if app.data is not None:
        make_private_folder(app.data)
        with _locked(app.data / LOCK_NAME):
            yield app.data
        return
    store = UploadStore(Path(tempfile.gettempdir()), FOLDER_PREFIX)
    before = tempfile.tempdir
    try:
        store.remove_orphans()
        # Whatever makes temporary files makes them there, so that nothing is left, even when this process is killed.
        tempfile.tempdir = str(store.folder)
        yield store.folder
    finally:
        tempfile.tempdir = before
        store.close()


def page_address(app: AppSettings, port: int) -> str:
    """Where a browser on this machine finds the page."""
    host = "localhost" if app.host in ALL_INTERFACES else f"[{app.host}]" if ":" in app.host else app.host
    return f"http://{host}:{port}{app.root_path}/"


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with explained(DataError, f"{path} cannot be written", "; choose another folder with --data."):
        file = path.open("wb")
    with file:
        if is_locked_elsewhere(file):
            raise ConfigError(
                f"{path.parent} is used by another lvef app that runs; choose another folder with --data."
            )
        yield
