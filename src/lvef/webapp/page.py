"""What is behind the page: its jobs, sessions, items and models, and what expires."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
import time
from pathlib import Path
from typing import Any

from lvef.io.uploads import make_private_folder
from lvef.service.jobs import JobManager
from lvef.service.pool import WorkerFactory
from lvef.webapp.describe import Descriptions
from lvef.webapp.downloads import Downloads
from lvef.webapp.items import Items
from lvef.webapp.measured import Measured
from lvef.webapp.sessions import STORE_NAME, SessionStore
from lvef.webapp.settings import AppSettings
from lvef.webapp.visitors import Visitors

LOG = logging.getLogger("lvef.service")

UPLOADS_NAME = "files"
"""Folder of the visitors' files inside the page's folder."""

PURGE_INTERVAL_S = 60.0
"""Time between two searches for what has expired."""

UNUSED_UPLOAD_S = 3600.0
"""How long a file is kept that belongs to no item."""


class Page:
    """Everything behind the page.

    Args:
        settings: Of the page.
        folder: Where files, results and sessions are kept.
        worker_factory: Makes, inside a worker process, what measures.

    Raises:
        DataError: The folder cannot be used.
    """

    def __init__(self, settings: AppSettings, folder: Path, worker_factory: WorkerFactory) -> None:
        self.settings = settings
        own = settings.service(folder)
        self.jobs = JobManager(own, worker_factory)
        self.uploads_folder = folder / UPLOADS_NAME
        make_private_folder(self.uploads_folder)
        self.store = SessionStore(folder / STORE_NAME)
        self.visitors = Visitors(self.store, settings.root_path, self.jobs.store.keep_s)
        self.measured = Measured(self.jobs)
        self.model_weights: dict[str, str] = {}
        """What to load for each installed model, by its name."""
        self.model_list: list[dict[str, Any]] = []
        """What the page shows of each."""
        self.items = Items(
            self.jobs, self.store, self.measured, self.uploads_folder, own.measure_options, self.model_weights
        )
        self.descriptions = Descriptions(self.items)
        self.downloads = Downloads(self.items)
        self.making_samples = asyncio.Lock()
        self._finding_models = asyncio.Lock()

    @property
    def trouble(self) -> str:
        """Why nothing can be measured, if so."""
        return self.jobs.pool.trouble

    async def models(self) -> dict[str, str]:
        """The installed models: name and what to load. Looked up once; they do not change while the page runs."""
        async with self._finding_models:
            if not self.model_list:
                found, listed = await asyncio.to_thread(find_models, self.settings.weights)
                self.model_weights.update(found)
                self.model_list.extend(listed)
        return self.model_weights

    async def purge(self, now: float | None = None) -> None:
        """Forget what has expired, and files that belong to nothing."""
        now = time.time() if now is None else now
        before = now - self.jobs.store.keep_s
        items = self.store.expired_items(before)
        if items:
            await self.items.delete(items)
        for session in self.store.expired_sessions(before):
            self.store.delete(session)
        await self._purge_uploads(now)

    async def _purge_uploads(self, now: float) -> None:
        """Remove files of no item after a while, and files that nothing knows of."""
        known = set()
        used: dict[str, set[str]] = {}
        for upload in self.store.all_uploads():
            if upload.session not in used:
                used[upload.session] = {n for item in self.store.items(upload.session) for n in item.uploads}
            if upload.id not in used[upload.session] and upload.created < now - UNUSED_UPLOAD_S:
                self.items.delete_upload(upload)
            else:
                known.add(upload.file)
        for path in self.uploads_folder.iterdir():
            with contextlib.suppress(OSError):
                if path.name not in known and path.stat().st_mtime < now - UNUSED_UPLOAD_S:
                    path.unlink()

    async def purge_regularly(self) -> None:
        """Purge now and then, for ever."""
        while True:
            try:
                await self.purge()
            except sqlite3.Error as error:
                LOG.error("nothing could be purged: %s", type(error).__name__)
            await asyncio.sleep(PURGE_INTERVAL_S)

    def close(self) -> None:
        """Close the database of the sessions."""
        self.store.close()


def find_models(own: str) -> tuple[dict[str, str], list[dict[str, Any]]]:
    """The installed models by name, and what the page shows of each; the page's own first.

    Args:
        own: Name or folder of the page's own model.
    """
    from lvef.inference.card import experimental_text
    from lvef.inference.catalogue import find_model, measuring_models

    default = find_model(own)
    entries = [default, *(entry for entry in measuring_models() if entry.card.name != default.card.name)]
    weights = {entry.card.name: own if entry is default else entry.name for entry in entries}
    listed = [
        {
            "name": entry.card.name,
            "label": entry.card.name,
            "title": entry.card.title,
            "kind": entry.card.kind,
            "experimental": entry.card.experimental,
            "experimental_text": experimental_text(entry.card),
            "is_default": entry is default,
        }
        for entry in entries
    ]
    return weights, listed
