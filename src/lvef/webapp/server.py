"""Runs the page: its folder, its socket, and a proper stop."""

from __future__ import annotations

import contextlib
import sys
import tempfile
import threading
import webbrowser
from collections.abc import Callable, Iterator
from pathlib import Path

from lvef.core.errors import ConfigError, DataError
from lvef.inference.catalogue import find_model
from lvef.io.uploads import UploadStore, make_private_folder
from lvef.service.pool import WorkerFactory
from lvef.service.server import Server, bind_socket, set_up_log
from lvef.service.worker import Worker
from lvef.webapp.app import PageApp
from lvef.webapp.settings import ALL_INTERFACES, AppSettings

FOLDER_PREFIX = "lvef-page-"
"""Beginning of the names of the pages' folders, in the system's folder for temporary files."""

LOCK_NAME = "page.lock"
"""File of a kept folder that the page holds locked."""


def run_app(
    app: AppSettings, announce: Callable[[str], None], *, worker_factory: WorkerFactory = Worker
) -> None:
    """Serve the page until the process is stopped.

    Args:
        app: Its settings.
        announce: Called with the page's address once it answers.
        worker_factory: Makes, inside a worker process, what measures.

    Raises:
        ConfigError: The address or the port cannot be used.
        DataError: The folder cannot be used.
        WeightsError: There is no such model.
    """
    find_model(app.weights)
    with page_folder(app) as folder:
        settings = app.service(folder)
        listening = bind_socket(settings)
        with listening:
            page = PageApp(app, folder, worker_factory)
            set_up_log(False)
            address = page_address(app, listening.getsockname()[1])

            def started() -> None:
                announce(address)
                if app.open_browser:
                    # In a thread: some systems wait for the browser.
                    threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()

            Server(page, settings, started).run(sockets=[listening])


@contextlib.contextmanager
def page_folder(app: AppSettings) -> Iterator[Path]:
    """The folder of a page: the one of its settings, or a temporary one that goes with it.

    Folders of pages that were killed are removed.

    Raises:
        DataError: It cannot be made, or another page uses it.
    """
    if app.data is not None:
        make_private_folder(app.data)
        with _locked(app.data / LOCK_NAME):
            yield app.data
        return
    store = UploadStore(Path(tempfile.gettempdir()), FOLDER_PREFIX)
    before = tempfile.tempdir
    try:
        store.remove_orphans()
        # Whatever makes temporary files makes them there, so that nothing is left, even when this process is killed.
        tempfile.tempdir = str(store.folder)
        yield store.folder
    finally:
        tempfile.tempdir = before
        store.close()


def page_address(app: AppSettings, port: int) -> str:
    """Where a browser on this machine finds the page."""
    host = "localhost" if app.host in ALL_INTERFACES else f"[{app.host}]" if ":" in app.host else app.host
    return f"http://{host}:{port}{app.root_path}/"


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    try:
        file = path.open("wb")
    except OSError as error:
        raise DataError(
            f"{path} cannot be written ({error.strerror}); choose another folder with --data."
        ) from None
    with file:
        if sys.platform != "win32":
            import fcntl

            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise ConfigError(
                    f"{path.parent} is used by another lvef app that runs; choose another folder with --data."
                ) from None
        yield
