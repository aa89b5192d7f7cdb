"""From uploads to results: the shared models, progress messages, and errors as messages instead of tracebacks."""

from __future__ import annotations

import atexit
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Protocol

import lvef
from lvef.core.errors import LvefError, error_location
from lvef.core.records import Clip, CodedWarning, Measurement
from lvef.core.terms import Status
from lvef.io.timing import with_frame_rate
from lvef.io.uploads import UploadStore, sanitize_name
from lvef.measure.options import MeasureOptions
from lvef.measure.pipeline import FINDING_BEATS, READING, READING_EF, TRACING, Measurer
from lvef.measure.results import Result, failed_measurement

ProgressCallback = Callable[[str, float], None]
"""Called with what is being done and its progress, 0 to 1."""


class Upload(Protocol):
    """A file from a browser: its name and bytes."""

    @property
    def name(self) -> str:
        """The client's file name."""
        ...

    def getvalue(self) -> bytes:
        """All bytes."""
        ...


@dataclass(frozen=True, slots=True)
class SampleFile:
    """A sample in place of an upload."""

    name: str
    data: bytes

    def getvalue(self) -> bytes:
        """All bytes."""
        return self.data


_STAGES = {
    READING: ("Reading the file", 0.03, 0.1),
    TRACING: ("Tracing the ventricle", 0.1, 0.95),
    FINDING_BEATS: ("Finding the beats", 0.95, 0.95),
    READING_EF: ("Predicting the EF", 0.2, 0.95),
}
"""Message of each stage, and the part of the progress bar that it takes."""

UPLOADS_PREFIX = "lvef-page-"
"""Beginning of the names of the page's folders for uploads, in the system's folder for temporary files."""

_loading = Lock()
_loaded: dict[str, Measurer] = {}


@cache
def get_upload_store() -> UploadStore:
    """This process's folder for uploads; it is removed when the process ends.

    Raises:
        DataError: It cannot be made.
    """
    store = UploadStore(Path(tempfile.gettempdir()), UPLOADS_PREFIX)
    atexit.register(store.close)
    return store


def get_measurer(weights: str) -> Measurer:
    """A model, loaded once a process and shared by all visitors; it holds nothing of a file.

    Raises:
        WeightsError: No such model, or it is damaged.
    """
    with _loading:
        if weights not in _loaded:
            _loaded[weights] = Measurer(MeasureOptions(weights=weights))
        return _loaded[weights]


def measure_upload(upload: Upload, options: MeasureOptions, report: ProgressCallback) -> Result:
    """Measure one upload. Whatever is wrong with it becomes a message in the result."""
    return _measure_files([upload], lambda paths: Result(*_measurer(options, report).measure(paths[0])))


def measure_again(result: Result, options: MeasureOptions, report: ProgressCallback) -> Result:
    """Measure a clip that is already in memory, with other options."""
    clip = result.clip
    if clip is None:
        return result
    if options.frame_rate_hz is not None:
        clip = with_frame_rate(clip, options.frame_rate_hz)

    def work() -> Result:
        try:
            measured = _measurer(options, report).measure_clip(clip)
        except (LvefError, MemoryError) as error:
            measured = failed_measurement(clip.source, error, clip)
        return Result(measured, clip)

    return catch_errors(work, clip.source)


def measure_pair(ed: Upload, es: Upload, options: MeasureOptions, report: ProgressCallback) -> Result:
    """Measure an ED and an ES still."""
    return _measure_files([ed, es], lambda paths: Result(*_measurer(options, report).measure_pair(*paths)))


def measure_study(a4c: Upload, a2c: Upload, options: MeasureOptions, report: ProgressCallback) -> Result:
    """Measure both apical views."""

    def work(paths: list[Path]) -> Result:
        measurement, parts = _measurer(options, report).measure_biplane(*paths)
        return Result(measurement, None, parts)

    return _measure_files([a4c, a2c], work)


def catch_errors(work: Callable[[], Result], source: str) -> Result:
    """Do something that returns a result; an error becomes a failed result with its message."""
    try:
        return work()
    except (LvefError, MemoryError) as error:
        return Result(failed_measurement(source, error, None), None)
    except Exception as error:  # noqa: BLE001  a visitor must get a message, whatever went wrong
        return Result(Measurement(source, Status.FAILED, f"{source}: {bug_message(error)}", "bug"), None)


def bug_message(error: BaseException) -> str:
    """The message for an unexpected error."""
    return (
        f"this is a bug in lvef {lvef.__version__}, not your mistake: {error_location(error)}. "
        "Please report this sentence, without names of patients."
    )


def _measurer(options: MeasureOptions, report: ProgressCallback) -> Measurer:
    """The shared model with a visitor's options and progress messages."""

    def on_progress(doing: str, done: int, of: int) -> None:
        words, first, last = _STAGES[doing]
        if doing == TRACING:
            words += f": frame {done} of {of}" if done else f" on {of} frames"
        report(words, first + (last - first) * (done / of if of else 0.0))

    return get_measurer(options.weights).with_options(options, on_progress)


def _measure_files(uploads: list[Upload], work: Callable[[list[Path]], Result]) -> Result:
    names = [sanitize_name(upload.name) for upload in uploads]
    source = " + ".join(names)

    def run(paths: list[Path], left: list[Upload]) -> Result:
        if not left:
            return rename_sources(work(paths), dict(zip(map(str, paths), names, strict=True)), source)
        with get_upload_store().written(left[0].getvalue(), left[0].name) as path:
            return run([*paths, path], left[1:])

    return catch_errors(lambda: run([], uploads), source)


def rename_sources(result: Result, names: Mapping[str, str], source: str) -> Result:
    """A result with the client's names in place of the paths of the uploads.

    Args:
        result: As measured.
        names: Path of the upload -> the client's name.
        source: Name of the whole.
    """

    def words(text: str) -> str:
        for path, name in names.items():
            text = text.replace(path, name)
        return text

    def measurement(m: Measurement) -> Measurement:
        other = m.second_opinion
        return replace(
            m,
            source=words(m.source),
            reason=words(m.reason),
            volume_note=words(m.volume_note),
            second_opinion=other and replace(other, reason=words(other.reason)),
            interval_note=words(m.interval_note),
            notices=tuple(CodedWarning(n.code, words(n.text)) for n in m.notices),
        )

    def clip(c: Clip | None) -> Clip | None:
        if c is None:
            return None
        notices = tuple(CodedWarning(n.code, words(n.text)) for n in c.notices)
        return replace(c, source=words(c.source), notices=notices, spacing_note=words(c.spacing_note))

    parts = {view: (measurement(m), clip(c)) for view, (m, c) in result.views.items()}
    whole = replace(measurement(result.measurement), source=source)
    return Result(whole, clip(result.clip), parts)
