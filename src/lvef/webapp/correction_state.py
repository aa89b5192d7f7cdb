"""The correction of a result: the edits, their history, and the result that follows. Knows nothing of the page.

An edit from which nothing can be measured is rejected: the last state stays, with a message.
"""

from __future__ import annotations

import datetime
import json
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from lvef.core.errors import DataError, LvefError
from lvef.core.records import Clip, FloatArray, Measurement
from lvef.core.wording import note_text
from lvef.geometry.control_points import control_points_of_tracing
from lvef.measure.correction import (
    MAX_FILE_BYTES,
    VIEWS,
    Edit,
    corrected,
    corrected_study,
    edit_from_dict,
    edit_to_dict,
    study_from_dict,
    study_to_dict,
)
from lvef.measure.options import MeasureOptions
from lvef.measure.results import Result
from lvef.webapp.contour_editor import EditAction

Phase = Literal["ed", "es"]
PHASES: tuple[Phase, Phase] = ("ed", "es")
"""End-diastole and end-systole; the fields of an edit begin with these."""

SINGLE_VIEW = ""
"""Name of the only view of a clip or a pair of stills."""

FILE = "file"
"""Place of messages about a file of a correction."""

MAX_HISTORY = 200
"""Steps that can be undone."""

Edits = Mapping[str, Edit]


@dataclass(frozen=True, slots=True)
class Message:
    """A sentence and its place: a view and phase, `FILE`, or the whole panel."""

    text: str = ""
    view: str = SINGLE_VIEW
    phase: Phase | None = None


