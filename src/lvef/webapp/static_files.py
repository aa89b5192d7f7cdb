"""The files of the page itself: index, scripts, styles and texts, from this package alone."""

from __future__ import annotations

import hashlib
from pathlib import Path

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from lvef.service.errors import ApiError
from lvef.webapp.visitors import Visitors

FOLDER = Path(__file__).with_name("static")
"""Where they lie."""

MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".woff2": "font/woff2",
}
"""Media types by suffix: some systems have a wrong one for scripts, and browsers then refuse them."""

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

    async def favicon(request: Request) -> Response:
        return RedirectResponse(f"{root_path}/static/icon.svg")

    return [
        Route("/", index, methods=["GET"]),
        Route("/favicon.ico", favicon, methods=["GET"]),
        Route("/static/{name:path}", static, methods=["GET"]),
    ]


def file_response(request: Request, name: str) -> Response:
    """A file of the page; 304 where the browser has it.

    Raises:
        ApiError: There is no such file.
    """
    path = FOLDER / name
    # Only names that the folder lists: no `..` and no link leads out of it.
    if path.suffix not in MEDIA_TYPES or path not in FOLDER.rglob(f"*{path.suffix}") or not path.is_file():
        raise ApiError(404, "not_found", "There is no such file.")
    data = path.read_bytes()
    tag = f'"{hashlib.sha256(data).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": "no-cache", "Content-Security-Policy": POLICY}
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(data, headers={**headers, "Content-Type": MEDIA_TYPES[path.suffix]})
