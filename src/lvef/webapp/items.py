"""The items of sessions: made from uploads, measured, stopped, corrected and forgotten."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from lvef.measure.options import MeasureOptions
from lvef.service.errors import ApiError, bad_request, not_found
from lvef.service.forms import OPTIONS, MeasureRequest, Upload
from lvef.service.jobs import JobManager
from lvef.service.store import JobRecord
from lvef.webapp.choices import measure_options, parse_choices, parse_scales, patient_options
from lvef.webapp.measured import Measured, RecentlyUsed, item_options
from lvef.webapp.sessions import CLIP, STILLS, STUDY, Item, Session, SessionStore, StoredUpload

MAX_ITEMS = 200
"""Most items of a session."""

MAX_HISTORY_BYTES = 256 * 1024
"""Largest history that a client keeps with a correction."""

INPUT_KINDS = {CLIP: "clip", STILLS: "pair", STUDY: "biplane"}
"""Kind of a `MeasureRequest` by that of an item."""

ROLES = {CLIP: ("files",), STILLS: ("ed", "es"), STUDY: ("a4c", "a2c")}
"""Roles of the uploads of an item, in order."""

OTHER_VIEW = {"A4C": "A2C", "A2C": "A4C"}
"""The other view of a study."""

FILES_TEXT = {CLIP: "one file", STILLS: "an ED and an ES still", STUDY: "an A4C and an A2C clip"}
"""What an item is made of."""

FINISHED = ("done", "failed")
"""States of a job that does not change any more."""

KEPT_JOBS = 2000
"""Finished jobs that are remembered."""


class Items:
    """The items of all sessions. Its coroutines run in the loop of the jobs.

    Args:
        jobs: That measure.
        store: Of the sessions.
        measured: Of their results.
        folder: Of the visitors' files.
        base: Options of a measurement on this page.
        models: Installed models: name and what to load.
    """

    def __init__(
        self,
        jobs: JobManager,
        store: SessionStore,
        measured: Measured,
        folder: Path,
        base: MeasureOptions,
        models: dict[str, str],
    ) -> None:
        self.jobs, self.store, self.measured = jobs, store, measured
        self.folder, self.base, self.models = folder, base, models
        self._finished: RecentlyUsed[str, JobRecord] = RecentlyUsed(KEPT_JOBS)

    def get(self, session: Session, name: str) -> Item:
        """An item of a session.

        Raises:
            ApiError: There is none.
        """
        found = self.store.item(session.id, name)
        if found is None:
            raise ApiError(404, "not_found", "This result is not here any more: it expired or was forgotten.")
        return found

    def patient(self, session: Session) -> MeasureOptions:
        """The options of a session's patient."""
        return patient_options(session.options, self.base)

    def create(
        self,
        session: Session,
        kind: str,
        uploads: Sequence[str],
        *,
        sample: str = "",
        known_ef_percent: float | None = None,
    ) -> Item:
        """Make an item from uploads, and measure it.

        Args:
            session: Whose it is.
            kind: Of the item.
            uploads: Ids of its files, in order.
            sample: Name of the sample it is.
            known_ef_percent: True EF, of phantoms only.

        Raises:
            ApiError: There is no such upload, or no room.
        """
        if len(uploads) != len(ROLES[kind]):
            raise bad_request(f"Give {FILES_TEXT[kind]}.")
        if self.store.n_items(session.id) >= MAX_ITEMS:
            raise ApiError(
                409,
                "too_many_items",
                f"The list holds {MAX_ITEMS} results, the limit; forget some of them first.",
            )
        files = self._uploads(session, uploads)
        now = time.time()
        item = Item(
            id=secrets.token_hex(16),
            session=session.id,
            kind=kind,
            name=" + ".join(file.name for file in files),
            created=now,
            touched=now,
            uploads=list(uploads),
            options="",
            sample=sample,
            known_ef_percent=known_ef_percent,
        )
        self._start(session, item, files)
        return item

    def create_study(self, session: Session, items: Sequence[str]) -> Item:
        """Make a study of two clips that are here already.

        Raises:
            ApiError: There are no such clips.
        """
        if len(items) != 2 or items[0] == items[1]:
            raise bad_request("A study has two clips, an A4C and an A2C.")
        found = [self.get(session, name) for name in items]
        if any(item.kind != CLIP for item in found):
            raise bad_request("A study is made of two clips, not of stills or of another study.")
        known = {item.sample: item.known_ef_percent for item in found} if found[0].sample else {}
        return self.create(
            session,
            STUDY,
            [item.uploads[0] for item in found],
            known_ef_percent=next(iter(known.values())) if len(known) == 1 else None,
        )

    async def measure(self, session: Session, item: Item, given: dict[str, Any]) -> Item:
        """Measure an item again.

        Args:
            session: Whose it is.
            item: The item.
            given: ``options`` (some of the visitor's choices), ``scale`` (see `parse_scales`), ``swap``.

        Raises:
            ApiError: A value that cannot be, or no room.
        """
        choices = session.options
        if given.get("options") is not None:
            choices = parse_choices(given["options"], choices, self.models)
        if "scale" in given:
            item.scale = parse_scales(given["scale"], item.scale, item.kind)
        if given.get("swap"):
            if item.kind == CLIP:
                raise bad_request("Only two files can be swapped.")
            item.uploads = item.uploads[::-1]
            if item.kind == STUDY and item.scale:
                # A line stays with the clip that it was drawn on.
                item.scale = {OTHER_VIEW[part]: scale for part, scale in item.scale.items()}
        files = self._uploads(session, item.uploads)
        before = [item.job, *item.compared.values()]
        item.name = " + ".join(file.name for file in files)
        item.touched = time.time()
        item.stopped = False
        item.revision += 1
        item.edit = item.edited = None
        item.derived, item.compared = {}, {}
        self._start(session, item, files, choices)
        # Not before: where there is no place in the queue, the correction and its history stay.
        self.store.save_history(item, None)
        await self._delete_jobs(before)
        return item

    async def stop(self, item: Item) -> Item:
        """Stop the measurement of an item, if it is not finished."""
        record = await self.record(item)
        current = self.store.item(item.session, item.id)
        # Meanwhile it may have been forgotten, or be measured again.
        if current is None or current.job != item.job:
            return item
        item = current
        if record is not None and record.state not in FINISHED:
            item.stopped = True
            item.revision += 1
            self.store.save(item)
            await self._delete_jobs([item.job])
        return item

    async def edit(self, session: Session, item: Item, edit: Any, history: Any) -> Item:  # noqa: ANN401
        """Replace the correction of an item.

        Args:
            session: Whose it is.
            item: A measured item.
            edit: The correction, or None for none.
            history: What the client keeps with it.

        Raises:
            ApiError: Nothing can be measured from it; the old one stays.
        """
        if history is not None and len(json.dumps(history)) > MAX_HISTORY_BYTES:
            raise ApiError(
                413,
                "too_large",
                "There are too many steps to undo; save the correction without some of them.",
            )
        await self.measured.with_edit(item, edit, self.patient(session))
        # Meanwhile another tab may have been faster, or have started a comparison.
        current = self.get(session, item.id)
        if current.revision != item.revision:
            raise edit_conflict()
        item = current
        stale = list(item.derived.values())
        item.edit, item.derived = edit, {}
        item.edited = time.time()
        item.revision += 1
        self.store.save(item)
        self.store.save_history(item, history)
        for name in stale:
            await self.jobs.run_in_writer(self.jobs.store.delete_result, name)
        return item

    async def compare(self, session: Session, item: Item) -> Item:
        """Measure an item with all other models, those that are measured already left alone.

        Raises:
            ApiError: There is no room.
        """
        item = self.get(session, item.id)
        options = item_options(item, self.patient(session))
        files = self._uploads(session, item.uploads)
        for name, weights in self.models.items():
            if weights == options.weights or name in item.compared:
                continue
            own = replace(options, weights=weights, second_opinion="")
            item.compared[name] = self._submit(item.kind, files, own, keep_clips=False)
        self.store.save(item)
        return item

    async def delete(self, items: Sequence[Item]) -> None:
        """Forget items, with their results, corrections and those files that no other item has."""
        for item in items:
            self.store.delete(item)
        await self._delete_jobs([job for item in items for job in (item.job, *item.compared.values())])
        for session in {item.session for item in items}:
            used = {name for item in self.store.items(session) for name in item.uploads}
            ours = {name for item in items if item.session == session for name in item.uploads}
            for name in ours - used:
                if (upload := self.store.upload(session, name)) is not None:
                    self.delete_upload(upload)
        self.measured.clear()
        await asyncio.to_thread(self.store.free)

    async def forget(self, session: Session) -> None:
        """Forget a session with everything in it."""
        # Files first: on a full disk they make room. Then the session: nothing more is saved in it then.
        for upload in self.store.uploads(session.id):
            (self.folder / upload.file).unlink(missing_ok=True)
        self.store.delete(session)
        await self.delete(self.store.items(session.id))
        for upload in self.store.uploads(session.id):
            self.delete_upload(upload)
        await asyncio.to_thread(self.store.free)

    def delete_upload(self, upload: StoredUpload) -> None:
        """Remove an upload from the disk."""
        (self.folder / upload.file).unlink(missing_ok=True)
        self.store.delete(upload)

    async def record(self, item: Item) -> JobRecord | None:
        """The job of an item; None where it was stopped or is not kept any more."""
        return None if item.stopped else await self.job_record(item.job)

    async def has_result(self, item: Item) -> bool:
        """Whether an item was measured, and its result is kept."""
        record = await self.record(item)
        return record is not None and record.result is not None

    async def job_record(self, job: str) -> JobRecord | None:
        """A job by its id; None where it is not kept any more."""
        found = self._finished.get(job)
        if found is None:
            try:
                found = await self.jobs.record(job)
            except ApiError:
                return None
            if found.state in FINISHED:
                self._finished.put(job, found)
        return found

    def parts(self, item: Item) -> tuple[str, ...]:
        """Names of the parts of an item that have frames of their own."""
        return ("A4C", "A2C") if item.kind == STUDY else ("",)

    def part(self, item: Item, name: str) -> str:
        """A part of an item by its name; the first one without a name.

        Raises:
            ApiError: There is none.
        """
        parts = self.parts(item)
        if name and name not in parts:
            raise not_found("view")
        return name or parts[0]

    def _uploads(self, session: Session, names: Sequence[str]) -> list[StoredUpload]:
        found = [self.store.upload(session.id, name) if isinstance(name, str) else None for name in names]
        files = [file for file in found if file is not None and (self.folder / file.file).is_file()]
        if len(files) < len(names):
            raise ApiError(404, "no_such_upload", "The file is not here any more; add it again.")
        return files

    def _start(
        self,
        session: Session,
        item: Item,
        files: Sequence[StoredUpload],
        choices: dict[str, Any] | None = None,
    ) -> None:
        options = measure_options(
            {**parse_choices({}, session.options, self.models), **(choices or {})},
            item.kind,
            self.base,
            self.models,
            item.scale,
        )
        item.options = OPTIONS.dump_json(options).decode()
        item.job = self._submit(item.kind, files, options)
        self.store.save(item)

    def _submit(
        self, kind: str, files: Sequence[StoredUpload], options: MeasureOptions, *, keep_clips: bool = True
    ) -> str:
        uploads = tuple(
            Upload(role, file.name, self.folder / file.file)
            for role, file in zip(ROLES[kind], files, strict=True)
        )
        request = MeasureRequest(INPUT_KINDS[kind], uploads, options, keep=True, keep_clips=keep_clips)
        with self.jobs.reserve_place():
            (job,) = self.jobs.add([request])
        return job.record.id

    async def _delete_jobs(self, jobs: Sequence[str]) -> None:
        for job in jobs:
            if job:
                await self.jobs.delete(job, missing_ok=True)


def edit_conflict() -> ApiError:
    """A correction of a state of an item that is not the last one."""
    return ApiError(409, "edit_conflict", "This result was changed in another tab; its newer state is shown.")
