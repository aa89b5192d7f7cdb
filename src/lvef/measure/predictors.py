"""Loaded networks of each kind: frames to tracings from masks or from lines, clips to EFs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from lvef.core.errors import GeometryError, WeightsError
from lvef.core.records import BoolArray, Box, Clip, FloatArray, FrameArray, PixelGeometry, Tracing, aspect_of
from lvef.core.terms import EF_CLIP, EF_KINDS, SEGMENTATION, VOLUME_TRACE
from lvef.geometry.tracing import MIN_AXIS_PX, N_DISKS, trace_frames
from lvef.geometry.volume_tracing import tracing_of_volume_tracing, volume_tracing_defects
from lvef.inference.card import CLASSES, experimental_text
from lvef.inference.catalogue import SPATIAL, TEMPORAL, ModelEntry, find_model, measuring_models
from lvef.inference.session import Batch
from lvef.measure.options import MeasureOptions
from lvef.measure.predictor import (
    ALONE,
    ClipEfs,
    FrameContext,
    FrameProgress,
    Predictor,
    TracedFrames,
    ignore_progress,
    prefetch,
)
from lvef.measure.quality import border_certainty, wall_contact
from lvef.measure.shape_prior import N_COORDINATES, N_FEATURES, border_features, read_shape_prior
from lvef.transforms.frames import (
    LEVEL_FRAMES,
    ClipFrames,
    Placement,
    brightness_gamma,
    clip_frames,
    context_frames,
    fit,
    network_clip,
    normalise,
    other_phase_channels,
    place,
    shown_frames,
)
from lvef.transforms.sector import Sector
from lvef.transforms.two_stream import two_streams
from lvef.transforms.volume_tracing import N_LINES

LOG = logging.getLogger("lvef.measure")
"""Where a network is warned of once it is loaded."""

CHUNK = 16
"""Frames the network sees at once. On a 175-frame clip 16 is 5 % faster as a whole than 8, and 25 no faster than 12."""

OTHER_PHASE = -1
"""Stands for the still of the other phase where frames are named by number."""

CONTACT_EVERY = 4
"""Frames between two looks at the wall around the cavity, and at the certainty along its border."""

BORDERS_EVERY = 2
"""Frames between two looks at how well the border can be seen at each coordinate."""


MAX_OFF_AXIS = N_DISKS // 2
"""A frame with more chords than this off their axis shows no ventricle that its lines could measure."""


def load_predictor(options: MeasureOptions) -> Predictor:
    """Load the network that is asked for, whatever it gives.

    Args:
        options: Which network, backend and precision.

    Raises:
        WeightsError: No such network, it is damaged, measures nothing, or is not what its card says.
        ConfigError: A backend or precision that is not to be had.
    """
    entry = find_model(options.weights)
    if entry.card.experimental:
        LOG.warning("%s", experimental_text(entry.card))
    kinds = (SegmentationPredictor, VolumeTracePredictor, ClipPredictor)
    found = next((kind for kind in kinds if entry.card.kind in kind.KINDS), None)
    if found is None:
        names = ", ".join(one.name for one in measuring_models()) or "none"
        raise WeightsError(
            f"The model {entry.name} is of the kind {entry.card.kind} and measures no EF; installed ones that do: {names}."
        )
    return found(options, entry)


class SegmentationPredictor(Predictor):
    """A segmentation network, ready to trace frames."""

    KINDS = (SEGMENTATION,)

    def __init__(self, options: MeasureOptions, entry: ModelEntry | None = None) -> None:
        super().__init__(options, entry)
        self.shape_prior = read_shape_prior(self.entry) if self.walls_known else None
        self.looks_at_borders = self.shape_prior is not None

    @property
    def structures(self) -> tuple[str, ...]:
        """Its classes but the background."""
        return self.entry.card.classes[1:]

    @property
    def gives_masks(self) -> bool:
        """It does."""
        return True

    @property
    def walls_known(self) -> bool:
        """Whether it marks walls, so that what is no apical view can be recognised by them."""
        return "myocardium" in self.structures

    @property
    def sees_other_phase(self) -> bool:
        """Whether it is shown frames around the present one."""
        return len(self.entry.card.input.offsets_s) > 1

    def shown(self, clip: Clip, sector: Sector) -> tuple[FrameArray, Box]:
        """Frames and the part of the image that this network is shown."""
        return shown_frames(clip, sector, self.entry.card.input, masked=False)

    def square(self, clip: Clip, sector: Sector) -> FrameArray | None:
        """See `Predictor.square`; None where the network is shown one frame alone."""
        if not self.sees_other_phase:
            return None
        spec = self.entry.card.input
        frames, box = self.shown(clip, sector)
        return fit(frames[:1], place(box, spec.size, clip.spacing), spec.size)

    def probabilities(
        self, frames: FrameArray, box: Box, spacing: PixelGeometry | None, context: FrameContext = ALONE
    ) -> Iterator[tuple[NDArray[np.float32], Placement]]:
        """See `Predictor.probabilities`."""
        placement = place(box, self.entry.card.input.size, spacing)
        for batch in self.batches(frames, placement, context):
            for probability in batch:
                yield probability, placement

    def batches(
        self, frames: FrameArray, placement: Placement, context: FrameContext
    ) -> Iterator[NDArray[np.float32]]:
        """Class probabilities of some frames at a time, ``(k, classes, size, size)``; all that `trace` sees."""
        spec = self.entry.card.input
        shown = np.arange(len(frames))[:, None].repeat(len(spec.offsets_s), axis=1)
        if context.times_s is not None and len(spec.offsets_s) > 1:
            shown = context_frames(context.times_s, spec.offsets_s)
        if context.only is not None:
            shown = shown[list(context.only)]
        # Each frame as it is and mirrored, once: it is shown with many others.
        squares: dict[int, NDArray[np.float32]] = {}
        gamma = self._gamma(frames, placement, context)
        if context.other is not None:
            squares[OTHER_PHASE] = both_ways(normalise(context.other, spec, gamma))[0]
            shown[:, other_phase_channels(spec.offsets_s)] = OTHER_PHASE

        def show(rows: NDArray[np.intp], mirrored: Sequence[int]) -> NDArray[np.float32]:
            out = np.empty((*rows.shape, spec.size, spec.size), np.float32)
            for channels, row, way in zip(out, rows.tolist(), mirrored, strict=True):
                for channel, number in zip(channels, row, strict=True):
                    channel[...] = squares[number][way]
            return out

        def start(first: int) -> Callable[[], NDArray[np.float32]]:
            rows = shown[first : first + CHUNK]
            needed = set(rows.ravel().tolist())
            for number in squares.keys() - needed:
                del squares[number]
            missing = sorted(needed - squares.keys())
            if missing:
                fitted = both_ways(normalise(fit(frames[missing], placement, spec.size), spec, gamma))
                squares.update(zip(missing, fitted, strict=True))
            plain, mirrored = [0] * len(rows), [1] * len(rows)
            if not spec.mirror:
                return self._session.start(show(rows, plain))
            if context.alternate_mirror:
                ways = [number % 2 for number in range(first, first + len(rows))]
                return self._unmirrored(show(rows, ways), ways)
            one, other = (
                self._session.start(show(rows, plain)),
                self._unmirrored(show(rows, mirrored), mirrored),
            )
            return lambda: np.asarray((one() + other()) / 2, dtype=np.float32)

        return prefetch(start, range(0, len(shown), CHUNK), self.engine.lanes + 1)

    def _gamma(self, frames: FrameArray, placement: Placement, context: FrameContext) -> float:
        """Of the whole clip, whichever of its frames are labelled; of both stills where the other phase is known."""
        spec = self.entry.card.input
        if not spec.brightness:
            return 1.0
        sample = fit(frames[:: -(-len(frames) // LEVEL_FRAMES)], placement, spec.size)
        if context.other is not None:
            sample = np.concatenate([sample, context.other.reshape(-1, spec.size, spec.size)])
        return brightness_gamma(sample, spec.brightness)

    def trace(
        self,
        frames: FrameArray,
        box: Box,
        spacing: PixelGeometry | None,
        context: FrameContext = ALONE,
        *,
        seen: FrameProgress = ignore_progress,
    ) -> TracedFrames:
        """See `Predictor.trace`."""
        placement = place(box, self.entry.card.input.size, spacing)
        tracings: list[Tracing | None] = []
        contact = np.full(len(frames if context.only is None else context.only), np.nan)
        certainty = contact.copy()
        borders = np.full((len(contact), N_COORDINATES, N_FEATURES), np.nan)
        numbers = list(range(len(frames)) if context.only is None else context.only)
        gamma = self._gamma(frames, placement, context) if self.looks_at_borders else 1.0
        for batch in self.batches(frames, placement, context):
            first = len(tracings)
            tracings += traces_in_image(batch, placement, spacing)
            seen(len(tracings))
            for i in range(-first % CONTACT_EVERY, len(batch), CONTACT_EVERY):
                if tracings[first + i] is None:
                    continue
                if self.walls_known:
                    contact[first + i] = wall_contact(batch[i])
                certainty[first + i] = border_certainty(batch[i])
            for i in range(-first % BORDERS_EVERY, len(batch) if self.looks_at_borders else 0, BORDERS_EVERY):
                tracing = tracings[first + i]
                if tracing is not None:
                    grey = self._grey(frames[numbers[first + i]], placement, gamma)
                    borders[first + i] = border_features(batch[i], grey, tracing, placement)
        return TracedFrames(tuple(tracings), contact, self.walls_known, certainty=certainty, borders=borders)

    def _grey(self, frame: FrameArray, placement: Placement, gamma: float) -> NDArray[np.float32]:
        """One frame as bright as the network sees it, ``(size, size)`` 0-1."""
        [square] = fit(frame[None], placement, self.entry.card.input.size)
        return np.asarray((square.reshape(square.shape[-2:]) / 255.0) ** gamma, dtype=np.float32)

    def _unmirrored(
        self, batch: NDArray[np.float32], mirrored: Sequence[int]
    ) -> Callable[[], NDArray[np.float32]]:
        """Run the network on a batch; of what was shown mirrored, the output is mirrored back."""
        running = self._session.start(batch)

        def fetch() -> NDArray[np.float32]:
            out = running()
            for probability, way in zip(out, mirrored, strict=True):
                if way:
                    probability[...] = mirror(probability)
            return out

        return fetch


class VolumeTracePredictor(Predictor):
    """A volume-trace network, ready to trace frames: 84 numbers a frame are its long axis and 20 chords."""

    KINDS = (VOLUME_TRACE,)

    @property
    def structures(self) -> tuple[str, ...]:
        """The cavity alone."""
        return ("lv",)

    def shown(self, clip: Clip, sector: Sector) -> tuple[FrameArray, Box]:
        """Frames and the part of the image that this network is shown."""
        return shown_frames(clip, sector, self.entry.card.input)

    def lines(
        self,
        frames: FrameArray,
        placement: Placement,
        *,
        alternate_mirror: bool = False,
        seen: FrameProgress = ignore_progress,
    ) -> FloatArray:
        """What the network draws on each frame, as it comes, ``(n, 21, 2, 2)`` pixels of its square.

        A network that has learned from mirrored images too is shown each frame both ways, and the mean of both outputs
        counts, as with masks (`lvef.measure.predictor`).

        Args:
            frames: ``(n, height, width)`` uint8.
            placement: Where the square lies in the image.
            alternate_mirror: Show the frames with odd numbers mirrored and the others as they are, each once.
            seen: Called with the number of frames that are done.
        """
        spec = self.entry.card.input
        ways, shown = 2 if spec.mirror and not alternate_mirror else 1, 0
        odd = np.arange(len(frames)) % 2 == 1

        def drawn(mirrored: BoolArray) -> FloatArray:
            nonlocal shown

            def start(first: int) -> Callable[[], NDArray[np.float32]]:
                batch = normalise(fit(frames[first : first + CHUNK], placement, spec.size), spec)
                turned = mirrored[first : first + CHUNK]
                batch[turned] = batch[turned][..., ::-1]
                return self._session.start(batch)

            found = []
            for output in prefetch(start, range(0, len(frames), CHUNK), self.engine.lanes + 1):
                found.append(output)
                shown += len(output)
                seen(shown // ways)
            lines = np.concatenate(found).astype(np.float64).reshape(-1, N_LINES, 2, 2) * spec.size
            lines[mirrored] = mirrored_lines(lines[mirrored], spec.size)
            return lines

        if not spec.mirror:
            return drawn(np.zeros_like(odd))
        if alternate_mirror:
            return drawn(odd)
        return (drawn(np.zeros_like(odd)) + drawn(np.ones_like(odd))) / 2

    def trace(
        self,
        frames: FrameArray,
        box: Box,
        spacing: PixelGeometry | None,
        context: FrameContext = ALONE,
        *,
        seen: FrameProgress = ignore_progress,
    ) -> TracedFrames:
        """See `Predictor.trace`; each frame stands alone: times and the other phase do not count."""
        frames = frames if context.only is None else frames[list(context.only)]
        placement = place(box, self.entry.card.input.size, spacing)
        lines = self.lines(frames, placement, alternate_mirror=context.alternate_mirror, seen=seen)
        finite = np.asarray(np.isfinite(lines).all(axis=(1, 2, 3)), dtype=np.bool_)
        defects = volume_tracing_defects(np.where(finite[:, None, None, None], lines, 0.0))
        usable = finite & (defects.off_axis <= MAX_OFF_AXIS)
        tracings = tuple(
            _tracing(one, placement) if ok else None for one, ok in zip(lines, usable.tolist(), strict=True)
        )
        crossing, off_axis = defects.crossing[finite], defects.off_axis[finite]
        counts = {
            "frames": len(frames),
            "frames_unusable": sum(t is None for t in tracings),
            "crossing_chords": int(crossing.sum()),
            "frames_with_crossing_chords": int((crossing > 0).sum()),
            "lines_off_axis": int(off_axis.sum()),
            "frames_with_lines_off_axis": int((off_axis > 0).sum()),
        }
        return TracedFrames(tracings, np.full(len(frames), np.nan), walls_known=False, counts=counts)


class ClipPredictor(Predictor):
    """An EF network (``ef-clip`` or ``ef-two-stream``), ready."""

    KINDS = EF_KINDS

    def efs(self, clip: Clip, sector: Sector, starts_s: Sequence[float]) -> ClipEfs:
        """See `Predictor.efs`."""
        frames = clip_frames(clip, sector, self.spec, starts_s)

        def start(number: int) -> Callable[[], NDArray[np.float32]]:
            return self._session.start(self._batch(frames, number))

        outputs = [a.ravel() for a in prefetch(start, range(len(starts_s)), self.engine.lanes + 1)]
        if any(a.size != 1 or not np.isfinite(a).all() for a in outputs):
            raise WeightsError(
                f"{clip.source}: the model {self.entry.name} gave no EF for it (one finite number a clip was expected); "
                "choose another with --weights."
            )
        efs = np.concatenate(outputs).astype(np.float64)
        return ClipEfs(efs, frames.mirrored, frames.repeated, frames.places.size)

    def _batch(self, frames: ClipFrames, number: int) -> Batch:
        """One clip, batch first."""
        squares = frames.clip(number)
        if self.entry.card.kind == EF_CLIP:
            return network_clip(squares, self.spec)[None]
        streams = two_streams(squares)
        return {SPATIAL: streams.spatial[None], TEMPORAL: streams.temporal[None]}


def mirror(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Images ``(..., height, width)`` turned over from left to right; several times as fast as by numpy."""
    return np.asarray(cv2.flip(images.reshape(-1, images.shape[-1]), 1), dtype=np.float32).reshape(
        images.shape
    )


