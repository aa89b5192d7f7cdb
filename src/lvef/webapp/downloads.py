"""Files of items: tables and reports of the result as corrected, and archives of several."""

from __future__ import annotations

import asyncio
import io
import json
import zipfile
from collections.abc import AsyncIterator, Sequence
from pathlib import PurePosixPath
from typing import Any

from lvef.core.errors import LvefError
from lvef.measure.correction import edit_to_dict, study_to_dict
from lvef.measure.serializers import BEATS_NAME, CURVE_NAME, MEASUREMENT_NAME, result_row, results_csv
from lvef.report.outputs import OVERLAY_NAME, REPORT_HTML_NAME, REPORT_PDF_NAME, SUMMARY_NAME
from lvef.service.errors import ApiError
from lvef.service.jobs import JobManager
from lvef.service.store import ResultRecord
from lvef.service.worker import serialize_result
from lvef.webapp.items import Items
from lvef.webapp.measured import ShownResult, parse_edit
from lvef.webapp.sessions import STUDY, Item, Session

CORRECTION_NAME, ALL_NAME, RESULTS_NAME = "correction.json", "all.zip", "results.csv"
"""Names of the correction, of the archive of an item, and of the table of all items."""

MISSING_NAME = "missing.txt"
"""File of an archive that says which files could not be made."""


class Downloads:
    """Makes the files of items. Its coroutines run in the loop of the jobs.

    Args:
        items: The items.
    """

    def __init__(self, items: Items) -> None:
        self._items, self._jobs, self._measured = items, items.jobs, items.measured
        self._making = asyncio.Lock()

    async def file(self, session: Session, item: Item, name: str) -> bytes:
        """A file of an item by its name.

        Raises:
            ApiError: There is no such file, or it cannot be made.
        """
        if not await self._items.has_result(item):
            raise ApiError(404, "no_such_file", "There is no result yet.")
        shown = await self._measured.shown(item, self._items.patient(session))
        if name not in await file_names(self._jobs, item, shown):
            raise ApiError(404, "no_such_file", "This result has no such file.")
        if name == CORRECTION_NAME:
            return correction_json(item)
        return await self._jobs.file(await self._record_of(session, item, shown), name)

    async def table(self, session: Session) -> bytes:
        """The table of all measured items, with the columns of ``lvef measure``."""
        rows = []
        for item in self._items.store.items(session.id):
            shown = await self._shown(session, item)
            if shown is not None:
                rows.append(result_row(shown.result.measurement, item.name, folder_of(item)))
        return results_csv(rows).encode()

    async def archive(
        self, session: Session, items: Sequence[Item], *, with_table: bool
    ) -> AsyncIterator[bytes]:
        """A ZIP archive with all files of some items, piece by piece while they are made."""
        buffer = _Buffer()
        missing: list[str] = []
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            if with_table:
                archive.writestr(RESULTS_NAME, await self.table(session))
            for item in items:
                shown = await self._shown(session, item)
                folder = f"{folder_of(item)}/" if with_table else ""
                for name in [] if shown is None else await file_names(self._jobs, item, shown):
                    if name == ALL_NAME:
                        continue
                    try:
                        data = await self.file(session, item, name)
                    except ApiError as error:
                        missing.append(f"{folder}{name}: {error.message}")
                        continue
                    await asyncio.to_thread(archive.writestr, folder + name, data)
                    yield buffer.take()
            if missing:
                archive.writestr(MISSING_NAME, "\n".join(missing) + "\n")
        yield buffer.take()

    async def _shown(self, session: Session, item: Item) -> ShownResult | None:
        """The result of an item; None where it has none."""
        if not await self._items.has_result(item):
            return None
        try:
            return await self._measured.shown(item, self._items.patient(session))
        except ApiError:
            return None

    async def _record_of(self, session: Session, item: Item, shown: ShownResult) -> ResultRecord:
        """The stored result whose files are those of the result as shown; made at the first request."""
        root = await self._jobs.result(item.job)
        if shown.is_plain:
            return root
        # One at a time: files that are asked for at once are of one result.
        async with self._making:
            return await self._derived(session, item, shown, root)

    async def _derived(
        self, session: Session, item: Item, shown: ShownResult, root: ResultRecord
    ) -> ResultRecord:
        # Of the item as it is now: another request may have made it meanwhile.
        kept = self._items.get(session, item.id).derived.get(shown.key)
        if kept is not None:
            try:
                return await self._jobs.result(kept)
            except ApiError:
                # It was deleted to make room.
                pass
        files = (await asyncio.to_thread(serialize_result, shown.result, {})).files
        new = await self._jobs.add_derived(root, files)
        current = self._items.store.item(session.id, item.id)
        stale = [new.id]
        if current is not None:
            stale = list(current.derived.values())
            current.derived = {shown.key: new.id}
            self._items.store.save(current)
        for name in stale:
            await self._jobs.run_in_writer(self._jobs.store.delete_result, name)
        return new


