"""The code of a worker process: a loaded model that does one task after the other.

It is a process because a decoder that crashes on a crafted file must not end the service, and because only a process can be
stopped when a file takes too long.
"""

from __future__ import annotations

import math
import os
import select
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from multiprocessing import parent_process
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lvef.core.errors import DataError, LvefError, QualityRefusal, WeightsError, error_location
from lvef.core.memory import is_out_of_memory
from lvef.service.settings import MB, ServiceSettings

if TYPE_CHECKING:
    from lvef.measure.options import MeasureOptions
    from lvef.measure.pipeline import Measurer
    from lvef.measure.predictor import Predictor
    from lvef.measure.results import Result

MAX_LOADED_MODELS = 3
"""Models that a worker keeps loaded, its own among them; of the others the least recently used is dropped first."""

MAX_CLIP_BYTES = 2**28
"""Largest serialized clip that is kept for drawing: about 800 million pixels. Larger ones cannot be drawn."""

WARM_UP_MB = 1024
"""Memory that must be left for a warm-up: it keeps 0.15 GB of it, and the visitors' files need more than that."""


@dataclass(frozen=True, slots=True)
class Task:
    """Work for a process.

    Attributes:
        kind: ``measure``, ``correct``, ``resegment``, ``draw`` or ``warm_up``.
        values: What the kind needs; see `Worker`.
    """

    kind: str
    values: dict[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class TaskResult:
    """The outcome of a task: files and clips by name, or a code and a sentence."""

    files: dict[str, bytes] = field(default_factory=dict, repr=False)
    clips: dict[str, bytes] = field(default_factory=dict, repr=False)
    status: str = ""
    code: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a measurement is: what is being done, a step of `lvef.measure.pipeline`, and the share of all, 0 to 1."""

    doing: str
    share: float


TaskHandler = Callable[[Task], TaskResult]
"""Does tasks."""

STEPS = {
    "reading": (0.03, 0.1),
    "tracing": (0.1, 0.95),
    "finding beats": (0.95, 0.95),
    "reading the EF": (0.2, 0.95),
}
"""Share of the measurement at which each step begins and ends."""

PROGRESS_INTERVAL_S = 0.1
"""Shortest time between two messages of progress within a step."""


class Worker:
    """Measures, corrects, segments again, draws and warms up; its methods state what the tasks hold.

    Args:
        settings: Of the service.

    Raises:
        WeightsError: The default model cannot be loaded.
    """

    def __init__(self, settings: ServiceSettings) -> None:
        self._settings = settings
        self.report: Callable[[Progress], None] = _discard
        """Called with how far a measurement is."""
        self._reported = ("", 0.0)
        self._loaded: dict[tuple[str, bool], Measurer] = {}
        self._measurer(settings.measure_options)

    def __call__(self, task: Task) -> TaskResult:
        """Do a task."""
        methods: dict[str, Callable[..., TaskResult]] = {
            "measure": self.measure,
            "correct": self.correct,
            "resegment": self.resegment,
            "draw": self.draw,
            "warm_up": self.warm_up,
        }
        return methods[task.kind](**task.values)

    def measure(
        self,
        input_kind: str,
        paths: list[str],
        names: list[str],
        options: MeasureOptions,
        keep_clips: bool = True,
    ) -> TaskResult:
        """Measure a clip, a pair of stills or a biplane study, by the code of the command line.

        Args:
            input_kind: ``clip``, ``pair`` or ``biplane``.
            paths: The files.
            names: The client's names for them.
            options: Of the measurement.
            keep_clips: Return the clips too.
        """
        from lvef.measure.results import Result
        from lvef.service.serializers import recent_clip

        recent_clip.cache_clear()  # its memory is needed now
        measurer, where = self._measurer(options), [Path(path) for path in paths]
        if input_kind == "pair":
            result = Result(*measurer.measure_pair(*where))
        elif input_kind == "biplane":
            measurement, parts = measurer.measure_biplane(*where)
            result = Result(measurement, None, parts)
        else:
            result = Result(*measurer.measure(where[0]))
        # The whole path first: it ends in the name.
        shown = dict(zip(paths, names, strict=True))
        shown |= {path.name: name for path, name in zip(where, names, strict=True)}
        return serialize_result(result, shown, keep_clips=keep_clips)

    def warm_up(self) -> TaskResult:
        """Measure the cine that comes with pydicom, so that no visitor waits for what a process does once.

        That is: imports, and the working memory of decoders and model. Where little memory is left nothing is done.
        """
        from lvef.io.open import sample_cine

        if _memory_left_mb(self._settings.max_memory_mb) < WARM_UP_MB:
            return TaskResult()
        path = str(sample_cine())
        return self.measure("clip", [path], [path], self._settings.measure_options)

    def correct(
        self,
        files: dict[str, bytes],
        edit: Any,  # noqa: ANN401
        options: MeasureOptions,
    ) -> TaskResult:
        """Apply a reader's correction.

        Args:
            files: Of the result to correct.
            edit: Body of the request.
            options: With which it was measured.

        Raises:
            DataError: The body is not of the layout.
            GeometryError: Nothing can be measured from it.
            QualityRefusal: Nor should it be.
        """
        from lvef.measure.correction import corrected_result, edits_from_dict
        from lvef.service.serializers import deserialize_result

        machine = deserialize_result(files, {})
        edits = edits_from_dict(edit, is_study=bool(machine.views))
        return serialize_result(corrected_result(machine, edits, options), {})

    def resegment(
        self,
        part: str,
        frame: int,
        apex: list[float],
        annulus: list[list[float]],
        clips: dict[str, bytes],
        options: MeasureOptions,
    ) -> TaskResult:
        """The contour of a frame from three clicks, as ``points.json``: ``points`` (15 x ``[x, y]``) and ``by_model``.

        Args:
            part: Part of the result, empty where it has none.
            frame: Frame of its clip.
            apex: ``[x, y]`` in pixels of the image.
            annulus: Both hinge points.
            clips: Clips by part; `lvef.measure.resegment.clip_around` leaves the frames that are needed.
            options: With which it was measured.

        Raises:
            DataError, GeometryError: The clip is not kept, or the points cannot be apex and mitral annulus.
        """
        from lvef.core.serialization import to_json
        from lvef.measure.resegment import resegment
        from lvef.service.serializers import recent_clip

        if part not in clips:
            raise DataError("The images of this clip are not kept: measure it again.")
        found = resegment(recent_clip(clips[part]), frame, apex, annulus, self._segmentation(options))
        values = {"points": found.points.round(2).tolist(), "by_model": found.by_model}
        return TaskResult(files={"points.json": to_json(values).encode()})

    def draw(self, name: str, files: dict[str, bytes], clips: dict[str, bytes]) -> TaskResult:
        """Draw an image, a video or a report of a result.

        Args:
            name: Its name, with the part before it (``A4C/overlay.mp4``).
            files: Of the result.
            clips: Its clips, by part.
        """
        from lvef.report.outputs import render_file
        from lvef.service.serializers import deserialize_result

        data = render_file(name, deserialize_result(files, clips))
        if data is None:
            return TaskResult(
                code="no_pictures", message="This result has no such image: there is nothing to draw."
            )
        return TaskResult(files={name: data})

    def _segmentation(self, options: MeasureOptions) -> Predictor | None:
        """The model of these options where it segments, else the default one; None where that is not installed."""
        own = replace(options, second_opinion="", per_beat=False)
        try:
            predictor = self._measurer(own).predictor
            default = replace(own, weights=type(own).weights)
            return predictor if predictor.gives_masks else self._measurer(default).predictor
        except WeightsError:
            return None

    def _measurer(self, options: MeasureOptions) -> Measurer:
        """A measurer with these options; models stay loaded between tasks."""
        from lvef.measure.pipeline import Measurer

        key = (options.weights, options.per_beat)
        loaded = self._loaded.pop(key, None) or Measurer(options)
        self._loaded[key] = loaded
        while len(self._loaded) > MAX_LOADED_MODELS:
            # The model of most tasks stays.
            own = (self._settings.weights, False)
            del self._loaded[next(one for one in self._loaded if one not in (own, key))]
        return loaded.with_options(options, self._report)

    def _report(self, doing: str, done: int, of: int) -> None:
        step, last = self._reported
        now = time.monotonic()
        if doing != step or now - last >= PROGRESS_INTERVAL_S:
            self._reported = doing, now
            first, end = STEPS.get(doing, (0.0, 0.0))
            self.report(Progress(doing, first + (end - first) * (done / of if of else 0.0)))


def serve_program(number: int) -> None:
    """`serve_tasks` in a process that was started as a program; the first message has its other arguments.

    Args:
        number: Its end of the connection, as a file descriptor.
    """
    with Connection(number) as connection:
        serve_tasks(connection, *connection.recv())


def serve_tasks(
    connection: Connection,
    worker_factory: Callable[[ServiceSettings], TaskHandler],
    settings: ServiceSettings,
    folder: str,
) -> None:
    """Main function of a worker process: report that the model is loaded, then do tasks until the pipe closes.

    Args:
        connection: To the service.
        worker_factory: Makes what does the tasks.
        settings: Of the service.
        folder: For temporary files; the service removes it when this process is gone.
    """
    # The service decides when a worker ends, not the terminal or the system's process manager.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    threading.Thread(target=_exit_with_parent, args=[connection], daemon=True).start()
    tempfile.tempdir = folder
    _silence_output()
    _adjust_oom_score()
    try:
        from lvef.io.isolation import decode_in_place

        decode_in_place()
        work = worker_factory(settings)
    except LvefError as error:
        connection.send(TaskResult(code="weights", message=str(error)))
        return
    except Exception as error:  # noqa: BLE001  the service reports it; a traceback would be lost
        connection.send(_start_failure(error))
        return
    if isinstance(work, Worker):
        work.report = connection.send
    _limit_memory(settings.max_memory_mb)
    connection.send(TaskResult(status="ready"))
    while True:
        try:
            task = connection.recv()
        except (EOFError, OSError):
            return
        connection.send(do_task(work, task))


def do_task(work: TaskHandler, task: Task) -> TaskResult:
    """Do a task; every exception becomes a result with a code."""
    try:
        return work(task)
    except QualityRefusal as refusal:
        return TaskResult(code=refusal.code, message=str(refusal))
    except WeightsError as error:
        return TaskResult(code="weights", message=str(error))
    except LvefError as error:
        return TaskResult(code="not_possible", message=str(error))
    except Exception as error:  # noqa: BLE001  a bug met in one file must not end the service
        if is_out_of_memory(error):
            return TaskResult(
                code="too_large",
                message="There is not enough memory for this clip; cut it shorter or make it smaller.",
            )
        return _bug(error)


def _start_failure(error: Exception) -> TaskResult:
    """Why a worker cannot start."""
    if is_out_of_memory(error):
        return TaskResult(
            code="no_memory",
            message="There is not enough memory to load the model; give fewer --workers, or free some.",
        )
    return _bug(error)


def _bug(error: Exception) -> TaskResult:
    """The result of an unexpected error: where it was met, without its message, which may quote a file."""
    return TaskResult(
        code="bug",
        message=f"lvef met an error it should not have ({error_location(error)}); please report it.",
    )


def serialize_result(result: Result, names: Mapping[str, str], *, keep_clips: bool = True) -> TaskResult:
    """A result as files.

    Args:
        result: Any result.
        names: Client's name of each path that it contains.
        keep_clips: With its clips, black outside the sector.
    """
    from lvef.measure.serializers import BEATS_NAME, CURVE_NAME, beats_csv, curve_csv
    from lvef.service.serializers import serialize_clip, serialize_measurement
    from lvef.transforms.sector import hide_outside_sector

    files: dict[str, bytes] = {}
    clips: dict[str, bytes] = {}
    for part, (measurement, clip) in result.parts.items():
        prefix = f"{part}/" if part else ""
        own = serialize_measurement(measurement, names)
        if measurement.curve is not None:
            own |= {CURVE_NAME: curve_csv(measurement).encode(), BEATS_NAME: beats_csv(measurement).encode()}
        files |= {prefix + name: data for name, data in own.items()}
        if keep_clips and clip is not None and len(clip.frames):
            packed = serialize_clip(hide_outside_sector(clip), names)
            if len(packed) <= MAX_CLIP_BYTES:
                clips[part] = packed
    m = result.measurement
    return TaskResult(files, clips, status=str(m.status), code=m.reason_code)


def _discard(_: Progress) -> None:
    """Where progress is not asked for."""


def _exit_with_parent(connection: Connection) -> None:
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
    else:
        watch = select.poll()
        # Of no event but the end of the other side, which is always reported.
        watch.register(connection.fileno(), 0)
        watch.poll()
    os._exit(1)


def _silence_output() -> None:
    """Discard all output: what a decoder prints may quote the file."""
    if os.environ.get("LVEF_DEBUG"):
        return
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    os.close(null)


def _adjust_oom_score() -> None:
    """Have the system end a worker first when memory runs out, and write no core dump of a clip."""
    if sys.platform == "linux":
        try:
            Path("/proc/self/oom_score_adj").write_text("500", encoding="ascii")
        except OSError:
            # Not allowed in some containers.
            return
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _memory_left_mb(max_mb: int) -> float:
    """Memory that this process can still take: by its own limit, the machine's, and those of its control groups."""
    left = [float(max_mb or math.inf)]
    with suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        left.append(next(int(x.split()[1]) / 1024 for x in lines if x.startswith("MemAvailable:")))
    for folder in _control_groups():
        # One without a limit has the word max, or no such file.
        with suppress(OSError, ValueError):
            limit, used = (int((folder / f"memory.{name}").read_text("ascii")) for name in ("max", "current"))
            left.append((limit - used) / MB)
    return min(left)


def _control_groups() -> list[Path]:
    """Folders of the control groups (version 2) that limit this process: the container's and its own; empty elsewhere."""
    try:
        lines = Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    root = Path("/sys/fs/cgroup")
    return [root, *(root / line[3:].lstrip("/") for line in lines if line.startswith("0::"))]


def _limit_memory(max_mb: int) -> None:
    """Limit how much more memory this process may take; Linux only."""
    if sys.platform != "linux" or not max_mb:
        return
    import resource

    status = Path("/proc/self/status").read_text(encoding="ascii")
    has = next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmData:"))
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = has + max_mb * MB
    if hard == resource.RLIM_INFINITY or wanted < hard:
        resource.setrlimit(resource.RLIMIT_DATA, (wanted, hard))
