"""The application: routes put together, errors turned into answers, everything behind the guard."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

import lvef
from lvef.core.wording import DISCLAIMER
from lvef.service.about_routes import about_routes
from lvef.service.errors import ApiError, error_body
from lvef.service.installed_models import installed_model_names
from lvef.service.jobs import JobManager
from lvef.service.measure_routes import measure_routes
from lvef.service.middleware import AccessMiddleware
from lvef.service.pool import WorkerFactory
from lvef.service.result_routes import result_routes
from lvef.service.schemas import INTRODUCTION
from lvef.service.settings import ServiceSettings
from lvef.service.worker import Worker

_MESSAGES = {
    404: "There is no such page; /docs lists what there is.",
    405: "This page does not take that method.",
}


class Service:
    """A service that can be run: an ASGI application and its jobs.

    Args:
        settings: Of the service.
        worker_factory: Gives, inside a worker process, what measures.

    Raises:
        DataError: The data folder cannot be used.
        WeightsError: The networks cannot be listed.
    """

    def __init__(self, settings: ServiceSettings, worker_factory: WorkerFactory = Worker) -> None:
        # Looked up once, here, so that a fault in what is installed is told before the service starts.
        installed_model_names()
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
        # The pages that come with FastAPI load their scripts from elsewhere.
        docs_url=None,
        redoc_url=None,
    )
    if settings.api_key:
        _document_api_key(api)
    api.include_router(measure_routes(jobs))
    api.include_router(result_routes(jobs))
    api.include_router(about_routes(jobs))

    @api.exception_handler(ApiError)
    async def api_error(_: Request, error: ApiError) -> JSONResponse:
        if error.status in (413, 408):
            jobs.metrics.refused.labels(error.code).inc()
        return JSONResponse(error.body(), error.status, error.headers)

    @api.exception_handler(RequestValidationError)
    async def wrong(_: Request, error: RequestValidationError) -> JSONResponse:
        # Where, not what: the value may tell of a person.
        places = sorted({".".join(str(part) for part in one["loc"]) for one in error.errors()})
        return JSONResponse(error_body("bad_request", f"The request is wrong at {', '.join(places)}."), 422)

    @api.exception_handler(HTTPException)
    async def plain(_: Request, error: HTTPException) -> JSONResponse:
        sentence = _MESSAGES.get(error.status_code, "The request cannot be answered.")
        return JSONResponse(error_body("http", sentence), error.status_code, error.headers)

    return api


def _document_api_key(api: FastAPI) -> None:
    """Say on the OpenAPI page that a key is needed, and for which routes."""
    made = api.openapi

    def openapi() -> dict[str, Any]:
        page: dict[str, Any] = made()
        page["components"]["securitySchemes"] = {
            "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            "bearer": {"type": "http", "scheme": "bearer"},
        }
        page["security"] = [{"key": []}, {"bearer": []}]
        page["paths"]["/healthz"]["get"]["security"] = []
        return page

    api.openapi = openapi
