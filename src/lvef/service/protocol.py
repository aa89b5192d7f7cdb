"""HTTP/1.1 with limits of time and number: clients that are slow, idle or very many do not take the service down.

uvicorn closes a connection that is idle after a response. It waits for ever for a request that never comes or never ends,
and for a client that does not read; it takes any number of connections, and its own errors are plain text.
"""

from __future__ import annotations

import asyncio
import json
import sys
from http import HTTPStatus

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from lvef.service.errors import error_body

REQUEST_LIMIT_S = 20.0
"""Longest time from the first byte of a request (of the first one: from the connection) to the end of its headers."""

WRITE_LIMIT_S = 60.0
"""Longest time for which a client may leave a response unread."""

MAX_HEADER_BYTES = 2**14
"""Most bytes of a request's first line and headers together."""

MAX_CONNECTIONS = 512
"""Most connections at once; further ones are refused."""


class LimitedProtocol(H11Protocol):
    """A connection with its limits."""

    _request_timer: asyncio.TimerHandle | None = None
    _write_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Take a connection, or refuse one of too many."""
        super().connection_made(transport)
        if len(self.connections) > max_connections():
            self._refuse(
                503, "too_many_connections", "The service has too many connections; try again in a minute."
            )
            return
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget a connection."""
        super().connection_lost(exc)
        self._unset_keepalive_if_required()
        self._cancel_request_timer()
        self._cancel_write_timer()

    def data_received(self, data: bytes) -> None:
        """Read what came."""
        if self.transport.is_closing():
            return
        super().data_received(data)
        self._watch()

    def send_400_response(self, msg: str) -> None:
        """Respond to what is no request."""
        error = sys.exc_info()[1]
        if isinstance(error, h11.RemoteProtocolError) and error.error_status_hint == 431:
            self._refuse(
                431, "too_large", f"The headers of the request are larger than {MAX_HEADER_BYTES // 1024} kB."
            )
        else:
            self._refuse(400, "bad_http", "This is not a valid HTTP request.")

    def pause_writing(self) -> None:
        """The client leaves the response unread."""
        super().pause_writing()
        self._write_timer = self.loop.call_later(WRITE_LIMIT_S, self.transport.abort)

    def resume_writing(self) -> None:
        """It reads again."""
        self._cancel_write_timer()
        super().resume_writing()

    def _watch(self) -> None:
        """Limit the time as long as a request is not there with all its headers."""
        is_busy = self.cycle is not None and not self.cycle.response_complete
        if is_busy or self.transport.is_closing():
            self._cancel_request_timer()
        elif self._request_timer is None:
            self._request_timer = self.loop.call_later(REQUEST_LIMIT_S, self._time_over)

    def _cancel_request_timer(self) -> None:
        if self._request_timer is not None:
            self._request_timer.cancel()
            self._request_timer = None

    def _cancel_write_timer(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None

    def _time_over(self) -> None:
        self._request_timer = None
        if self.transport.is_closing() or (self.cycle is not None and not self.cycle.response_complete):
            return
        if self.conn.our_state is h11.IDLE and self.conn.trailing_data[0]:
            self._refuse(
                408, "request_stalled", f"The request did not come within {REQUEST_LIMIT_S:g} seconds."
            )
        else:
            self.transport.close()

    def _refuse(self, status: int, code: str, message: str) -> None:
        """Respond without the application, and close the connection."""
        body = json.dumps(error_body(code, message)).encode()
        if self.cycle is not None and not self.cycle.response_complete:
            # The application waits for the rest of this request; it must not respond any more.
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
            reason = HTTPStatus(status).phrase
            head = f"HTTP/1.1 {status} {reason}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
            self.transport.write(f"{head}Connection: close\r\n\r\n".encode() + body)
        self.transport.close()


def max_connections() -> int:
    """Most connections at once: `MAX_CONNECTIONS`, or half of the files that this process may open."""
    if sys.platform == "win32":
        return MAX_CONNECTIONS
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MAX_CONNECTIONS if soft == resource.RLIM_INFINITY else min(MAX_CONNECTIONS, soft // 2)