def both_ways(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Images ``(n, 1, height, width)`` as they are and mirrored, ``(n, 2, height, width)``."""
    return np.concatenate([images, mirror(images)], axis=1)


def trace_in_image(
    probability: NDArray[np.float32], placement: Placement, spacing: PixelGeometry | None
) -> Tracing | None:
    """As `traces_in_image`, of one frame's class probabilities, ``(classes, size, size)``."""
    return traces_in_image(probability[None], placement, spacing)[0]


def traces_in_image(
    probabilities: NDArray[np.float32], placement: Placement, spacing: PixelGeometry | None
) -> list[Tracing | None]:
    """The tracings of some frames' class probabilities in pixels of the image, None without a ventricle.

    Args:
        probabilities: ``(n, classes, size, size)``, the classes a beginning of `lvef.inference.card.CLASSES`.
        placement: Where the square lies in the image.
        spacing: Scale of the image, or None.
    """
    # A network without atrium or wall: only the shape distinguishes base and apex.
    seen = dict(zip(CLASSES, np.moveaxis(probabilities, 1, 0), strict=False))
    found = trace_frames(
        seen["lv"], seen.get("la"), seen.get("myocardium"), aspect=model_aspect(placement, spacing)
    )
    there = [tracing for tracing in found if isinstance(tracing, Tracing)]
    placed = iter(tracings_in_image(there, placement))
    return [next(placed) if isinstance(tracing, Tracing) else None for tracing in found]


def model_aspect(placement: Placement, spacing: PixelGeometry | None) -> float:
    """Height over width of one network pixel in the body."""
    return aspect_of(spacing) * placement.scale_x / placement.scale_y


def tracings_in_image(tracings: Sequence[Tracing], placement: Placement) -> list[Tracing]:
    """Tracings in network pixels, in pixels of the image."""
    parts = [
        part
        for t in tracings
        for part in (t.contour, t.apex[None], t.base[None], t.mitral, t.chords.reshape(-1, 2))
    ]
    if not parts:
        return []
    flat = placement.to_image(np.concatenate(parts))
    placed, end = [], 0
    for tracing in tracings:
        contour, end = flat[end : end + len(tracing.contour)], end + len(tracing.contour)
        apex, base, mitral, chords = np.split(flat[end : end + 4 + 2 * N_DISKS], (1, 2, 4))
        placed.append(Tracing(contour, apex[0], base[0], mitral, chords.reshape(N_DISKS, 2, 2)))
        end += 4 + 2 * N_DISKS
    return placed


def mirrored_lines(lines: FloatArray, size: int) -> FloatArray:
    """Lines on the mirror image: each chord's ends change places, because chords run from left to right.

    Args:
        lines: ``(n, 21, 2, 2)`` pixels, the middle of the first pixel is 0.
        size: Width of the image in pixels.
    """
    turned = lines.copy()
    turned[..., 0] = size - 1 - turned[..., 0]
    turned[:, 1:] = turned[:, 1:, ::-1]
    return turned


def _tracing(lines: FloatArray, placement: Placement) -> Tracing | None:
    """Lines in network pixels as a tracing in the image, or None where they measure nothing."""
    if np.hypot(*(lines[0, 1] - lines[0, 0])) < MIN_AXIS_PX:
        return None
    try:
        return tracings_in_image([tracing_of_volume_tracing(lines)], placement)[0]
    except GeometryError:
        return None
