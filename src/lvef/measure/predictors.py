"""Loaded networks of each kind: frames to tracings from masks or from lines, clips to EFs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from lvef.core.errors import GeometryError, WeightsError
from lvef.core.records import (
    BoolArray,
    Box,
    Clip,
    FloatArray,
    FrameArray,
    PixelGeometry,
    Tracing,
    aspect_of,
)
from lvef.core.terms import EF_CLIP, EF_KINDS, SEGMENTATION, VOLUME_TRACE
from lvef.geometry.tracing import MIN_AXIS_PX, N_DISKS, trace, trace_probabilities
from lvef.geometry.volume_tracing import tracing_of_volume_tracing, volume_tracing_defects
from lvef.inference.card import CLASSES, experimental_text
from lvef.inference.catalogue import SPATIAL, TEMPORAL, find_model, measuring_models
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
from lvef.transforms.frames import (
    ClipFrames,
    Placement,
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

    def shown(self, clip: Clip, fan: Sector) -> tuple[FrameArray, Box]:
        """Frames and the part of the image that this network is shown."""
        if self.entry.card.input.crop == "whole":
            height, width = clip.frames.shape[1:]
            return clip.frames, Box(0, 0, width, height)
        return clip.frames, fan.box

    def square(self, clip: Clip, fan: Sector) -> FrameArray | None:
        """See `Predictor.square`; None where the network is shown one frame alone."""
        if not self.sees_other_phase:
            return None
        spec = self.entry.card.input
        frames, box = self.shown(clip, fan)
        return fit(frames[:1], place(box, spec.size, clip.spacing), spec.size)

    def probabilities(
        self,
        frames: FrameArray,
        box: Box,
        spacing: PixelGeometry | None,
        context: FrameContext = ALONE,
    ) -> Iterator[tuple[NDArray[np.float32], Placement]]:
        """See `Predictor.probabilities`."""
        spec = self.entry.card.input
        placement = place(box, spec.size, spacing)
        shown = np.arange(len(frames))[:, None].repeat(len(spec.offsets_s), axis=1)
        if context.times_s is not None and len(spec.offsets_s) > 1:
            shown = context_frames(context.times_s, spec.offsets_s)
        if context.only is not None:
            shown = shown[list(context.only)]
        squares: dict[int, FrameArray] = {}
        if context.other is not None:
            squares[OTHER_PHASE] = context.other[0]
            shown[:, other_phase_channels(spec.offsets_s)] = OTHER_PHASE

        def start(first: int) -> Callable[[], NDArray[np.float32]]:
            chunk = shown[first : first + CHUNK]
            missing = [i for i in np.unique(chunk).tolist() if i not in squares]
            squares.update(zip(missing, fit(frames[missing], placement, spec.size), strict=True))
            batch = normalise(np.stack([[squares[i] for i in row] for row in chunk.tolist()]), spec)
            if not self.entry.card.input.mirror:
                return self._session.start(batch)
            if context.alternate_mirror:
                return self._run_alternating(batch, first)
            plain, mirrored = self._session.start(batch), self._session.start(_flip(batch))
            return lambda: np.asarray((plain() + mirrored()[..., ::-1]) / 2, dtype=np.float32)

        for batch in prefetch(start, range(0, len(shown), CHUNK), self.engine.lanes + 1):
            for probability in batch:
                yield probability, placement

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
        tracings: list[Tracing | None] = []
        contact = np.full(len(frames if context.only is None else context.only), np.nan)
        certainty = contact.copy()
        for i, (probability, placement) in enumerate(self.probabilities(frames, box, spacing, context)):
            tracing = trace_in_image(probability, placement, spacing)
            tracings.append(tracing)
            seen(i + 1)
            if tracing is None:
                continue
            if self.walls_known and i % CONTACT_EVERY == 0:
                contact[i] = wall_contact(probability)
            if i % CONTACT_EVERY == 0:
                certainty[i] = border_certainty(probability)
        return TracedFrames(tuple(tracings), contact, self.walls_known, certainty=certainty)

    def _run_alternating(self, batch: NDArray[np.float32], first: int) -> Callable[[], NDArray[np.float32]]:
        odd = np.arange(first, first + len(batch)) % 2 == 1
        batch[odd] = batch[odd][..., ::-1]
        running = self._session.start(batch)

        def fetch() -> NDArray[np.float32]:
            out = running()
            out[odd] = out[odd][..., ::-1]
            return out

        return fetch


class VolumeTracePredictor(Predictor):
    """A volume-trace network, ready to trace frames: 84 numbers a frame are its long axis and 20 chords."""

    KINDS = (VOLUME_TRACE,)

    @property
    def structures(self) -> tuple[str, ...]:
        """The cavity alone."""
        return ("lv",)

    def shown(self, clip: Clip, fan: Sector) -> tuple[FrameArray, Box]:
        """Frames and the part of the image that this network is shown."""
        return shown_frames(clip, fan, self.entry.card.input)

    def lines(
        self,
        frames: FrameArray,
        placement: Placement,
        *,
        alternate_mirror: bool = False,
        seen: FrameProgress = ignore_progress,
    ) -> FloatArray:
        """What the network draws on each frame, as it comes, ``(n, 21, 2, 2)`` pixels of its square.

        A network that has learned from mirrored images too is shown each frame both ways, and the mean of both answers
        counts, as with masks (`lvef.measure.predictor`).

        Args:
            frames: ``(n, height, width)`` uint8.
            placement: Where the square lies in the image.
            alternate_mirror: Show the frames with odd numbers mirrored and the others as they are, each once.
            seen: Told how many frames are done.
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
            for answer in prefetch(start, range(0, len(frames), CHUNK), self.engine.lanes + 1):
                found.append(answer)
                shown += len(answer)
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
        faults = volume_tracing_defects(np.where(finite[:, None, None, None], lines, 0.0))
        usable = finite & (faults.off_axis <= MAX_OFF_AXIS)
        tracings = tuple(
            _tracing(one, placement) if ok else None for one, ok in zip(lines, usable.tolist(), strict=True)
        )
        crossing, off_axis = faults.crossing[finite], faults.off_axis[finite]
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

    def efs(self, clip: Clip, fan: Sector, starts_s: Sequence[float]) -> ClipEfs:
        """See `Predictor.efs`."""
        frames = clip_frames(clip, fan, self.spec, starts_s)

        def start(number: int) -> Callable[[], NDArray[np.float32]]:
            return self._session.start(self._batch(frames, number))

        answers = [a.ravel() for a in prefetch(start, range(len(starts_s)), self.engine.lanes + 1)]
        if any(a.size != 1 or not np.isfinite(a).all() for a in answers):
            raise WeightsError(
                f"{clip.source}: the model {self.entry.name} gave no EF for it (one finite number a clip was expected); "
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


def _flip(batch: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.ascontiguousarray(batch[..., ::-1])


def trace_in_image(
    probability: NDArray[np.float32], placement: Placement, spacing: PixelGeometry | None
) -> Tracing | None:
    """The tracing of one frame's class probabilities in pixels of the image, or None without a ventricle.

    Args:
        probability: ``(classes, size, size)``, the classes a beginning of `lvef.inference.card.CLASSES`.
        placement: Where the square lies in the image.
        spacing: Scale of the image, or None.
    """
    aspect = model_aspect(placement, spacing)
    try:
        if len(probability) == len(CLASSES):
            return tracing_in_image(trace_probabilities(probability, aspect=aspect), placement)
        # A network without atrium or wall: the shape alone tells the base from the apex.
        seen = dict(zip(CLASSES, probability, strict=False))
        found = trace(seen["lv"], seen.get("la"), seen.get("myocardium"), aspect=aspect)
        return tracing_in_image(found, placement)
    except GeometryError:
        return None


def model_aspect(placement: Placement, spacing: PixelGeometry | None) -> float:
    """Height over width of one network pixel in the body."""
    return aspect_of(spacing) * placement.scale_x / placement.scale_y


def tracing_in_image(tracing: Tracing, placement: Placement) -> Tracing:
    """A tracing in network pixels, in pixels of the image."""
    parts = (tracing.contour, tracing.apex, tracing.base, tracing.mitral, tracing.chords)
    flat = placement.to_image(np.concatenate([part.reshape(-1, 2) for part in parts]))
    cuts = np.cumsum([part.size // 2 for part in parts])[:-1]
    contour, apex, base, mitral, chords = (
        moved.reshape(part.shape) for moved, part in zip(np.split(flat, cuts), parts, strict=True)
    )
    return Tracing(contour=contour, apex=apex, base=base, mitral=mitral, chords=chords)


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
        return tracing_in_image(tracing_of_volume_tracing(lines), placement)
    except GeometryError:
        return None
