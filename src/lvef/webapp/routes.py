"""The routes of the page: its session, uploads, the list of items, and what belongs to all of them."""

from __future__ import annotations

import asyncio
import secrets
import shutil
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

import lvef
from lvef.core.errors import LvefError
from lvef.core.terms import MEASURING_KINDS, Sex, View
from lvef.core.wording import DISCLAIMER, HEART_FAILURE_TEXT, REPORT_CLASS_TEXT
from lvef.inference.card import Card, card_facts, display_name, metric_text
from lvef.inference.catalogue import list_models
from lvef.io.formats import CLIP_FORMATS, STILL_FORMATS, STILL_SUFFIXES, SUFFIXES, known_suffix
from lvef.io.uploads import open_private, sanitize_name
from lvef.service.errors import ApiError, bad_request
from lvef.service.settings import MB
from lvef.service.streams import drain, limited, receive_json, too_large
from lvef.webapp.choices import DEFAULTS, parse_choices, parse_kind
from lvef.webapp.samples import sample_of, samples
from lvef.webapp.sessions import STUDY, Session, StoredUpload

LIMITS = (
    "Apical four- and two-chamber views are expected. Many other images are refused, not all: check the video.",
    "One view cannot reveal foreshortening: a plane that misses the apex gives too small volumes and often too high an EF.",
    "The models were trained on adults of one hospital and one vendor's scanners; no children, contrast agents or rare "
    "anatomy.",
    "Volumes in ml are given only where the file has a scale that fits its images. An EF needs none.",
    "Irregular rhythm needs five beats or more; with fewer there is a warning.",
    "The spread over beats shows how similar the beats are, not how far the EF may be from the truth.",
    "Two cardiologists differ by 6 to 7 points of EF on the same patient on average.",
)
"""What a reader has to know; docs/explanation/limits.md has more."""

WHAT_IT_DOES = (
    "A model segments the left ventricle on every frame. Volumes follow by the method of disks, beats from the "
    "volume-time curve; the ejection fraction is the mean over the regular beats, and the beat nearest to it is shown. "
    "What should not be measured is refused, with the reason. Every EF rests on two contours that you see and can correct."
)
"""The program in a few sentences."""

CITATION = (
    "The models were trained on CAMUS and carry its licence (CC BY-NC-SA 4.0): non-commercial scientific research only, "
    "with this citation:"
)
"""Stands before the citations."""


def about(keep_hours: float, *, is_kept: bool) -> dict[str, Any]:
    """Everything that the page *About* says.

    Args:
        keep_hours: How long files and results are kept.
        is_kept: Whether they stay when the page is stopped.
    """
    cards = [entry.card for entry in list_models()]
    return {
        "version": lvef.__version__,
        "disclaimer": DISCLAIMER,
        "what_it_does": WHAT_IT_DOES,
        "privacy": privacy_text(keep_hours, is_kept=is_kept),
        "licences": [
            {"name": "Code", "text": f"lvef {lvef.__version__}, Apache-2.0"},
            *(
                {"name": display_name(card), "text": f"{card.title} (version {card.version}), {card.licence}"}
                for card in cards
            ),
        ],
        "models": [_model(card) for card in cards if card.kind in MEASURING_KINDS],
        "limits": list(LIMITS),
        "classes": {
            "heart_failure": list(HEART_FAILURE_TEXT.values()),
            "report": list(REPORT_CLASS_TEXT.values()),
        },
        "citation": CITATION,
        "citations": list(dict.fromkeys(card.training.citation for card in cards)),
    }


def privacy_text(keep_hours: float, *, is_kept: bool) -> str:
    """What happens to files, in a few sentences."""
    ends = "" if is_kept else ", or until the page is stopped"
    return (
        "Nothing is sent anywhere. Files, results and corrections lie in a private folder on the machine of this page "
        f"until you forget them, at most {keep_hours:g} hours{ends}. What lies outside the ultrasound sector, such as a "
        "name on the screen, is never shown."
    )


def _model(card: Card) -> dict[str, Any]:
    facts = card_facts(card)
    for key in ("external", "figures"):
        figures = card.external if key == "external" else card.figures
        facts[key] = [
            {**one, "text": metric_text(figure)} for one, figure in zip(facts[key], figures, strict=True)
        ]
    return facts | {"label": display_name(card)}


if TYPE_CHECKING:
    from lvef.webapp.page import Page

MAX_JSON_BYTES = 2**20
"""Largest body of a request that is not a file."""

MAX_SESSION_BYTES, MAX_ALL_BYTES = 4 * 2**30, 16 * 2**30
"""Most bytes of the files of one session, and of all."""

ROOM_BYTES = 128 * MB
"""Space on the disk that no upload may take."""

CLIENT_GONE = 499
"""Status in the log where the client disconnected before the response; it is never received."""

