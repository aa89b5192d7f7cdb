"""Runs Streamlit's server with settings under which nothing leaves the machine."""

from __future__ import annotations

import asyncio
import contextlib
import io
import ipaddress
import logging
import signal
import socket
import sys
import tempfile
import threading
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lvef.core.errors import ConfigError, LvefError, MissingExtraError
from lvef.webapp import settings
from lvef.webapp.settings import SESSION_TIMEOUT_S, AppSettings

SCRIPT = Path(__file__).with_name("main.py")
"""The script that Streamlit runs."""

ALL_INTERFACES = ("0.0.0.0", "::", "")
"""Addresses that mean all interfaces of this machine."""

DISCONNECT_LIMIT_S = 2 * round(SESSION_TIMEOUT_S)
"""Seconds after which Streamlit itself closes a disconnected session; `SessionMonitor` closes it before."""

THEME: dict[str, str] = {
    "theme.baseRadius": "0.45rem",
    "theme.light.primaryColor": "#00609a",
    "theme.light.backgroundColor": "#ffffff",
    "theme.light.secondaryBackgroundColor": "#f3f6f9",
    "theme.light.textColor": "#18222c",
    "theme.light.linkColor": "#00609a",
    "theme.light.borderColor": "#cfd6dd",
    "theme.dark.primaryColor": "#3d9ad6",
    "theme.dark.backgroundColor": "#12161a",
    "theme.dark.secondaryBackgroundColor": "#1b2127",
    "theme.dark.textColor": "#e8edf2",
    "theme.dark.linkColor": "#7cc4f0",
    "theme.dark.borderColor": "#3d4853",
}
"""Both themes; the visitor's system decides which one is shown."""

SHUTDOWN_LIMIT_S = 20.0
"""Longest time for which a server that stops waits for a model that is being loaded."""


def run_app(app: AppSettings, announce: Callable[[str], None]) -> None:
    """Serve the page until the process is stopped.

    Args:
        app: Its settings.
        announce: Called with the page's address once it answers.

    Raises:
        MissingExtraError: Streamlit is not installed.
        ConfigError: The address or the port cannot be used.
        WeightsError: There is no such model.
    """
    try:
        from streamlit import config
        from streamlit.web import bootstrap
        from streamlit.web.server import Server
    except ImportError:
        raise MissingExtraError("The page", "app") from None
    from lvef.inference.catalogue import find_model
    from lvef.webapp.measuring import get_upload_store
    from lvef.webapp.session import set_event_loop

    find_model(app.weights)
    app = _with_port(app)
    settings.use(app)
    uploads = get_upload_store()
    uploads.remove_orphans()
    # Whatever makes temporary files makes them there, so that nothing is left after this process, even when it is killed.
    tempfile.tempdir = str(uploads.folder)
    bootstrap.load_config_options({name.replace(".", "_"): value for name, value in options(app).items()})
    config._server_mode = "starlette-managed"
    logging.getLogger("streamlit").setLevel(logging.ERROR)
    disable_external_ip_lookup()
    warming = threading.Thread(target=_warm_up, args=(app.weights,), daemon=True)
    warming.start()

    async def serve() -> None:
        set_event_loop(asyncio.get_running_loop())
        server: Any = Server(str(SCRIPT), is_hello=False)
        await server.start()
        bootstrap.prepare_streamlit_environment(str(SCRIPT))
        _stop_on_signals(server)
        announce(address(app))
        if app.open_browser:
            webbrowser.open(address(app))
        await server.stopped

    sys.argv = [str(SCRIPT)]
    asyncio.run(serve())
    # An interpreter that ends while native code still loads a model aborts.
    warming.join(SHUTDOWN_LIMIT_S)


def disable_external_ip_lookup() -> None:
    """Keep Streamlit from asking a public server for this machine's address when a page of another origin sends a request.

    Without that address the request is refused.
    """
    from streamlit import net_util

    net_util.get_external_ip = lambda: None


def _stop_on_signals(server: Any) -> None:  # noqa: ANN401
    """Stop properly at a signal: open pages are notified, uploads are removed."""
    loop = asyncio.get_running_loop()

    def stop() -> None:
        # Streamlit prints a message on stdout, which may be closed.
        with contextlib.redirect_stdout(io.StringIO()):
            server.stop()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop))


def options(app: AppSettings) -> dict[str, Any]:
    """Streamlit's settings. They are passed as flags, so that no configuration file changes them."""
    everywhere = app.host in ALL_INTERFACES
    return {
        "global.developmentMode": False,
        "server.address": app.host,
        "server.port": app.port,
        "server.baseUrlPath": app.base_path,
        "server.headless": True,
        "server.fileWatcherType": "none",
        "server.runOnSave": False,
        "server.enableXsrfProtection": True,
        "server.enableCORS": True,
        "server.enableStaticServing": False,
        "server.maxUploadSize": app.max_upload_mb,
        "server.disconnectedSessionTTL": DISCONNECT_LIMIT_S,
        "server.showEmailPrompt": False,
        # Another name for this machine in the address bar is an attack (DNS rebinding).
        "server.allowedHosts": [] if everywhere else sorted({app.host, "localhost", "127.0.0.1", "[::1]"}),
        "browser.gatherUsageStats": False,
        "browser.serverAddress": "localhost" if everywhere else app.host,
        "client.showErrorDetails": "none",
        "client.showErrorLinks": False,
        "client.toolbarMode": "minimal",
        "runner.magicEnabled": False,
        "logger.level": "error",
        "logger.hideWelcomeMessage": True,
        **THEME,
    }


def address(app: AppSettings) -> str:
    """Where a browser on this machine finds the page."""
    host = "localhost" if app.host in ALL_INTERFACES else f"[{app.host}]" if ":" in app.host else app.host
    path = app.base_path.strip("/")
    return f"http://{host}:{app.port}/{path}" + ("/" if path else "")


def _with_port(app: AppSettings) -> AppSettings:
    """With a free port: any for 0, else the given one."""
    from dataclasses import replace

    family = socket.AF_INET6 if _is_v6(app.host) else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((app.host, app.port))
            return replace(app, port=probe.getsockname()[1])
    except OSError as error:
        raise ConfigError(
            f"{app.host}:{app.port} cannot be listened on ({error.strerror or error}); choose another with --host and "
            "--port (--port 0 takes any that is free)."
        ) from None


def _is_v6(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).version == 6
    except ValueError:
        return False


def _warm_up(weights: str) -> None:
    """Load what the first visitor would otherwise wait for."""
    from lvef.webapp import page_about, page_compare, page_two_files, page_video  # noqa: F401
    from lvef.webapp.measuring import get_measurer

    try:
        get_measurer(weights)
    except LvefError:
        # The page itself shows the error.
        return
