"""Clips to EFs with one loaded EF network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lvef.core.errors import WeightsError
from lvef.core.records import Clip, FloatArray
from lvef.core.terms import EF_CLIP, EF_KINDS
from lvef.inference.catalogue import ModelEntry
from lvef.inference.fitting import SPATIAL, TEMPORAL
from lvef.inference.session import Batch, EngineInfo
from lvef.measure.loaded import find_model_of_kind, open_session_for, prefetch
from lvef.measure.options import MeasureOptions
from lvef.transforms.frames import ClipFrames, clip_frames, network_clip
from lvef.transforms.sector import Sector
from lvef.transforms.spec import ClipSpec
from lvef.transforms.two_stream import two_streams


@dataclass(frozen=True, slots=True)
class ClipEfs:
    """EFs of several clips of one film.

    Attributes:
        efs_percent: ``(clips,)`` as the network gave them: they may lie outside 0-100.
        mirrored: Frames shown to it that lie beyond the film's end, taken on the way back.
        repeated: Frames shown to it twice in a row.
        shown: Frames shown to it.
    """

    efs_percent: FloatArray
    mirrored: int
    repeated: int
    shown: int


class ClipPredictor:
    """An EF network (``ef-clip`` or ``ef-two-stream``), ready. Safe to use from several threads.

    Args:
        options: Which network, backend and precision.
        entry: The network, where it has been looked up already.

    Raises:
        WeightsError: No such network, it is damaged, of another kind, or not what its card says.
    """

    def __init__(self, options: MeasureOptions, entry: ModelEntry | None = None) -> None:
        self.entry: ModelEntry = find_model_of_kind(options, entry, *EF_KINDS)
        clip = self.entry.card.clip
        # `lvef.inference.card.read_card` has seen to it.
        assert clip is not None
        self.spec: ClipSpec = clip
        self._session = open_session_for(options, self.entry)
        self.engine: EngineInfo = self._session.describe()

    def efs(self, clip: Clip, fan: Sector, starts_s: Sequence[float]) -> ClipEfs:
        """The EF of each clip that starts at a given moment of the film.

        Args:
            clip: The film.
            fan: Its fan.
            starts_s: Moments on the film's clock, at least one.

        Raises:
            DataError: The film is too short, or a moment lies outside of it.
            WeightsError: The network gives something else than one number a clip.
        """
        frames = clip_frames(clip, fan, self.spec, starts_s)

        def start(number: int) -> Callable[[], NDArray[np.float32]]:
            return self._session.start(self._batch(frames, number))

        answers = [a.ravel() for a in prefetch(start, range(len(starts_s)), self.engine.lanes + 1)]
        if any(a.size != 1 or not np.isfinite(a).all() for a in answers):
            raise WeightsError(
                f"{clip.source}: the network {self.entry.name} gave no EF for it (one finite number a clip was expected); "
                "choose another with --weights."
            )
        efs = np.concatenate(answers).astype(np.float64)
        return ClipEfs(efs, frames.mirrored, frames.repeated, frames.places.size)

    def _batch(self, frames: ClipFrames, number: int) -> Batch:
        """One clip, batch first."""
        squares = frames.clip(number)
        if self.entry.card.kind == EF_CLIP:
            return network_clip(squares, self.spec)[None]
        streams = two_streams(squares)
        return {SPATIAL: streams.spatial[None], TEMPORAL: streams.temporal[None]}
