"""The application: its routes, errors as JSON, and the access rules before it."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

import lvef
from lvef.core.wording import DISCLAIMER
from lvef.service.database import DISK_FULL
from lvef.service.errors import ApiError, error_body
from lvef.service.jobs import JobManager
from lvef.service.middleware import AccessMiddleware, bug_response
from lvef.service.pool import WorkerFactory
from lvef.service.routes import installed_models, measure_routes, result_routes, service_routes
from lvef.service.schemas import INTRODUCTION
from lvef.service.settings import ServiceSettings
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

    @api.exception_handler(sqlite3.OperationalError)
    async def disk_full(_: Request, __: sqlite3.OperationalError) -> JSONResponse:
        return JSONResponse(error_body("no_space", DISK_FULL), 507)

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
