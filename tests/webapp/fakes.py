"""A worker that needs no model: what it does stands at the start of the file it is given."""

from __future__ import annotations

import json
import os
import signal
import time
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from lvef.core.errors import GeometryError
from lvef.core.records import Clip, CodedWarning, Measurement
from lvef.core.terms import Sex, Status
from lvef.geometry.categories import categories
from lvef.measure.results import Result, biplane_measurement
from lvef.service.settings import ServiceSettings
from lvef.service.worker import Task, TaskResult, serialize_result
from tests.measure.made_up import assessed, beating, failed, refused

PLAIN = b"clip"
"""A file that is measured."""


class FakePageWorker:
    """Gives every file the same regular heart.

    ``bad``, ``refuse``, ``crash``, ``swapped``, ``unscaled`` and ``no contour`` at a file's start do as they say, ``sleep``
    takes longer than any test waits, and ``until PATH`` as long as there is nothing at PATH.
    """

    def __init__(self, settings: ServiceSettings) -> None:
        self.settings = settings

    def __call__(self, task: Task) -> TaskResult:
        if task.kind == "draw":
            return TaskResult(files={task.values["name"]: b"drawn " + task.values["name"].encode()})
        if task.kind == "resegment":
            if task.values["frame"] > 10_000:
                raise GeometryError("There is no such frame.")
            return TaskResult(files={"points.json": json.dumps({"points": [[1.0, 2.0]] * 15}).encode()})
        paths, names = task.values["paths"], task.values["names"]
        start = Path(paths[0]).read_bytes()[:1000]
        _behave(start)
        result = _result(task.values["input_kind"], start, " + ".join(names), names, task.values["options"])
        return serialize_result(result, {}, keep_clips=task.values["keep_clips"])


def _behave(start: bytes) -> None:
    if start.startswith(b"until "):
        gate = Path(start[6:].decode())
        while not gate.exists():
            time.sleep(0.02)
    if start.startswith(b"sleep"):
        time.sleep(600)
    if start.startswith(b"crash"):
        os.kill(os.getpid(), signal.SIGSEGV)


@cache
def _heart(calibrated: bool) -> tuple[Measurement, Clip]:
    return beating(calibrated=calibrated, **assessed())


def _result(kind: str, start: bytes, source: str, names: list[str], options: Any) -> Result:
    if start.startswith(b"bad"):
        return Result(failed(source), None)
    whole, clip = _heart(not start.startswith(b"unscaled"))
    whole, clip = replace(whole, source=source), replace(clip, source=source)
    if start.startswith(b"refuse"):
        return Result(refused(source), clip)
    ef = whole.ef_percent
    if options.weights != "camus-seg":
        ef = whole.ef_percent + 5
    whole = replace(
        whole, ef_percent=ef, categories=categories(ef, None if options.sex is None else Sex(options.sex))
    )
    if start.startswith(b"no contour"):
        return Result(replace(whole, tracings=(), curve=None, beats=()), clip)
    if kind == "pair":
        two = replace(clip, frames=clip.frames[:2], times_s=clip.times_s[:2])
        m, _ = beating(n=2, source=source)
        m = replace(
            m,
            status=Status.PARTIAL_CYCLE,
            ed_frame=0,
            es_frame=1,
            duration_s=None,
            frame_rate_hz=None,
            beats=(),
        )
        if start.startswith(b"swapped"):
            m = replace(
                m, status=Status.REFUSED, ef_percent=None, reason="Swapped.", reason_code="es_above_ed"
            )
        return Result(m, two)
    if kind == "biplane":
        scaled = not start.startswith(b"unscaled")
        parts = {
            view: beating(source=name, calibrated=scaled)[0]
            for view, name in zip(("A4C", "A2C"), names, strict=True)
        }
        both = biplane_measurement(source, parts["A4C"], parts["A2C"], options)
        if start.startswith(b"swapped"):
            both = replace(
                both, notices=(*both.notices, CodedWarning("views_swapped", "The views look swapped."))
            )
        return Result(both, None, {view: (m, clip) for view, m in parts.items()})
    return Result(whole, clip)
