"""Reads a multipart request straight into the spool, and stops at the first byte too many.

Nothing is written beyond the limit, whether or not the request said how long it is. All files of a request that is not
taken are removed before it is answered.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from lvef.service.errors import ApiError
from lvef.service.upload_store import UploadStore, remove, sanitize_name

MAX_FIELD_BYTES = 4096
"""Longest value of a form field that is no file."""

MAX_FIELDS = 40
"""Most form fields."""

STALL_LIMIT_S = 30.0
"""Longest pause between two pieces of a request."""

MAX_UPLOAD_S = 1800.0
"""Longest time of a whole request: each holds a place in the queue."""

DRAIN_BYTES = 2**26
"""How much of a request that is too large is still read and thrown away, so that the client sees the answer and no broken
connection."""

DRAIN_LIMIT_S = 10.0
"""How long that may take."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A file of a request.

    Attributes:
        role: Name of its form field: ``files``, ``ed``, ``es``, ``a4c`` or ``a2c``.
        name: The client's name for it, as shown.
        path: Where it lies.
    """

    role: str
    name: str
    path: Path


@dataclass(slots=True)
class Form:
    """What a request held."""

    uploads: list[Upload] = field(default_factory=list)
    fields: dict[str, str] = field(default_factory=dict)

    def discard(self) -> None:
        """Remove its files."""
        for upload in self.uploads:
            remove(upload.path)


async def receive_form(
    content_type: str,
    declared: str | None,
    stream: AsyncIterator[bytes],
    upload_store: UploadStore,
    *,
    max_bytes: int,
    max_files: int,
    waits_for_go: bool = False,
) -> Form:
    """Read a multipart request.

    Args:
        content_type: Header of that name.
        declared: Header ``Content-Length``, where there is one.
        stream: The request's body.
        upload_store: Where its files go.
        max_bytes: Most bytes of the body.
        max_files: Most files.
        waits_for_go: The client sends its body only once it is told to go on (``Expect: 100-continue``).

    Raises:
        Refusal: It is no such form, too large, or breaks off; nothing of it is left then.
    """
    if declared is not None and declared.isdecimal() and int(declared) > max_bytes:
        if not waits_for_go:
            await _drain(stream)
        raise _too_large(max_bytes)
    kind, parameters = parse_options_header(content_type.encode("latin-1", "replace"))
    boundary = parameters.get(b"boundary", b"")
    if kind != b"multipart/form-data" or not boundary:
        await _drain(stream)
        raise ApiError(415, "not_multipart", "A form of the type multipart/form-data was expected.")
    reader = _Reader(upload_store, max_files)
    got = 0
    try:
        parser = _parser(boundary, reader)
        async for chunk in _steady(stream):
            got += len(chunk)
            if got > max_bytes:
                raise _too_large(max_bytes)
            if chunk:
                # Large pieces are written by a thread: the disk must not hold up the others.
                await asyncio.to_thread(parser.write, chunk)
        parser.finalize()
        if not reader.ended:
            raise _broken()
    except BaseException as error:
        reader.close()
        reader.form.discard()
        if isinstance(error, FormParserError):
            await _drain(stream)
            raise _broken() from None
        if isinstance(error, OSError) and not isinstance(error, ConnectionError):
            await _drain(stream)
            raise ApiError(
                507, "no_space", "The service has no room for this upload; try again later."
            ) from None
        if isinstance(error, ApiError):
            await _drain(stream)
        raise
    reader.close()
    return reader.form


class _Reader:
    """Callbacks of the parser: fields into memory, files into the spool."""

    def __init__(self, upload_store: UploadStore, max_files: int) -> None:
        self.form, self.ended = Form(), False
        self._spool, self._max_files = upload_store, max_files
        self._header, self._value = b"", b""
        self._disposition = b""
        self._name, self._text = "", bytearray()
        self._file: IO[bytes] | None = None

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def on_part_begin(self) -> None:
        self._header, self._value, self._disposition = b"", b"", b""

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def on_header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = self._value
        self._header, self._value = b"", b""

    def on_headers_finished(self) -> None:
        _, parameters = parse_options_header(self._disposition)
        if b"name" not in parameters:
            raise ApiError(422, "bad_form", "A part of the form has no name.")
        self._name = _text(parameters[b"name"])
        self._text = bytearray()
        if b"filename" not in parameters:
            if len(self.form.fields) >= MAX_FIELDS:
                raise ApiError(413, "too_many_fields", f"The form has more than {MAX_FIELDS} fields.")
            return
        if len(self.form.uploads) >= self._max_files:
            raise ApiError(
                413,
                "too_many_files",
                f"The request has more than {self._max_files} files; send fewer at once.",
            )
        shown = sanitize_name(_text(parameters[b"filename"]))
        upload = Upload(self._name, shown, self._spool.new_path(shown))
        self.form.uploads.append(upload)
        self._file = upload.path.open("xb")
        upload.path.chmod(0o600)

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._file is not None:
            self._file.write(memoryview(data)[start:end])
            return
        if len(self._text) + end - start > MAX_FIELD_BYTES:
            raise ApiError(413, "field_too_long", f"A form field has more than {MAX_FIELD_BYTES} bytes.")
        self._text += data[start:end]

    def on_part_end(self) -> None:
        if self._file is not None:
            self.close()
        else:
            self.form.fields[self._name] = _text(bytes(self._text))

    def on_end(self) -> None:
        self.ended = True


def _parser(boundary: bytes, reader: _Reader) -> MultipartParser:
    names = (
        "part_begin", "part_data", "part_end", "header_field", "header_value", "header_end", "headers_finished", "end",
    )  # fmt: skip
    callbacks: Any = {f"on_{name}": getattr(reader, f"on_{name}") for name in names}
    return MultipartParser(boundary, callbacks)


async def _steady(stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The pieces of a body, as long as they keep coming."""
    end = time.monotonic() + MAX_UPLOAD_S
    while True:
        try:
            yield await asyncio.wait_for(anext(stream), max(0.0, min(STALL_LIMIT_S, end - time.monotonic())))
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise ApiError(
                408,
                "upload_stalled",
                f"Nothing came for {STALL_LIMIT_S:g} seconds, or the upload took over {MAX_UPLOAD_S / 60:g} minutes; "
                "send it again.",
            ) from None


async def _drain(stream: AsyncIterator[bytes]) -> None:
    """Read the rest of a body that is not wanted, for a while."""
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


def _text(data: bytes) -> str:
    """Text of a form: UTF-8, with what is not replaced."""
    return data.decode("utf-8", "replace")


def _too_large(max_bytes: int) -> ApiError:
    return ApiError(
        413,
        "too_large",
        f"The request is larger than {max_bytes / 2**20:g} MB, the most that is taken; cut the clip to a few beats.",
    )


def _broken() -> ApiError:
    return ApiError(400, "bad_form", "The form is broken or ends too early; send it again.")
