"""What happens inside a worker process: one loaded network, one task after the other.

A process of its own, because a decoder that crashes on a crafted file must not take the service with it, and because only a
process can be stopped when a file takes too long.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from multiprocessing import parent_process
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from lvef.core.errors import LvefError, QualityRefusal, WeightsError, error_location
from lvef.service.settings import MB, ServiceSettings

MAX_LOADED_MODELS = 3
"""Networks that a worker holds loaded; the one that was used longest ago goes first."""

MAX_CLIP_BYTES = 2**28
"""Largest packed clip that is kept for pictures: about 800 million pixels. The measurement of a larger one has none."""


@dataclass(frozen=True, slots=True)
class Task:
    """Work for a process.

    Attributes:
        kind: ``measure``, ``correct`` or ``draw``.
        values: What the kind needs; see `Worker`.
    """

    kind: str
    values: dict[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class TaskResult:
    """What came of it: files and clips by name, or a code and a sentence."""

    files: dict[str, bytes] = field(default_factory=dict, repr=False)
    clips: dict[str, bytes] = field(default_factory=dict, repr=False)
    status: str = ""
    code: str = ""
    message: str = ""


TaskHandler = Callable[[Task], TaskResult]
"""Does a task."""


class Worker:
    """Measures, corrects and draws; see the methods for what a task holds.

    Args:
        settings: Of the service.

    Raises:
        WeightsError: The default network cannot be loaded.
    """

    def __init__(self, settings: ServiceSettings) -> None:
        from lvef.measure.options import MeasureOptions
        from lvef.measure.pipeline import Measurer

        self._settings = settings
        self._loaded: dict[tuple[str, bool], Measurer] = {}
        self._measurer(
            MeasureOptions(weights=settings.weights, precision=settings.precision, threads=settings.n_threads)
        )

    def __call__(self, task: Task) -> TaskResult:
        """Do a task."""
        ways: dict[str, Callable[..., TaskResult]] = {
            "measure": self.measure,
            "correct": self.correct,
            "draw": self.draw,
        }
        return ways[task.kind](**task.values)

    def measure(self, shape: str, paths: list[str], names: list[str], options: dict[str, Any]) -> TaskResult:
        """Measure a clip, a pair of stills or a biplane study, by the code of the command line.

        Args:
            shape: ``clip``, ``pair`` or ``biplane``.
            paths: The files.
            names: What to call them.
            options: Settings as plain values.
        """
        from lvef.measure.results import Result
        from lvef.service.requests import options_from_dict

        measurer = self._measurer(options_from_dict(options))
        where = [Path(path) for path in paths]
        if shape == "pair":
            answer = Result(*measurer.measure_pair(*where))
        elif shape == "biplane":
            measurement, parts = measurer.measure_biplane(*where)
            answer = Result(measurement, None, parts)
        else:
            answer = Result(*measurer.measure(where[0]))
        # The whole path first: it ends in the name.
        shown = dict(zip(paths, names, strict=True))
        shown |= {path.name: name for path, name in zip(where, names, strict=True)}
        return _reply(answer, shown)

    def correct(
        self,
        files: dict[str, bytes],
        edit: Any,  # noqa: ANN401
        options: dict[str, Any],
    ) -> TaskResult:
        """Apply a reader's correction.

        Args:
            files: Of the result to correct.
            edit: Body of the request.
            options: Settings of that result.

        Raises:
            DataError: The body is not of the layout.
            GeometryError: Nothing can be measured from it.
            QualityRefusal: Nor should it be.
        """
        from lvef.measure.correction import corrected, corrected_study, edit_from_dict, study_from_dict
        from lvef.measure.results import Result
        from lvef.service.requests import options_from_dict
        from lvef.service.serializers import deserialize_answer

        machine, settings = deserialize_answer(files, {}), options_from_dict(options)
        if machine.parts:
            parts = {view: part for view, (part, _) in machine.parts.items()}
            answer, own = corrected_study(machine.measurement, parts, study_from_dict(edit), settings)
            return _reply(Result(answer, None, {view: (part, None) for view, part in own.items()}), {})
        return _reply(Result(corrected(machine.measurement, edit_from_dict(edit), settings), None), {})

    def draw(self, name: str, files: dict[str, bytes], clips: dict[str, bytes]) -> TaskResult:
        """Draw a picture, a film or a report of a result.

        Args:
            name: Its name, with the part before it (``A4C/overlay.mp4``).
            files: Of the result.
            clips: Its clips, by part.
        """
        from lvef.service.drawing import drawn
        from lvef.service.serializers import deserialize_answer

        data = drawn(name, deserialize_answer(files, clips))
        if data is None:
            return TaskResult(
                code="no_pictures", message="This result has no such picture: there is nothing to draw."
            )
        return TaskResult(files={name: data})

    def _measurer(self, options: Any) -> Any:  # noqa: ANN401
        """A measurer with these settings; networks stay loaded between tasks."""
        from lvef.measure.pipeline import Measurer

        key = (options.weights, options.per_beat)
        loaded = self._loaded.pop(key, None) or Measurer(options)
        self._loaded[key] = loaded
        while len(self._loaded) > MAX_LOADED_MODELS:
            del self._loaded[next(iter(self._loaded))]
        return loaded.with_options(options)


def serve_tasks(
    connection: Connection,
    worker_factory: Callable[[ServiceSettings], TaskHandler],
    settings: ServiceSettings,
    scratch: str,
) -> None:
    """Main of a worker process: say that the network is loaded, then answer tasks until the pipe closes.

    Args:
        connection: To the service.
        worker_factory: Gives what does the tasks.
        settings: Of the service.
        scratch: Folder for temporary files; the service removes it when this process is gone.
    """
    # The service decides when a worker ends, not the terminal or the system's process manager.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    tempfile.tempdir = scratch
    _silence_output()
    _adjust_oom_score()
    try:
        work = worker_factory(settings)
    except LvefError as error:
        connection.send(TaskResult(code="weights", message=str(error)))
        return
    _limit_memory(settings.max_memory_mb)
    connection.send(TaskResult(status="ready"))
    while True:
        try:
            task = connection.recv()
        except (EOFError, OSError):
            return
        connection.send(done(work, task))


def done(work: TaskHandler, task: Task) -> TaskResult:
    """What comes of a task, whatever happens in it."""
    try:
        return work(task)
    except QualityRefusal as refusal:
        return TaskResult(code=refusal.code, message=str(refusal))
    except WeightsError as error:
        return TaskResult(code="weights", message=str(error))
    except LvefError as error:
        return TaskResult(code="not_possible", message=str(error))
    except MemoryError:
        return TaskResult(
            code="too_large",
            message="There is not enough memory for this clip; cut it shorter or make it smaller.",
        )
    except Exception as error:  # noqa: BLE001  a bug met in one file must not end the service
        return TaskResult(
            code="bug",
            message=f"lvef met an error it should not have ({error_location(error)}); please report it.",
        )


def _reply(answer: Any, names: Mapping[str, str]) -> TaskResult:  # noqa: ANN401
    from lvef.measure.serializers import BEATS_NAME, CURVE_NAME, beats_csv, curve_csv
    from lvef.service.serializers import serialize_clip, serialize_measurement
    from lvef.transforms.sector import hide_outside_sector

    files: dict[str, bytes] = {}
    clips: dict[str, bytes] = {}
    for part, (measurement, clip) in {"": (answer.measurement, answer.clip), **answer.parts}.items():
        prefix = f"{part}/" if part else ""
        own = serialize_measurement(measurement, names)
        if measurement.curve is not None:
            own |= {CURVE_NAME: curve_csv(measurement).encode(), BEATS_NAME: beats_csv(measurement).encode()}
        files |= {prefix + name: data for name, data in own.items()}
        if clip is not None and len(clip.frames):
            packed = serialize_clip(hide_outside_sector(clip), names)
            if len(packed) <= MAX_CLIP_BYTES:
                clips[part] = packed
    m = answer.measurement
    return TaskResult(files, clips, status=str(m.status), code=m.reason_code)


def _exit_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _silence_output() -> None:
    """What a decoder prints may quote the file, so nothing is printed."""
    if os.environ.get("LVEF_DEBUG"):
        return
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    os.close(null)


def _adjust_oom_score() -> None:
    """Where memory runs out, the system ends a worker, not the service; and no memory image of a clip is left."""
    if sys.platform == "linux":
        try:
            Path("/proc/self/oom_score_adj").write_text("500", encoding="ascii")
        except OSError:
            # Not allowed in some containers; the order of ending then is the system's.
            return
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _limit_memory(max_mb: int) -> None:
    """Let this process take at most so much more than it has; only where the system counts its data."""
    if sys.platform != "linux" or not max_mb:
        return
    import resource

    status = Path("/proc/self/status").read_text(encoding="ascii")
    has = next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmData:"))
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = has + max_mb * MB
    if hard == resource.RLIM_INFINITY or wanted < hard:
        resource.setrlimit(resource.RLIMIT_DATA, (wanted, hard))