SESSION_EXPIRED = {
    "code": "session_expired",
    "message": "The earlier session has ended, and its files and results were deleted. Add the files again.",
}
"""Message to a visitor whose session is not kept any more."""

CSV_HEADERS = {"Content-Disposition": 'attachment; filename="lvef-results.csv"'}
ZIP_HEADERS = {"Content-Disposition": 'attachment; filename="lvef-results.zip"'}
"""Headers of the two files of all items."""


async def json_body(request: Request) -> dict[str, Any]:
    """The body of a request as a JSON object.

    Raises:
        ApiError: It is none, or too large.
    """
    values = await receive_json(
        request.stream(),
        MAX_JSON_BYTES,
        large="The request is too large.",
        wrong="The request is not valid JSON.",
        empty=b"{}",
    )
    if not isinstance(values, dict):
        raise ApiError(400, "bad_json", "A JSON object was expected.")
    return values


def page_routes(page: Page) -> list[Route]:
    """The routes of the session, uploads, samples and the list of items."""

    async def session(request: Request, own: Session) -> Response:
        response = JSONResponse(with_notice(page, own, await session_values(page, own)))
        # Each visit lengthens the life of the cookie.
        page.visitors.set_cookie(response, own)
        return response

    async def forget(request: Request, own: Session) -> Response:
        await page.items.forget(own)
        fresh = page.visitors.renew()
        response = JSONResponse(await session_values(page, fresh))
        page.visitors.set_cookie(response, fresh)
        return response

    async def options(request: Request, own: Session) -> Response:
        given, models = await json_body(request), await page.models()
        check_session(page, own)
        own.options = parse_choices(given, own.options, models)
        page.store.save(own)
        return JSONResponse({"options": own.options})

    async def upload(request: Request, own: Session) -> Response:
        try:
            stored = await receive_upload(page, request, own)
        except ClientDisconnect:
            return Response(status_code=CLIENT_GONE)
        return JSONResponse({"upload": stored.id, "name": stored.name, "size": stored.size}, 201)

    async def items(request: Request, own: Session) -> Response:
        return JSONResponse(with_notice(page, own, await page.descriptions.list_of(own)))

    async def add(request: Request, own: Session) -> Response:
        given = await json_body(request)
        kind = parse_kind(given.get("kind"))
        await page.models()
        if kind == STUDY and given.get("items") is not None:
            item = page.items.create_study(own, names_of(given["items"]))
        else:
            item = page.items.create(own, kind, names_of(given.get("uploads")))
        return JSONResponse(await page.descriptions.summary(own, item), 201)

    async def sample(request: Request, own: Session) -> Response:
        found = sample_of(request.path_params["name"])
        if found is None:
            raise ApiError(404, "no_such_sample", "There is no such sample on this machine.")
        await page.models()
        try:
            async with page.making_samples:
                files, known = await asyncio.to_thread(found.files)
        except LvefError as error:
            raise ApiError(404, "no_such_sample", str(error)) from None
        check_room(page, own, sum(len(file.data) for file in files))
        kept = [await keep_upload(page, own, file.name, _one_chunk(file.data), 0) for file in files]
        names = [upload.id for upload in kept]
        item = page.items.create(own, found.kind, names, sample=found.name, known_ef_percent=known)
        return JSONResponse(await page.descriptions.summary(own, item), 201)

    async def table(request: Request, own: Session) -> Response:
        return Response(await page.downloads.table(own), media_type="text/csv", headers=CSV_HEADERS)

    async def archive(request: Request, own: Session) -> Response:
        found = page.store.items(own.id)
        pieces = page.downloads.archive(own, found, with_table=True)
        return StreamingResponse(pieces, media_type="application/zip", headers=ZIP_HEADERS)

    async def about_page(request: Request, own: Session) -> Response:
        return JSONResponse(
            await asyncio.to_thread(about, page.settings.keep_hours, is_kept=page.settings.data is not None)
        )

    route = page.visitors.route
    return [
        Route("/api/session", route(session), methods=["GET"]),
        Route("/api/session", route(forget), methods=["DELETE"]),
        Route("/api/options", route(options), methods=["PUT"]),
        Route("/api/uploads", route(upload), methods=["POST"]),
        Route("/api/items", route(items), methods=["GET"]),
        Route("/api/items", route(add), methods=["POST"]),
        Route("/api/samples/{name}", route(sample), methods=["POST"]),
        Route("/api/results.csv", route(table), methods=["GET"]),
        Route("/api/results.zip", route(archive), methods=["GET"]),
        Route("/api/about", route(about_page), methods=["GET"]),
    ]


def with_notice(page: Page, session: Session, values: dict[str, Any]) -> dict[str, Any]:
    """Values with the message, once, that an earlier session expired."""
    return values | {"notice": SESSION_EXPIRED} if page.visitors.take_expired(session) else values


