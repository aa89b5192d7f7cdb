"""Measurements of items, read back once and kept for a while: the model's own, and as corrected for this patient."""

from __future__ import annotations

import asyncio
import datetime
import hashlib
import json
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from lvef.core.errors import DataError, LvefError
from lvef.core.records import Measurement
from lvef.core.wording import note_text
from lvef.measure.correction import Edit, corrected_result, edits_from_dict
from lvef.measure.options import MeasureOptions
from lvef.measure.results import Result, with_volumes
from lvef.service.errors import ApiError
from lvef.service.forms import OPTIONS
from lvef.service.jobs import DOCUMENTS, JobManager
from lvef.service.serializers import deserialize_result
from lvef.webapp.sessions import Item

KEPT_RESULTS = 24
"""Results that are kept in memory, a few megabytes each."""

KEPT_SHOWN = 48
"""Results with a correction or other categories that are kept in memory; they share the arrays of the others."""

SOURCE = "The correction"
"""What an edit is called in messages."""

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class RecentlyUsed(Generic[K, V]):
    """A mapping that forgets what was not used for longest. For one thread.

    Args:
        size: Most entries.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept: OrderedDict[K, V] = OrderedDict()

    def get(self, key: K) -> V | None:
        """The value of a key, or None."""
        if key in self._kept:
            self._kept.move_to_end(key)
        return self._kept.get(key)

    def put(self, key: K, value: V) -> V:
        """Keep a value, and return it."""
        self._kept[key] = value
        self._kept.move_to_end(key)
        while len(self._kept) > self._size:
            self._kept.popitem(last=False)
        return value

    def clear(self) -> None:
        """Forget everything."""
        self._kept.clear()


@dataclass(frozen=True, slots=True)
class ShownResult:
    """A result as a visitor sees it, with categories for their patient.

    Attributes:
        result: With the correction, if there is one.
        machine: The model's own.
        key: Of what it was made of; see `derived_key`.
        is_plain: Whether it is the stored result, without any change.
    """

    result: Result
    machine: Result
    key: str
    is_plain: bool


class Measured:
    """The measurements of all items. Its coroutines run in the loop of the jobs.

    Args:
        jobs: Where results are kept.
    """

    def __init__(self, jobs: JobManager) -> None:
        self._jobs = jobs
        self._machine: RecentlyUsed[str, Result] = RecentlyUsed(KEPT_RESULTS)
        self._shown: RecentlyUsed[str, ShownResult] = RecentlyUsed(KEPT_SHOWN)
        self._made: list[RecentlyUsed[str, Any]] = []

    async def machine(self, result: str) -> Result:
        """The model's measurement, without clips.

        Raises:
            ApiError: It is not kept any more.
        """
        found = self._machine.get(result)
        if found is None:
            files = await self._jobs.run_in_writer(self._jobs.store.files, result, DOCUMENTS)
            if not files:
                raise result_gone()
            found = self._machine.put(result, await asyncio.to_thread(deserialize_result, files, {}))
        return found

    async def shown(self, item: Item, patient: MeasureOptions) -> ShownResult:
        """The measurement of an item as corrected, with the categories of a patient.

        Args:
            item: A measured item.
            patient: Sex, height and weight count.

        Raises:
            ApiError: It is not kept any more.
        """
        key = derived_key(item, patient)
        found = self._shown.get(key)
        if found is None:
            machine = await self.machine(item.job)
            found = self._shown.put(key, await asyncio.to_thread(_shown, item, machine, patient, key))
        return found

    async def with_edit(self, item: Item, edit: Any, patient: MeasureOptions) -> Result:  # noqa: ANN401
        """The measurement of an item with another correction; nothing is stored.

        Raises:
            ApiError: Nothing can be measured from it.
        """
        machine = await self.machine(item.job)
        try:
            parse_edit(edit, is_study=bool(machine.views))
        except DataError:
            # Nothing that this page's script sends; the layout is of no use to its reader.
            raise ApiError(
                422, "bad_edit", "This correction cannot be read; reload the page and correct again."
            ) from None
        try:
            return await asyncio.to_thread(apply_edit, machine, edit, item_options(item, patient))
        except LvefError as error:
            raise ApiError(422, "not_possible", sentence_of(error, machine)) from None

    def new_cache(self, size: int) -> RecentlyUsed[str, Any]:
        """A mapping of what was made of results; it is cleared with the results.

        Args:
            size: Most entries.
        """
        made: RecentlyUsed[str, Any] = RecentlyUsed(size)
        self._made.append(made)
        return made

    def clear(self) -> None:
        """Forget everything: something was deleted, and nothing of a patient may stay in memory."""
        self._machine.clear()
        self._shown.clear()
        for cache in self._made:
            cache.clear()


def derived_key(item: Item, patient: MeasureOptions) -> str:
    """A name of the result of an item with its correction and a patient's data: the same for the same values."""
    values = [item.job, item.edit, item.edited, patient.sex, patient.height_cm, patient.weight_kg]
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()[:32]


