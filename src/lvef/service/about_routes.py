"""What the service tells of itself: networks, health, metrics, and the page that shows all routes."""

from __future__ import annotations

from importlib.resources import files

from fastapi import APIRouter
from fastapi.responses import JSONResponse, RedirectResponse, Response

import lvef
from lvef.service.installed_models import installed_model_cards
from lvef.service.jobs import JobManager
from lvef.service.schemas import HealthResponse, ModelsResponse

PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; "
    "form-action 'none'"
)
"""Content-Security-Policy of the page: its own script and style, and the description of the routes."""

PAGE = {
    "/docs": ("docs.html", "text/html; charset=utf-8"),
    "/docs/page.js": ("docs.js", "text/javascript; charset=utf-8"),
    "/docs/page.css": ("docs.css", "text/css; charset=utf-8"),
}
"""Files of the page by their paths; nothing of it comes from outside."""


def about_routes(jobs: JobManager) -> APIRouter:
    """The routes about the service."""
    routes = APIRouter(tags=["service"])

    @routes.get(
        "/v1/models", response_model=ModelsResponse, summary="Installed networks and what their cards say"
    )
    def models() -> JSONResponse:
        """Name, version, kind, licence, whether it is experimental, external and in-domain metrics, weaknesses."""
        return JSONResponse({"default": jobs.settings.weights, "models": list(installed_model_cards())})

    @routes.get(
        "/healthz",
        response_model=HealthResponse,
        responses={503: {"model": HealthResponse, "description": "It cannot measure now."}},
        summary="Whether it can measure now",
    )
    def health() -> JSONResponse:
        """200 once a worker has its network loaded, else 503. Needs no key."""
        ready = jobs.pool.ready
        status = "stopping" if jobs.stopping else "ready" if ready else "starting"
        values = {
            "status": status,
            "lvef_version": lvef.__version__,
            "workers": ready,
            "queue": jobs.pool.waiting,
            "trouble": jobs.pool.trouble,
        }
        return JSONResponse(values, 200 if status == "ready" else 503)

    @routes.get(
        "/metrics",
        response_class=Response,
        responses={200: {"content": {"text/plain": {}}}},
        summary="Counters for Prometheus",
    )
    def metrics() -> Response:
        """Requests, jobs, seconds, queue, refusals; no names."""
        data, kind = jobs.metrics.text()
        return Response(data, headers={"Content-Type": kind})

    @routes.get("/", include_in_schema=False)
    def root() -> RedirectResponse:
        return RedirectResponse(f"{jobs.settings.root_path}/docs")

    for path, (name, kind) in PAGE.items():
        _add_page(routes, path, name, kind)
    return routes


def _add_page(routes: APIRouter, path: str, name: str, kind: str) -> None:
    data = files("lvef.service").joinpath("static", name).read_bytes()

    def page() -> Response:
        return Response(data, headers={"Content-Type": kind, "Content-Security-Policy": PAGE_POLICY})

    routes.add_api_route(path, page, methods=["GET"], include_in_schema=False)