class _Buffer(io.RawIOBase):
    """What an archive wrote since it was last asked; it cannot go back."""

    def __init__(self) -> None:
        self._data = bytearray()

    def writable(self) -> bool:
        """Yes."""
        return True

    def write(self, data: Any) -> int:  # noqa: ANN401
        """Take bytes."""
        self._data += data
        return len(data)

    def take(self) -> bytes:
        """What was written since."""
        data = bytes(self._data)
        self._data.clear()
        return data


async def file_names(jobs: JobManager, item: Item, shown: ShownResult) -> list[str]:
    """`offered_files` of an item, by what its jobs have kept."""
    names = await jobs.run_in_writer(jobs.store.names, item.job)
    return offered_files(item, shown, names, await jobs.run_in_writer(jobs.store.clip_parts, item.job))


def offered_files(item: Item, shown: ShownResult, names: Sequence[str], clips: Sequence[str]) -> list[str]:
    """Names of the files that an item has or that can be drawn.

    Args:
        item: A measured item.
        shown: Its result.
        names: Of the files that are kept of the result.
        clips: Parts of the result with a clip.
    """
    found = [MEASUREMENT_NAME, REPORT_PDF_NAME, REPORT_HTML_NAME]
    for part, (m, _) in shown.result.parts.items():
        prefix = f"{part}/" if part else ""
        own = [prefix + name for name in (CURVE_NAME, BEATS_NAME) if prefix + name in names]
        if part:
            own.insert(0, prefix + MEASUREMENT_NAME)
        if part in clips:
            own.append(prefix + SUMMARY_NAME)
            if m.ef_percent is not None and m.duration_s is not None:
                own.append(prefix + OVERLAY_NAME)
        found += own
    if item.edit is not None:
        found.append(CORRECTION_NAME)
    return [*found, ALL_NAME]


def correction_json(item: Item) -> bytes:
    """The correction of an item, layout ``lvef-correction/1``."""
    try:
        edits = parse_edit(item.edit, is_study=item.kind == STUDY)
    except LvefError:
        raise ApiError(404, "no_such_file", "This result has no correction.") from None
    values = study_to_dict(edits) if item.kind == STUDY else edit_to_dict(edits[""])
    return (json.dumps(values, indent=1, ensure_ascii=False) + "\n").encode()


def folder_of(item: Item) -> str:
    """Name of an item's folder in an archive: its name, and enough of its id that no two are the same."""
    return f"{stem_of(item)}-{item.id[:6]}"


def stem_of(item: Item) -> str:
    """Beginning of the names of an item's files: plain letters of its own name."""
    first = PurePosixPath(item.name.partition(" + ")[0]).name
    stem = first.partition(".")[0] or "echo"
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "_" for c in stem)
    return plain.strip("_")[:60] or "echo"