async def session_values(page: Page, session: Session) -> dict[str, Any]:
    """Everything that the page needs at first."""
    await page.models()
    settings = page.settings
    return {
        "version": lvef.__version__,
        **await page.descriptions.list_of(session),
        "options": {**DEFAULTS, **session.options},
        "limits": {
            "max_upload_bytes": page.jobs.settings.max_upload_bytes,
            "suffixes": sorted(SUFFIXES),
            "still_suffixes": sorted(STILL_SUFFIXES),
            "clip_formats": CLIP_FORMATS,
            "still_formats": STILL_FORMATS,
            "keep_hours": settings.keep_hours,
        },
        "models": page.model_list,
        "samples": [
            {"name": one.name, "label": one.label, "help": one.help, "kind": one.kind} for one in samples()
        ],
        "sexes": [str(sex) for sex in Sex],
        "views": [str(View.UNKNOWN), str(View.A4C), str(View.A2C)],
        "privacy": privacy_text(settings.keep_hours, is_kept=settings.data is not None),
        "is_kept": settings.data is not None,
        "trouble": page.trouble,
    }


async def receive_upload(page: Page, request: Request, session: Session) -> StoredUpload:
    """Write the body of a request to the disk.

    Raises:
        ApiError: It is empty, too large, too slow, or there is no room; nothing of it is left then.
    """
    name = sanitize_name(request.query_params.get("name", ""))
    most = page.jobs.settings.max_upload_bytes
    declared = request.headers.get("content-length", "")
    stream = request.stream()
    size = int(declared) if declared.isdecimal() else 0
    try:
        if size > most:
            raise too_large(most)
        check_room(page, session, size)
    except ApiError:
        await drain(stream)
        raise
    try:
        return await keep_upload(page, session, name, limited(stream, most), size)
    except ApiError as error:
        if error.status == 413:
            await drain(stream)
        raise


async def keep_upload(
    page: Page, session: Session, name: str, chunks: AsyncIterator[bytes], size: int
) -> StoredUpload:
    """Write the bytes of an upload, of at least that size, to the disk.

    Raises:
        ApiError: There are fewer or none, or there is no room; nothing of it is left then.
    """
    path = new_path(page, name)
    received = 0
    try:
        file = await asyncio.to_thread(open_private, path)
        with file:
            async for chunk in chunks:
                received += len(chunk)
                await asyncio.to_thread(file.write, chunk)
        if received < size:
            raise ApiError(400, "upload_broken", f"{name} did not arrive whole; add it again.")
        if not received:
            raise ApiError(422, "empty_file", f"{name} is empty; export it again.")
        check_room(page, session, received)
        check_session(page, session)
        stored = StoredUpload(secrets.token_hex(16), session.id, name, path.name, received, time.time())
        page.store.save(stored)
    except BaseException as error:
        path.unlink(missing_ok=True)
        if isinstance(error, OSError) and not isinstance(error, ConnectionError):
            raise no_room() from None
        raise
    return stored


async def _one_chunk(data: bytes) -> AsyncIterator[bytes]:
    yield data


def check_session(page: Page, session: Session) -> None:
    """Check that a session was not forgotten since the request began: what is saved now would stay behind.

    Raises:
        ApiError: It was.
    """
    found = page.store.session(session.id)
    if found is None or found.created != session.created:
        raise ApiError(404, "forgotten", "Everything was forgotten meanwhile; add the file again.")


def check_room(page: Page, session: Session, size: int) -> None:
    """Check that there is room for so many bytes more.

    Raises:
        ApiError: There is none.
    """
    if page.store.bytes_of(session.id) + size > MAX_SESSION_BYTES:
        raise ApiError(
            507,
            "session_full",
            f"Your files have {MAX_SESSION_BYTES / 2**30:g} GB together, the limit; forget some results first.",
        )
    if page.store.bytes_of() + size > MAX_ALL_BYTES:
        raise no_room()
    if shutil.disk_usage(page.uploads_folder).free < size + ROOM_BYTES:
        raise no_room()


def new_path(page: Page, name: str) -> Path:
    """A path for an upload: a random name, with the suffix of the client's name if that is of a known format."""
    return page.uploads_folder / f"{secrets.token_hex(16)}{known_suffix(name)}"


def no_room() -> ApiError:
    """There is no space for an upload."""
    return ApiError(
        507, "no_space", "There is no room for this file; forget some results, or try again later."
    )


def names_of(given: Any) -> list[str]:  # noqa: ANN401
    """A list of ids from a request.

    Raises:
        ApiError: It is none.
    """
    if not isinstance(given, list) or not all(isinstance(name, str) and len(name) <= 64 for name in given):
        raise bad_request("Name the files that are to be measured.")
    return given
