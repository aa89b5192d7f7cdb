"""Who asks: the session of a request, by its cookie."""

from __future__ import annotations

import contextlib
import re
import sqlite3
import time
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response

from lvef.webapp.sessions import Session, SessionStore, new_session

COOKIE = "lvef_session"
"""Name of the cookie."""

TOUCH_INTERVAL_S = 60.0
"""Shortest time between two notes that a session is used."""

_ID = re.compile(r"[0-9a-f]{32}")

Handler = Callable[[Request, Session], Awaitable[Response]]
"""Responds to a request of a session."""


class Visitors:
    """Finds or makes the session of each request.

    Args:
        store: Of the sessions.
        root_path: Path below which the cookie is sent.
        keep_s: How long a browser keeps it.
    """

    def __init__(self, store: SessionStore, root_path: str, keep_s: float) -> None:
        self._store, self._path, self._keep_s = store, root_path or "/", keep_s
        self._touched: dict[str, float] = {}
        self._expired: set[str] = set()

    def route(self, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        """A Starlette endpoint that calls a handler with the session of the request."""

        async def endpoint(request: Request) -> Response:
            session, has_cookie = self.session_of(request)
            response = await handler(request, session)
            if not has_cookie and "set-cookie" not in response.headers:
                self.set_cookie(response, session)
            return response

        return endpoint

    def session_of(self, request: Request) -> tuple[Session, bool]:
        """The session of a request, and whether it has the cookie already.

        A cookie whose session expired keeps its id, so that requests that are sent at once share one new session.
        """
        name = request.cookies.get(COOKIE, "")
        if not _ID.fullmatch(name):
            return self.renew(), False
        found = self._store.session(name)
        if found is None:
            found = new_session(name)
            if self._is_saved(found):
                self._expired.add(name)
        self._touch(name)
        return found, True

    def set_cookie(self, response: Response, session: Session) -> None:
        """Have the browser keep the id of a session."""
        response.set_cookie(
            COOKIE, session.id, max_age=round(self._keep_s), path=self._path, httponly=True, samesite="strict"
        )

    def welcome(self, request: Request, response: Response) -> None:
        """Give a browser that opens the page its cookie.

        Not where a page of another site leads here: the browser then keeps its cookie back, and a new one would replace it.
        """
        if COOKIE not in request.cookies and request.headers.get("sec-fetch-site") != "cross-site":
            self.set_cookie(response, self.renew())

    def renew(self) -> Session:
        """A new session."""
        session = new_session()
        self._is_saved(session)
        return session

    def take_expired(self, session: Session) -> bool:
        """Whether an earlier session of this visitor expired, once."""
        if session.id not in self._expired:
            return False
        self._expired.remove(session.id)
        return True

    def _touch(self, name: str) -> None:
        now = time.monotonic()
        if now - self._touched.get(name, -TOUCH_INTERVAL_S) >= TOUCH_INTERVAL_S:
            self._touched[name] = now
            with contextlib.suppress(sqlite3.OperationalError):
                self._store.touch(name)

    def _is_saved(self, session: Session) -> bool:
        """Save a session; whether that is done. What is kept can be read, and forgotten, on a full disk too."""
        try:
            self._store.save(session)
        except sqlite3.OperationalError:
            return False
        return True
