"""Uploads to answers: the shared networks, the stages while one is measured, and sentences instead of tracebacks."""

from __future__ import annotations

import copy
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

import lvef
from lvef.core.errors import LvefError
from lvef.core.records import Clip, Measurement, Notice
from lvef.core.terms import Status
from lvef.measure.answer import no_answer
from lvef.measure.clip_predictor import ClipPredictor
from lvef.measure.options import MeasureOptions
from lvef.measure.outputs import Answer
from lvef.measure.pipeline import IN_TURN_HZ, Measurer
from lvef.webapp.private_files import held, shown_name

Tell = Callable[[str, float], None]
"""Called with what is being done and how far it is, 0 to 1."""


class Upload(Protocol):
    """What a browser sent: a name and its bytes."""

    @property
    def name(self) -> str:
        """The client's file name."""
        ...

    def getvalue(self) -> bytes:
        """All bytes."""
        ...


@dataclass(frozen=True, slots=True)
class Given:
    """An upload of our own making: a sample."""

    name: str
    data: bytes

    def getvalue(self) -> bytes:
        """All bytes."""
        return self.data


class Watched:
    """A network's session that tells how many frames it has answered."""

    def __init__(self, session: Any, seen: Callable[[int], None]) -> None:  # noqa: ANN401
        self._session, self._seen = session, seen

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(self._session, name)

    def start(self, batch: Any) -> Callable[[], NDArray[np.float32]]:  # noqa: ANN401
        """As the session's own; see `lvef.engine.session.Session`."""
        running = self._session.start(batch)
        first = next(iter(batch.values())) if isinstance(batch, Mapping) else batch

        def fetch() -> NDArray[np.float32]:
            out: NDArray[np.float32] = running()
            self._seen(len(first))
            return out

        return fetch


class StagedMeasurer(Measurer):
    """A measurer that borrows a loaded network, has settings of its own, and tells where it is."""

    def __init__(self, loaded: Measurer, options: MeasureOptions, tell: Tell) -> None:
        self.options = options
        self.beat_finder = loaded.beat_finder
        self._tell, self._frames, self._todo, self._done = tell, 0, 0, 0
        # The network is shared with all visitors; only the counting belongs to this one.
        self.predictor = copy.copy(loaded.predictor)
        self.predictor._session = Watched(loaded.predictor._session, self._seen)

    def measure_clip(self, clip: Clip) -> Measurement:
        """As `Measurer.measure_clip`."""
        n = len(clip.frames)
        if isinstance(self.predictor, ClipPredictor):
            self._tell("Reading the EF from the film", 0.2)
            return super().measure_clip(clip)
        once = (clip.frame_rate_hz or 0) >= IN_TURN_HZ and self.options.ed_frame is None
        # Slow films are shown to the network both ways.
        self._frames, self._todo, self._done = n, n if once else 2 * n, 0
        self._tell(f"Outlining the ventricle on {n} frames", 0.1)
        return super().measure_clip(clip)

    def _open(self, path: Path) -> Clip:
        self._tell("Reading the file", 0.03)
        return super()._open(path)

    def _seen(self, frames: int) -> None:
        if not self._todo:
            return
        self._done += frames
        share = min(self._done / self._todo, 1.0)
        frame = min(round(share * self._frames), self._frames)
        words = f"Outlining the ventricle: frame {frame} of {self._frames}"
        self._tell(words if share < 1 else "Finding the beats", 0.1 + 0.85 * share)


_loading = Lock()
_loaded: dict[str, Measurer] = {}


def loaded_measurer(weights: str) -> Measurer:
    """A network, loaded once a process and shared by all visitors; it holds nothing of a file.

    Raises:
        WeightsError: No such network, or it is damaged.
    """
    with _loading:
        if weights not in _loaded:
            _loaded[weights] = Measurer(MeasureOptions(weights=weights))
        return _loaded[weights]


def measure_upload(upload: Upload, options: MeasureOptions, tell: Tell) -> Answer:
    """Measure one upload. Whatever is wrong with it becomes a sentence in the answer."""
    return _answered(
        [upload],
        lambda paths: Answer(
            *StagedMeasurer(loaded_measurer(options.weights), options, tell).measure(paths[0])
        ),
    )