class CorrectionState:
    """The correction of one result, in one session.

    Args:
        result: As the model measured it.
    """

    def __init__(self, result: Result) -> None:
        self.machine = result
        self.epoch = secrets.token_hex(6)
        self.views: tuple[str, ...] = tuple(v for v in VIEWS if v in result.views) or (SINGLE_VIEW,)
        self.edits: Edits = {view: Edit() for view in self.views}
        self.past: list[Edits] = []
        self.future: list[Edits] = []
        self.message = Message()
        self.reader, self.note = "", ""
        self.seen: dict[tuple[str, Phase], int] = {}
        self.when: datetime.datetime | None = None
        self._options: MeasureOptions | None = None
        self._shown = result

    def measurement(self, view: str) -> Measurement:
        """The model's measurement of a view."""
        return self.machine.views[view][0] if self.machine.views else self.machine.measurement

    def clip(self, view: str) -> Clip | None:
        """The clip of a view."""
        return self.machine.views[view][1] if self.machine.views else self.machine.clip

    def frame(self, view: str, phase: Phase) -> int | None:
        """The frame that is shown, or None where neither model nor reader has one."""
        own: int | None = getattr(self.edits[view], f"{phase}_frame")
        machine: int | None = getattr(self.measurement(view), f"{phase}_frame")
        return machine if own is None else own

    def moved(self, view: str, phase: Phase) -> bool:
        """Whether the reader moved this contour."""
        return getattr(self.edits[view], f"{phase}_points") is not None

    def machine_contour(self, view: str, phase: Phase) -> FloatArray | None:
        """The model's contour on the frame that is shown, ``(k, 2)``, or None."""
        tracing = self.measurement(view).tracing(self.frame(view, phase))
        return None if tracing is None else tracing.contour

    def points(self, view: str, phase: Phase) -> FloatArray | None:
        """The contour that is shown as points ``(15, 2)``: the reader's, else the model's, else None."""
        own: FloatArray | None = getattr(self.edits[view], f"{phase}_points")
        if own is not None:
            return own
        tracing = self.measurement(view).tracing(self.frame(view, phase))
        return None if tracing is None else control_points_of_tracing(tracing)

    def same(self, result: Result) -> bool:
        """Whether this is a correction of that result: the same file, measured by the same model, with the same values."""
        return self.machine is result or _identity(self.machine) == _identity(result)

    def rebase(self, result: Result) -> None:
        """Continue with the same result with other categories (those of the other sex, for example)."""
        if result is not self.machine:
            self.machine, self._options, self._shown = result, None, result

    @property
    def changed(self) -> bool:
        """Whether the result differs from the model's."""
        return self._shown.measurement.correction is not None

    def can_correct(self, view: str) -> bool:
        """Whether a view has contours at all."""
        return any(t is not None for t in self.measurement(view).tracings) and self.clip(view) is not None

    def answer(self, options: MeasureOptions) -> Result:
        """The result as the reader has it, the model's own where nothing is changed."""
        if options != self._options:
            # The contours are the same, but sex or height may have changed.
            self._options = options
            self._shown = self._compute(self.edits, options)
        return self._shown

    def try_edits(
        self, edits: Edits, options: MeasureOptions, *, view: str = SINGLE_VIEW, phase: Phase | None = None
    ) -> bool:
        """Accept other edits, if something can be measured from them.

        Args:
            edits: By view.
            options: Of the measurement.
            view: Place of a message about them.
            phase: Likewise.

        Returns:
            Whether they were accepted; if not, `message` states why.
        """
        before = self.edits
        if not self._try(edits, options, view, phase):
            return False
        self.past = [*self.past, before][-MAX_HISTORY:]
        self.future = []
        return True

    def undo(self, options: MeasureOptions) -> None:
        """One step back, if there is one."""
        self._step(self.past, self.future, options)

    def redo(self, options: MeasureOptions) -> None:
        """One step forward again, if one was undone."""
        self._step(self.future, self.past, options)

    def _step(self, source: list[Edits], target: list[Edits], options: MeasureOptions) -> None:
        before = self.edits
        if source and self._try(source[-1], options):
            source.pop()
            target.append(before)

    def set_reader(self, reader: str, note: str, options: MeasureOptions) -> None:
        """Set the reader's name and note."""
        if (reader, note) != (self.reader, self.note):
            self.reader, self.note = reader, note
            self._shown = self._compute(self.edits, options)

    def choose(self, view: str, options: MeasureOptions, *, ed: int | None, es: int | None) -> bool:
        """Show other frames, or the model's (None); the contour of a frame that is left is discarded."""
        edit = self.edits[view]
        changes: dict[str, Any] = {}
        for phase, frame in zip(PHASES, (ed, es), strict=True):
            own = getattr(self.measurement(view), f"{phase}_frame")
            if (own if frame is None else frame) != self.frame(view, phase):
                changes[f"{phase}_points"] = None
            changes[f"{phase}_frame"] = None if frame == own else frame
        return self.try_edits({**self.edits, view: replace(edit, **changes)}, options, view=view)

    def choose_frame(self, view: str, phase: Phase, frame: int, options: MeasureOptions) -> bool:
        """Show another frame of one phase."""
        frames: dict[str, int | None] = {p: self.frame(view, p) for p in PHASES}
        frames[phase] = frame
        return self.choose(view, options, ed=frames["ed"], es=frames["es"])

    def reset(self, options: MeasureOptions) -> bool:
        """Return to the model's result; this can be undone."""
        return self.try_edits({view: Edit() for view in self.views}, options)

    def start_from_extremes(self, view: str, options: MeasureOptions) -> bool:
        """Choose the frames of the largest and the smallest volume, where the model chose none."""
        curve = self.measurement(view).curve
        if curve is None or not np.isfinite(curve.volume).any():
            return False
        return self.choose(
            view, options, ed=int(np.nanargmax(curve.volume)), es=int(np.nanargmin(curve.volume))
        )

    def apply_actions(
        self, view: str, phase: Phase, actions: Iterable[EditAction], options: MeasureOptions
    ) -> None:
        """Apply the actions of an editor; those applied already, or of another frame, are ignored."""
        for action in actions:
            if action.epoch != self.epoch or action.seq <= self.seen.get((view, phase), 0):
                continue
            self.seen[view, phase] = action.seq
            if action.kind == "undo":
                self.undo(options)
            elif action.kind == "redo":
                self.redo(options)
            elif action.frame == self.frame(view, phase):
                self._apply_action(view, phase, action, options)

    def _apply_action(self, view: str, phase: Phase, action: EditAction, options: MeasureOptions) -> None:
        if action.kind == "step":
            self.choose_frame(view, phase, action.frame + (1 if action.by > 0 else -1), options)
        else:
            changes: dict[str, Any] = {f"{phase}_points": action.points}
            self.try_edits(
                {**self.edits, view: replace(self.edits[view], **changes)}, options, view=view, phase=phase
            )

    def to_json(self) -> str:
        """The correction as a file, layout ``lvef-correction/1``."""
        signed = self._with_reader(self.edits)
        values = edit_to_dict(signed[SINGLE_VIEW]) if self.views == (SINGLE_VIEW,) else study_to_dict(signed)
        return json.dumps(values, indent=1, ensure_ascii=False) + "\n"

    def load(self, data: bytes, name: str, options: MeasureOptions) -> bool:
        """Load a correction from a file.

        Returns:
            Whether it was accepted; if not, `message` states why.
        """
        try:
            if len(data) > MAX_FILE_BYTES:
                raise DataError(f"{name} has {len(data)} bytes; a correction has at most {MAX_FILE_BYTES}.")
            values = _json(data, name)
            edits: dict[str, Edit] = {view: Edit() for view in self.views}
            if self.views == (SINGLE_VIEW,):
                edits[SINGLE_VIEW] = edit_from_dict(values, name)
            else:
                edits |= study_from_dict(values, name)
        except LvefError as error:
            self.message = Message(str(error), FILE)
            return False
        before = self.reader, self.note
        signed = next((edit for edit in edits.values() if edit.reader or edit.note), None)
        if signed is not None:
            self.reader, self.note = signed.reader, signed.note
        is_accepted = self.try_edits(edits, options)
        if not is_accepted:
            self.reader, self.note = before
            self.message = Message(self.message.text, FILE)
        return is_accepted

    def _try(
        self, edits: Edits, options: MeasureOptions, view: str = SINGLE_VIEW, phase: Phase | None = None
    ) -> bool:
        when, self.when = self.when, datetime.datetime.now(datetime.UTC)
        try:
            shown = self._compute(edits, options)
        except LvefError as error:
            self.when, self.message = when, Message(self._sentence(error, view), view, phase)
            if phase is not None:
                self.message = replace(
                    self.message, text=f"{self.message.text} The point is back where it was."
                )
            return False
        self.edits, self._shown, self._options, self.message = edits, shown, options, Message()
        return True

    def _compute(self, edits: Edits, options: MeasureOptions) -> Result:
        machine, signed = self.machine, self._with_reader(edits)
        signed = {view: edit for view, edit in signed.items() if not edit.empty}
        if not signed:
            return machine
        if not machine.views:
            own = corrected(machine.measurement, signed[SINGLE_VIEW], options, now=self.when)
            return machine if own is machine.measurement else Result(own, machine.clip)
        parts = {view: part for view, (part, _) in machine.views.items()}
        whole, own_parts = corrected_study(machine.measurement, parts, signed, options, now=self.when)
        if whole is machine.measurement:
            return machine
        return Result(
            whole, machine.clip, {view: (own_parts[view], clip) for view, (_, clip) in machine.views.items()}
        )

    def _with_reader(self, edits: Edits) -> dict[str, Edit]:
        return {view: replace(edit, reader=self.reader, note=self.note) for view, edit in edits.items()}

    def _sentence(self, error: LvefError, view: str) -> str:
        text = str(error)
        for source in (
            self.machine.measurement.source,
            self.measurement(view).source if view in self.views else "",
        ):
            text = text.removeprefix(f"{source}: ")
        return note_text(text)


def _identity(result: Result) -> list[tuple[object, ...]]:
    measurements = [result.measurement, *(part for part, _ in result.views.values())]
    return [
        (
            m.source,
            m.status,
            m.ef_percent,
            m.ed_frame,
            m.es_frame,
            m.n_frames,
            m.provenance and m.provenance.weights_sha256,
        )
        for m in measurements
    ]


def _json(data: bytes, name: str) -> Any:  # noqa: ANN401
    try:
        return json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError):
        raise DataError(
            f"{name} is not valid JSON; a correction saved from this page was expected."
        ) from None
