"""Errors of the API: a status, a code for programs, a sentence for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

STATUS_OF_CODE = {
    "too_slow": 504,
    "worker_died": 500,
    "bug": 500,
    "service_stopped": 503,
    "weights": 422,
    "no_pictures": 404,
    "no_space": 507,
}
"""HTTP status of codes with which a job can fail; for all others it is 422, a file that cannot be measured."""


class ApiError(Exception):
    """A request that is refused.

    Attributes:
        status: HTTP status.
        code: Short reason for programs.
        message: One sentence; it never holds what the client sent but for the names of fields.
        headers: Further headers of the response.
    """

    def __init__(
        self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message
        self.headers = dict(headers or {})

    def body(self) -> dict[str, Any]:
        """The response's body."""
        return error_body(self.code, self.message)


def error_body(code: str, message: str) -> dict[str, Any]:
    """The body of every error response."""
    return {"error": {"code": code, "message": message}}


def http_status(code: str) -> int:
    """HTTP status of a job that failed with this code."""
    return STATUS_OF_CODE.get(code, 422)


def bad_request(message: str) -> ApiError:
    """A request that cannot be met."""
    return ApiError(422, "bad_request", message)


def not_found(what: str) -> ApiError:
    """There is no such job or result, or no longer."""
    return ApiError(
        404,
        "not_found",
        f"There is no such {what}; it may have expired and been deleted. Send the file again.",
    )