def item_options(item: Item, patient: MeasureOptions) -> MeasureOptions:
    """The options of an item's measurement with the data of a patient."""
    return replace(
        OPTIONS.validate_json(item.options),
        sex=patient.sex,
        height_cm=patient.height_cm,
        weight_kg=patient.weight_kg,
    )


def parse_edit(edit: Any, *, is_study: bool) -> dict[str, Edit]:  # noqa: ANN401
    """Corrections by part, from plain values.

    Args:
        edit: What a request held; None for none.
        is_study: Whether it is of a study.

    Raises:
        DataError: It is not of the layout.
    """
    return {} if edit is None else edits_from_dict(edit, SOURCE, is_study=is_study)


def apply_edit(
    machine: Result,
    edit: Any,  # noqa: ANN401
    options: MeasureOptions,
    *,
    now: float | None = None,
) -> Result:
    """A result with a correction, and with the categories of the options.

    Args:
        machine: The model's result, without clips.
        edit: As `parse_edit` takes it.
        options: Of the measurement.
        now: When it was corrected, in seconds since 1970.

    Raises:
        LvefError: Nothing can be measured from it.
    """
    edits = {
        part: one for part, one in parse_edit(edit, is_study=bool(machine.views)).items() if not one.empty
    }
    when = None if now is None else datetime.datetime.fromtimestamp(now, datetime.UTC)
    result = corrected_result(machine, edits, options, now=when) if edits else machine
    return with_patient_data(result, options)


def with_patient_data(result: Result, options: MeasureOptions) -> Result:
    """A result with categories and indexed values for the sex, height and weight of these options."""

    def person(m: Measurement) -> Measurement:
        return m if m.ef_percent is None else with_volumes(m, m.ef_percent, m.edv_ml, m.esv_ml, options)

    parts = {view: (person(m), clip) for view, (m, clip) in result.views.items()}
    return Result(person(result.measurement), result.clip, parts)


def sentence_of(error: LvefError, machine: Result) -> str:
    """An error about a correction as a sentence, without the names of files in front."""
    text = str(error)
    sources = tuple(dict.fromkeys(part.source for part, _ in machine.parts.values()))
    for source in sources:
        text = text.removeprefix(f"{source}: ")
    # A file's name keeps its letters.
    return text[:1] + note_text(text)[1:] if text.startswith(sources) else note_text(text)


def result_gone() -> ApiError:
    """The result of an item is not kept any more."""
    return ApiError(404, "result_gone", "This result was removed to make room; measure the clip again.")


def _shown(item: Item, machine: Result, patient: MeasureOptions, key: str) -> ShownResult:
    options = item_options(item, patient)
    own = with_patient_data(machine, options)
    result = own
    if item.edit is not None:
        try:
            result = apply_edit(machine, item.edit, options, now=item.edited)
        except LvefError:
            # It was accepted once; a newer lvef may not accept it any more. The model's result is then the true one.
            result = own
    is_plain = result.measurement.correction is None and own == machine
    return ShownResult(result, own, key, is_plain)
