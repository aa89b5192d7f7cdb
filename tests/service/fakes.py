"""Workers that need no network: what they do stands in the file they are given."""

from __future__ import annotations

import os
import signal
import tempfile
import time
from pathlib import Path

from lvef.core.errors import GeometryError, WeightsError
from lvef.core.records import Measurement
from lvef.core.terms import Status
from lvef.measure.serializers import measurement_json
from lvef.service.settings import ServiceSettings
from lvef.service.worker import Progress, Task, TaskResult, Worker


class FakeWorker:
    """Measures in no time; ``crash``, ``exit``, ``bug`` and ``bad`` at a file's start do as they say.

    ``sleep`` takes longer than any test waits, and ``until PATH`` as long as there is nothing at PATH.
    """

    def __init__(self, settings: ServiceSettings) -> None:
        self.settings = settings

    def __call__(self, task: Task) -> TaskResult:
        if task.kind == "draw":
            return TaskResult(files={task.values["name"]: b"drawn"})
        if task.kind == "correct":
            if task.values["edit"] == {}:
                raise GeometryError("There is nothing to correct.")
            return TaskResult(files=dict(task.values["files"]), status="ok")
        paths, name = task.values["paths"], " + ".join(task.values["names"])
        start = Path(paths[0]).read_bytes()[:1000]
        if start.startswith(b"until "):
            gate = Path(start[6:].decode())
            while not gate.exists():
                time.sleep(0.02)
        if start.startswith(b"sleep"):
            time.sleep(600)
        if start.startswith(b"crash"):
            os.kill(os.getpid(), signal.SIGSEGV)
        if start.startswith(b"exit"):
            os._exit(3)
        if start.startswith(b"bug"):
            raise RuntimeError(f"the secret of {name}")
        status = Status.FAILED if start.startswith(b"bad") else Status.OK
        reason = f"{name} is of a kind that is not known here." if status is Status.FAILED else ""
        code = "unreadable" if reason else ""
        measurement = Measurement(name, status, reason, code, ef_percent=None if reason else 55.0)
        files = {"measurement.json": measurement_json(measurement).encode(), "curve.csv": b"frame\n0\n"}
        return TaskResult(files, {"": b"clip"}, str(status), code)


class ReportingWorker(Worker):
    """Says how far it is, then does as `FakeWorker`."""

    def __init__(self, settings: ServiceSettings) -> None:
        self.fake = FakeWorker(settings)

    def __call__(self, task: Task) -> TaskResult:
        self.report(Progress("tracing", 0.25))
        self.report(Progress("tracing", 0.5))
        return self.fake(task)


class WarmingWorker(ReportingWorker):
    """Its warm-up lasts until there is a file ``go`` in its folder, beside ``warming``; with ``crash`` there it ends it."""

    def __call__(self, task: Task) -> TaskResult:
        if task.kind != "warm_up":
            return self.fake(task)
        folder = Path(tempfile.gettempdir())
        self.report(Progress("tracing", 0.9))
        (folder / "warming").touch()
        while not (folder / "go").exists():
            if (folder / "crash").exists():
                os._exit(3)
            time.sleep(0.02)
        return TaskResult(code="bug", message="This warm-up went wrong.")


class BrokenWorker:
    """Cannot load its network."""

    def __init__(self, settings: ServiceSettings) -> None:
        raise WeightsError("the network is damaged; install the weights again.")


class HungryWorker:
    """Finds no memory for a library."""

    def __init__(self, settings: ServiceSettings) -> None:
        raise ImportError("cv2.abi3.so: failed to map segment from shared object")


class ExitingWorker(FakeWorker):
    """Ends as soon as it is there."""

    def __init__(self, settings: ServiceSettings) -> None:
        os._exit(1)
