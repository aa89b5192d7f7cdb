"""What the measuring code needs of every network, whatever it gives: one class for all kinds."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray

from lvef.core.errors import QualityRefusal, WeightsError
from lvef.core.records import BoolArray, Box, Clip, FloatArray, FrameArray, PixelGeometry, Tracing
from lvef.inference.catalogue import ModelEntry, find_model, open_model
from lvef.inference.session import EngineInfo
from lvef.measure.options import MeasureOptions
from lvef.measure.shape_prior import N_COORDINATES, N_FEATURES, ShapePrior
from lvef.transforms.frames import Placement
from lvef.transforms.sector import Sector
from lvef.transforms.spec import ClipSpec

T = TypeVar("T")
A = TypeVar("A")

FrameProgress = Callable[[int], None]
"""Called with the number of frames that a network has done."""


def ignore_progress(frames: int) -> None:
    """Default of progress callbacks."""


@dataclass(frozen=True, slots=True)
class FrameContext:
    """What a network is shown beside each frame, and how.

    Attributes:
        times_s: ``(n,)`` instants of the frames, for models that are shown the frames around; None where each frame stands
            alone (stills).
        only: Numbers of the frames that are wanted; None for all.
        other: For one still: the still of the other phase (`Predictor.square`), for models that are shown the frames around.
        alternate_mirror: Show frames with odd numbers mirrored and the others as they are, each once. This halves the cost;
            for cines, temporal smoothing averages the two just as well.
    """

    times_s: FloatArray | None = None
    only: Sequence[int] | None = None
    other: FrameArray | None = None
    alternate_mirror: bool = False


ALONE = FrameContext()
"""Each frame by itself, both ways."""


@dataclass(frozen=True, slots=True)
class TracedFrames:
    """Tracings of a run of frames.

    Attributes:
        tracings: One a frame in pixels of the image, None where there is no ventricle.
        wall_contact: ``(n,)`` part of the cavity's border with wall around it; NaN where not looked at.
        walls_known: Whether the network marks walls at all.
        counts: How often its output broke a rule before any guard acted, by name; see `lvef.core.records.Measurement`.
        certainty: ``(n,)`` of the model along the cavity's border, 0-1; NaN where not looked at.
        borders: How well the border can be seen (`lvef.measure.shape_prior.border_features`), one array a frame; NaN where
            not looked at, and empty of a model that draws lines.
    """

    tracings: tuple[Tracing | None, ...]
    wall_contact: FloatArray
    walls_known: bool = True
    counts: Mapping[str, int] = field(default_factory=dict)
    certainty: FloatArray = field(default_factory=lambda: np.array([np.nan]))
    borders: FloatArray = field(default_factory=lambda: np.empty((0, N_COORDINATES, N_FEATURES)))

    @property
    def traced(self) -> BoolArray:
        """``(n,)`` whether there is a tracing."""
        return np.array([t is not None for t in self.tracings])


@dataclass(frozen=True, slots=True)
class ClipEfs:
    """EFs of several clips of one clip.

    Attributes:
        efs_percent: ``(clips,)`` as the network gave them: they may lie outside 0-100.
        mirrored: Frames shown to it that lie beyond the clip's end, taken on the way back.
        repeated: Frames shown to it twice in a row.
        shown: Frames shown to it.
    """

    efs_percent: FloatArray
    mirrored: int
    repeated: int
    shown: int


class Predictor:
    """A loaded network. Safe to use from several threads.

    A network either traces the ventricle on each frame (`trace`; `structures` names what it marks) or reads EFs from clips
    (`efs`).

    Args:
        options: Which network, backend and precision.
        entry: The network, where it has been looked up already.

    Raises:
        WeightsError: No such network, it is damaged, of another kind, or not what its card says.
        ConfigError: A backend or precision that is not to be had.
    """

    KINDS: ClassVar[tuple[str, ...]] = ()
    """Kinds of cards that this class runs."""

    shape_prior: ShapePrior | None = None
    """Corrects its contours where the wall cannot be seen; None of a model without one."""

    looks_at_borders: bool = False
    """Whether it says how well borders can be seen: where it has a shape prior, and where one is to be fitted."""

    def __init__(self, options: MeasureOptions, entry: ModelEntry | None = None) -> None:
        self.entry: ModelEntry = entry or find_model(options.weights)
        if self.entry.card.kind not in self.KINDS:
            raise WeightsError(
                f"{self.entry.folder}: the model {self.entry.name} is of the kind {self.entry.card.kind}, "
                f"{' or '.join(self.KINDS)} is needed here; choose another (lvef info lists them)."
            )
        self._session = open_model(
            self.entry, backend=options.backend, precision=options.precision, threads=options.threads
        )
        self.engine: EngineInfo = self._session.describe()

    @property
    def shape_sha256(self) -> str:
        """SHA-256 of the file of its shape prior; empty without one."""
        return "" if self.shape_prior is None else self.shape_prior.sha256

    def corrected(
        self, tracings: Sequence[Tracing | None], borders: FloatArray, aspect: float
    ) -> Sequence[Tracing | None]:
        """Tracings with the shape prior of the model, the same ones without it; see `ShapePrior.correct`."""
        if self.shape_prior is None:
            return tracings
        return self.shape_prior.correct(tracings, borders, aspect)

    @property
    def structures(self) -> tuple[str, ...]:
        """Structures that it marks on each frame, the left ventricle (``lv``) first; empty where it reads EFs from clips."""
        return ()

    @property
    def gives_masks(self) -> bool:
        """Whether its contours come from class probabilities (`lvef.measure.predictors.SegmentationPredictor`)."""
        return False

    @property
    def sees_other_phase(self) -> bool:
        """Whether a still is shown with the still of its other phase, where that is known."""
        return False

    def shown(self, clip: Clip, sector: Sector) -> tuple[FrameArray, Box]:
        """Frames and the part of the image that this network is shown."""
        raise self._refusal(clip.source)

    def square(self, clip: Clip, sector: Sector) -> FrameArray | None:
        """A still as the network would see it, ``(1, size, size)``, to be the other phase of another still.

        None for networks that are shown one frame alone.
        """
        return None

    def probabilities(
        self, frames: FrameArray, box: Box, spacing: PixelGeometry | None, context: FrameContext = ALONE
    ) -> Iterator[tuple[NDArray[np.float32], Placement]]:
        """Class probabilities of each frame ``(classes, size, size)`` and where that square lies in the image.

        A network errs a little differently on an image and on its mirror image, so both are shown to it and averaged
        (EXPERIMENTS.md has what it brings), unless its card says that it never learned from mirrored ones. The network works
        on the next frames while the caller uses the ones before.

        Args:
            frames: ``(n, height, width)`` uint8.
            box: Part of the image to show.
            spacing: Scale of the image; only its ratio matters.
            context: What is shown beside each frame, and how.
        """
        raise self._refusal(self.entry.name)

    def trace(
        self,
        frames: FrameArray,
        box: Box,
        spacing: PixelGeometry | None,
        context: FrameContext = ALONE,
        *,
        seen: FrameProgress = ignore_progress,
    ) -> TracedFrames:
        """Trace the ventricle on every frame.

        Args:
            frames: ``(n, height, width)`` uint8.
            box: Part of the image to show, from `shown`.
            spacing: Scale of the image, or None; only its ratio matters.
            context: What is shown beside each frame, and how; tracings come in the order of its ``only``.
            seen: Called with the number of frames that are traced.

        Raises:
            QualityRefusal: The network reads EFs from clips and traces nothing.
        """
        raise self._refusal(self.entry.name)

    @property
    def spec(self) -> ClipSpec:
        """What a network that reads EFs is shown of a cine."""
        clip = self.entry.card.clip
        assert clip is not None  # the cards of these kinds have one: `lvef.inference.card.read_card`
        return clip

    def efs(self, clip: Clip, sector: Sector, starts_s: Sequence[float]) -> ClipEfs:
        """The EF of each clip that starts at a given moment of the cine.

        Args:
            clip: The cine.
            sector: Its sector.
            starts_s: Moments on the cine's clock, at least one.

        Raises:
            DataError: The cine is too short, or a moment lies outside of it.
            WeightsError: The network gives something else than one number a clip.
        """
        raise WeightsError(f"{self.entry.folder}: the model {self.entry.name} reads no EF from clips.")

    def _refusal(self, source: str) -> QualityRefusal:
        return QualityRefusal("tracing_needed", f"{source}: {self.entry.name} draws no ventricle.")


def prefetch(start: Callable[[A], Callable[[], T]], todo: Iterable[A], depth: int) -> Iterator[T]:
    """Results in order, with a few begun before the caller asks for them.

    Args:
        start: Begins a piece of work and returns what waits for its result.
        todo: Pieces of work.
        depth: Most pieces under way: a long clip must not pile up in memory.
    """
    left = iter(todo)
    under_way = deque(start(one) for one in islice(left, depth))
    while under_way:
        result = under_way.popleft()()
        under_way.extend(start(one) for one in islice(left, 1))
        yield result