def measure_again(answer: Answer, options: MeasureOptions, tell: Tell) -> Answer:
    """Measure a clip that is already in memory, with other settings."""
    clip = answer.clip
    if clip is None:
        return answer
    if options.frame_rate_hz is not None and len(clip.frames) > 1:
        times = np.arange(len(clip.frames)) / options.frame_rate_hz
        kept = tuple(n for n in clip.notices if n.code not in ("assumed_frame_rate", "display_frame_rate"))
        clip = replace(clip, times_s=times, timing="given by the user", notices=kept)

    def work(_: object) -> Answer:
        try:
            measured = StagedMeasurer(loaded_measurer(options.weights), options, tell).measure_clip(clip)
        except (LvefError, MemoryError) as error:
            measured = no_answer(clip.source, error, clip)
        return Answer(measured, clip)

    return guarded(partial(work, None), clip.source)


def measure_pair(ed: Upload, es: Upload, options: MeasureOptions, tell: Tell) -> Answer:
    """Measure an ED and an ES still."""
    return _answered(
        [ed, es],
        lambda paths: Answer(
            *StagedMeasurer(loaded_measurer(options.weights), options, tell).measure_pair(*paths)
        ),
    )


def measure_study(a4c: Upload, a2c: Upload, options: MeasureOptions, tell: Tell) -> Answer:
    """Measure both apical views."""

    def work(paths: list[Path]) -> Answer:
        measurer = StagedMeasurer(loaded_measurer(options.weights), options, tell)
        measurement, parts = measurer.measure_biplane(*paths)
        return Answer(measurement, None, parts)

    return _answered([a4c, a2c], work)


def guarded(work: Callable[[], Answer], source: str) -> Answer:
    """Do something that gives an answer; an error becomes one that says why there is none."""
    try:
        return work()
    except (LvefError, MemoryError) as error:
        return Answer(no_answer(source, error, None), None)
    except Exception as error:  # noqa: BLE001  a visitor must get a sentence, whatever went wrong
        return Answer(Measurement(source, Status.FAILED, f"{source}: {bug_sentence(error)}", "bug"), None)


def bug_sentence(error: BaseException) -> str:
    """What to say of an error nobody thought of. Its own words may quote what a file says of a person: they are left out."""
    places = traceback.extract_tb(error.__traceback__)
    where = f" in {Path(places[-1].filename).name}, line {places[-1].lineno}" if places else ""
    return (
        f"this is a bug in lvef {lvef.__version__}, not a mistake of yours: {type(error).__name__}{where}. "
        "Please report this sentence, without names of patients."
    )


def _answered(uploads: list[Upload], work: Callable[[list[Path]], Answer]) -> Answer:
    names = [shown_name(upload.name) for upload in uploads]
    source = " + ".join(names)

    def run(paths: list[Path], left: list[Upload]) -> Answer:
        if not left:
            return renamed(work(paths), dict(zip(map(str, paths), names, strict=True)), source)
        with held(left[0].getvalue(), left[0].name) as path:
            return run([*paths, path], left[1:])

    return guarded(lambda: run([], uploads), source)


def renamed(answer: Answer, names: Mapping[str, str], source: str) -> Answer:
    """An answer in which our own names of files are the client's again.

    Args:
        answer: As measured.
        names: Path of ours -> the client's name.
        source: What to call the whole.
    """

    def words(text: str) -> str:
        for path, name in names.items():
            text = text.replace(path, name)
        return text

    def measurement(m: Measurement) -> Measurement:
        return replace(
            m,
            source=words(m.source),
            reason=words(m.reason),
            volume_note=words(m.volume_note),
            notices=tuple(Notice(n.code, words(n.text)) for n in m.notices),
        )

    def clip(c: Clip | None) -> Clip | None:
        if c is None:
            return None
        notices = tuple(Notice(n.code, words(n.text)) for n in c.notices)
        return replace(c, source=words(c.source), notices=notices, spacing_note=words(c.spacing_note))

    parts = {view: (measurement(m), clip(c)) for view, (m, c) in answer.parts.items()}
    whole = replace(measurement(answer.measurement), source=source)
    return Answer(whole, clip(answer.clip), parts)
