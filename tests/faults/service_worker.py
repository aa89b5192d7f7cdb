"""What measures in a trial of the service: it takes the EF from the file."""

from __future__ import annotations

import time
from pathlib import Path

from lvef.core.records import Measurement
from lvef.core.terms import Status
from lvef.measure.serializers import measurement_json
from lvef.service.settings import ServiceSettings
from lvef.service.worker import Task, TaskResult

WORK_S = 0.1
"""Time of a measurement."""


class NumberWorker:
    """Measures a file that holds a number: that is its EF."""

    def __init__(self, settings: ServiceSettings) -> None:
        self.settings = settings

    def __call__(self, task: Task) -> TaskResult:
        number = float(Path(task.values["paths"][0]).read_text())
        time.sleep(WORK_S)
        measurement = Measurement(task.values["names"][0], Status.OK, "", "", ef_percent=number)
        files = {"measurement.json": measurement_json(measurement).encode(), "curve.csv": b"frame\n0\n"}
        # As large as a small clip, so that a disk fills.
        return TaskResult(files, {"": bytes(50_000)}, str(Status.OK))
