"""Bodies of requests while they are received: their limits of size and time."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator
from typing import Any

from lvef.service.errors import ApiError
from lvef.service.settings import MB

STALL_LIMIT_S = 30.0
"""Longest time in which `MIN_BYTES` of a request come, or its end."""

MIN_BYTES = 2**15
"""See `STALL_LIMIT_S`: a client that sends a byte now and then would hold its place in the queue for as long as it liked."""

MAX_UPLOAD_S = 1800.0
"""Longest time of a whole request: each holds a place in the queue."""

MAX_WHOLE = 2**53
"""Largest whole number of a request, as of a browser: larger ones do not fit into a float either."""

DRAIN_BYTES = 2**26
"""How much of a request that is too large is still read and discarded, so that the client sees the response and not a broken
connection."""

DRAIN_LIMIT_S = 10.0
"""How long that may take."""


async def limited(stream: AsyncGenerator[bytes, None], max_bytes: int) -> AsyncGenerator[bytes, None]:
    """The chunks of a body, as long as they keep coming and are not too many.

    Raises:
        ApiError: Too many bytes, or too slow.
    """
    received, recent = 0, 0
    began = time.monotonic()
    until = began + STALL_LIMIT_S
    while True:
        try:
            limit = min(until, began + MAX_UPLOAD_S) - time.monotonic()
            chunk = await asyncio.wait_for(anext(stream), max(0.0, limit))
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise ApiError(
                408,
                "upload_stalled",
                f"Too little data came for {STALL_LIMIT_S:g} seconds, or the upload took over {MAX_UPLOAD_S / 60:g} "
                "minutes; send it again.",
            ) from None
        received += len(chunk)
        recent += len(chunk)
        if recent >= MIN_BYTES:
            recent, until = 0, time.monotonic() + STALL_LIMIT_S
        if received > max_bytes:
            raise too_large(max_bytes)
        yield chunk


async def receive_json(
    stream: AsyncGenerator[bytes, None],
    max_bytes: int,
    *,
    large: str,
    wrong: str,
    empty: bytes = b"",
    allow_nan: bool = False,
) -> Any:  # noqa: ANN401
    """A body as JSON.

    Args:
        stream: The body.
        max_bytes: Most bytes that it may have.
        large: Message where it has more.
        wrong: Message where it is no JSON.
        empty: What an empty body stands for.
        allow_nan: Take numbers that are not finite; the caller checks them.

    Raises:
        ApiError: Too large, too slow, or no JSON; a whole number that no browser can hold is none.
    """
    data = bytearray()
    # One byte more than allowed: the message is its own.
    async for chunk in limited(stream, max_bytes + 1):
        data += chunk
        if len(data) > max_bytes:
            raise ApiError(413, "too_large", large)
    try:
        values = json.loads((bytes(data) or empty).decode("utf-8"), parse_int=_whole)
        # JSON can hold unpaired surrogates, which cannot be encoded.
        json.dumps(values, ensure_ascii=False, allow_nan=allow_nan).encode("utf-8")
    except (ValueError, RecursionError):
        raise ApiError(400, "bad_json", wrong) from None
    return values


def _whole(digits: str) -> int:
    value = int(digits)
    if abs(value) > MAX_WHOLE:
        raise ValueError(digits)
    return value


async def drain(stream: AsyncGenerator[bytes, None]) -> None:
    """Read and discard the rest of a body, for a while."""
    left = DRAIN_BYTES
    try:
        async with asyncio.timeout(DRAIN_LIMIT_S):
            while left > 0:
                left -= len(await anext(stream))
    except (StopAsyncIteration, TimeoutError):
        return
    except RuntimeError:
        # A stream that was stopped in the middle does not go on.
        return


def too_large(max_bytes: int) -> ApiError:
    """The error of a request with more bytes than are taken."""
    return ApiError(
        413,
        "too_large",
        f"The request is larger than {max_bytes / MB:g} MB, the limit; cut the clip to a few beats.",
    )
