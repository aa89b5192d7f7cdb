"""Whether a clip is one continuous recording; where it is not, its longest good part.

Looked for, on coarse images of 32 x 32 cells: frames without an image, freezes, damaged frames, cuts (two recordings
joined, a view or depth that changes, a title or report page) and frames shown before (loops, a clip played back and forth).
Each is a warning with its frame numbers. What is measured is the longest part in between; frames keep the file's numbers.

A cut to the same view of the same heart, at the same place, cannot be told from a heart that moves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from lvef.core.errors import GeometryError, QualityRefusal
from lvef.core.records import Beat, BoolArray, Clip, CodedWarning, FloatArray, FrameArray, Measurement, VolumeCurve
from lvef.measure.quality import MIN_DURATION_S, MIN_FRAMES

SIDE, COARSE_SIDE = 32, 16
"""Cells across the image in which frames are compared for sameness, and, with brightness and contrast evened out, for cuts."""

SAMPLED_SIDE_PX = 256
"""Larger images are read at every second, third, ... pixel."""

BLANK_CONTRAST = 0.25
"""A frame whose contrast over the image is below this part of the clip's is blank. Fine clips: at least 0.8."""

STILL_PART, STILL_LEVEL, STILL_QUANTILE = 0.08, 0.003, 0.9
"""A step is still where nine in ten of the cells that change in the clip change by less than this part of what they do in
lively steps, or than this part of the image's contrast: coded copies stay below, fine clips lie at 0.3 and more. An ECG may
run on below a frozen image."""

MIN_FREEZE_S, MIN_FREEZE_FRAMES = 0.25, 4
"""A picture that stands for so long is a freeze. Diastasis of a slow heart still has speckle that changes."""

MIN_REPEATED = 0.15
"""Part of still steps, outside of freezes, from which a warning says that frames were repeated."""

CUT_RATIO, EDGE_RATIO = 1.15, 2.0
"""A step that is so many times as large as any difference inside the second before or the second after it is a cut; the
second value counts where one side has fewer frames than `MIN_SIDE`. 105 fine cines, 10-80 frames/s: at most 0.89; views,
patients and depths changed: above 1.25 in 95 of 100, median 2.2 to 3.9."""

CUT_WINDOW_S, MIN_SIDE = 1.0, 5
"""Seconds, and at least so many frames, on either side of a cut that are looked at."""

WITHIN_QUANTILE = 0.95
"""Of the differences inside one side: a damaged frame more or less does not count."""

MOST_CANDIDATES = 16
"""So many of the largest steps are looked at: a clip of more parts is no recording."""

LONGEST_DAMAGE, MAX_FOREIGN_S = 2, 1.0
"""So many frames in a row that show nothing, or another image than those before and after, are left out, and the recording
goes on behind them. More, up to so many seconds, end the good part."""

COPY_PART = 0.28
"""Frames that differ by less than this part of the usual step are copies. Two beats of one heart: at least 0.35 over half
of their frames, where cycle and frame rate fit exactly; copies of real cines, H.264 at medium quality: at most 0.24."""

MIN_COPY_S, MIN_COPY_FRAMES = 0.25, 6
"""So many copies in the same or the opposite order make a loop."""

BLANK, FREEZE, DAMAGED, CUT, LOOP, BACKWARD = (
    *("blank_frames", "freeze", "damaged_frames"),
    *("cut", "repeated_loop", "played_backward"),
)
"""Codes of the warnings; `REPEATED` leaves nothing out."""

REPEATED = "duplicate_frames"
"""Code of the warning that single frames are shown twice or more, as after a change of the frame rate."""


@dataclass(frozen=True, slots=True)
class GoodPart:
    """What of a clip can be measured as one recording.

    Attributes:
        frames: Their numbers in the file, ``(k,)``, increasing; single damaged frames in between are missing.
        foreign: ``(n,)`` whether a frame shows something else than the good part: what lies beyond a cut, damaged frames.
        notices: What was found, with frame numbers.
    """

    frames: NDArray[np.intp]
    foreign: BoolArray
    notices: tuple[CodedWarning, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Whether no frame is left out."""
        return len(self.frames) == len(self.foreign)


def good_part(clip: Clip, chosen: Sequence[int | None] = ()) -> GoodPart:
    """The longest part of a clip that is one continuous recording, and what was found.

    Args:
        clip: A clip.
        chosen: Frames that the user chose; then only cuts end a part, and it is the one that has them.

    Raises:
        QualityRefusal: ``no_good_part``, no part is long enough.
        GeometryError: The chosen frames lie on two sides of a cut.
    """
    found = _Search(clip.frames, clip.times_s)
    by_hand = [frame for frame in chosen if frame is not None]
    parts = found.parts(only_cuts=bool(by_hand))
    if by_hand:
        parts = [part for part in parts if np.isin(by_hand, part).all()]
        if not parts and found.has_cut(by_hand):
            raise GeometryError(
                f"{clip.source}: frames {min(by_hand)} and {max(by_hand)} were chosen as ED and ES, but the clip is cut "
                "between them or there is no image on one; choose two frames of one recording."
            )
        parts = parts or [np.arange(len(clip.frames))]
    parts.sort(key=lambda part: -float(clip.times_s[part[-1]] - clip.times_s[part[0]]))
    best = parts[0] if parts else np.arange(0)
    long_enough = len(best) >= MIN_FRAMES and clip.times_s[best[-1]] - clip.times_s[best[0]] >= MIN_DURATION_S
    if len(best) < len(clip.frames) and not (long_enough or by_hand):
        raise QualityRefusal("no_good_part", _no_part_text(clip, best, found.notices()))
    notices = found.notices()
    if len(best) < len(clip.frames):
        more = f"Measured is the longest good part, {_range(best[0], best[-1])} of 0 to {len(clip.frames) - 1}."
        notices = [replace(notices[0], text=f"{notices[0].text} {more}"), *notices[1:]]
    return GoodPart(best, found.foreign(best), tuple(notices))


def cut_clip(clip: Clip, part: GoodPart) -> Clip:
    """A clip of the good part alone, with what was found among its warnings; its times start at 0."""
    notices = (*clip.notices, *part.notices)
    if part.is_whole:
        return replace(clip, notices=notices)
    first_s = float(clip.times_s[part.frames[0]])
    return replace(
        clip,
        frames=clip.frames[part.frames],
        times_s=clip.times_s[part.frames] - first_s,
        r_wave_times_s=tuple(r - first_s for r in clip.r_wave_times_s),
        notices=notices,
    )


def in_file(measurement: Measurement, clip: Clip, part: GoodPart) -> Measurement:
    """A measurement of the good part with the frame numbers, times and length of the whole clip.

    Volumes of frames that were left out are NaN, their tracings None.

    Args:
        measurement: Of the clip that `cut_clip` makes.
        clip: The whole clip.
        part: Its good part.
    """
    if part.is_whole:
        return measurement
    numbers, n = part.frames.tolist(), len(clip.frames)

    def number(frame: int | None) -> int | None:
        return None if frame is None else numbers[frame]

    def whole(values: FloatArray) -> FloatArray:
        filled = np.full(n, np.nan)
        filled[part.frames] = values
        return filled

    def moved(beat: Beat) -> Beat:
        return replace(
            beat,
            ed_frame=numbers[beat.ed_frame],
            es_frame=numbers[beat.es_frame],
            end_frame=number(beat.end_frame),
        )

    curve, tracings = measurement.curve, measurement.tracings
    if curve is not None:
        curve = VolumeCurve(clip.times_s, whole(curve.volume), whole(curve.length), curve.calibrated)
    if tracings:
        by_number = dict(zip(numbers, tracings, strict=True))
        tracings = tuple(by_number.get(frame) for frame in range(n))
    return replace(
        measurement,
        ed_frame=number(measurement.ed_frame),
        es_frame=number(measurement.es_frame),
        beats=tuple(moved(beat) for beat in measurement.beats),
        n_frames=n,
        duration_s=float(clip.times_s[-1]),
        curve=curve,
        tracings=tracings,
    )


def hide_foreign(clip: Clip, part: GoodPart) -> Clip:
    """The clip with frames that show something else black: report pages and titles name persons."""
    if not part.foreign.any():
        return clip
    return replace(clip, frames=np.where(part.foreign[:, None, None], np.uint8(0), clip.frames))


class _Search:
    """Looks for everything once, in this order: blank frames, freezes, damage, cuts, copies."""

    def __init__(self, frames: FrameArray, times_s: FloatArray) -> None:
        self.times, n = times_s, len(frames)
        self.cells = _coarse(frames)
        self.blank = _blank(self.cells)
        # One or two blank frames are damage, not an end.
        self.damaged = np.zeros(n, bool)
        for first, last in _runs(self.blank):
            self.damaged[first : last + 1] = last + 1 - first <= LONGEST_DAMAGE
        self.blank &= ~self.damaged
        still = _still_steps(self.cells, ~(self.blank | self.damaged))
        self.freezes = [
            (first, last)
            for first, last in _runs(still)
            if last + 1 - first >= MIN_FREEZE_FRAMES - 1 and times_s[last + 1] - times_s[first] >= MIN_FREEZE_S
        ]
        self.frozen = np.zeros(n, bool)
        for first, last in self.freezes:
            # The first frame of a freeze is still live.
            self.frozen[first + 1 : last + 2] = True
        outside = ~(self.blank | self.damaged | self.frozen)[1:]
        self.repeated = int((still & outside).sum()), int(outside.sum())
        seen = np.flatnonzero(~(self.blank | self.damaged | self.frozen))
        distances = _evened_distances(self.cells, seen)
        self.damaged[seen[_damaged(distances, self.times[seen])]] = True
        kept = np.flatnonzero(~self.damaged[seen])
        self.cuts = seen[kept[_cuts(distances[np.ix_(kept, kept)], self.times[seen[kept]])]]
        """Last frame before each cut."""
        self.kept = seen[kept]
        self.copies = _copies(self.cells, self.kept, self.times, still)
        """``(n,)`` 0 for a new frame, 1 for a copy in the same order, -1 in the opposite order."""

    def parts(self, *, only_cuts: bool) -> list[NDArray[np.intp]]:
        """Runs of frames without a boundary between them."""
        if only_cuts:
            kept = np.flatnonzero(~(self.blank | self.damaged))
            ends = np.isin(kept[:-1], self.cuts) | self._skips(kept)
        else:
            kept = self.kept[self.copies[self.kept] == 0]
            ends = np.isin(kept[:-1], self.cuts) | self._skips(kept)
            # A cut may lie behind a frame that is a copy.
            ends |= np.array([((self.cuts >= a) & (self.cuts < b)).any() for a, b in zip(kept[:-1], kept[1:])], bool)
        return [part for part in np.split(kept, np.flatnonzero(ends) + 1) if len(part)]

    def _skips(self, kept: NDArray[np.intp]) -> BoolArray:
        """After which kept frames more than a few damaged ones are missing, ``(k - 1,)``."""
        few = np.zeros(len(self.damaged), bool)
        for first, last in _runs(self.damaged):
            few[first : last + 1] = last + 1 - first <= LONGEST_DAMAGE
        through = np.cumsum(~few)
        return np.asarray(through[kept[1:]] - through[kept[:-1]] > 1, dtype=np.bool_)

    def has_cut(self, frames: list[int]) -> bool:
        """Whether frames lie on two sides of a cut, or one of them is blank or damaged."""
        inside = [frame for frame in frames if 0 <= frame < len(self.blank)]
        return bool(
            ((self.cuts >= min(frames)) & (self.cuts < max(frames))).any()
            or (self.blank | self.damaged)[inside].any()
        )

    def foreign(self, best: NDArray[np.intp]) -> BoolArray:
        """See `GoodPart.foreign`."""
        if len(best) == 0:
            return np.zeros(len(self.blank), bool)
        numbers = np.arange(len(self.blank))
        before = self.cuts[self.cuts < best[0]]
        after = self.cuts[self.cuts >= best[-1]]
        foreign = self.damaged.copy()
        if len(before):
            foreign |= numbers <= before[-1]
        if len(after):
            foreign |= numbers > after[0]
        return np.asarray(foreign, dtype=np.bool_)

    def notices(self) -> list[CodedWarning]:
        """What was found, in plain sentences."""
        found = []
        for at in self.cuts[:1]:
            more = f", and in {len(self.cuts) - 1} more places" if len(self.cuts) > 1 else ""
            found.append(
                CodedWarning(
                    CUT,
                    f"The clip is cut after frame {at}{more}: the image changes as no heart moves (another recording, view "
                    "or depth, or a title).",
                )
            )
        for first, last in self.freezes[:1]:
            seconds = float(self.times[last + 1] - self.times[first])
            more = f", and in {len(self.freezes) - 1} more places" if len(self.freezes) > 1 else ""
            text = f"The image stands still for {seconds:.2g} s ({_range(first, last + 1)}{more})."
            found.append(CodedWarning(FREEZE, text))
        if self.blank.any():
            found.append(
                CodedWarning(BLANK, f"{int(self.blank.sum())} frames show no image ({_list(self.blank)}).")
            )
        if self.damaged.any():
            text = f"Damaged or foreign frames were left out ({_list(self.damaged)})."
            found.append(CodedWarning(DAMAGED, text))
        for way, code, what in (
            (1, LOOP, "repeat earlier ones in the same order"),
            (-1, BACKWARD, "show earlier ones in the opposite order"),
        ):
            copies = self.copies == way
            if copies.any():
                text = f"Frames {what} ({_list(copies)}): they hold no new beats and are not measured again."
                found.append(CodedWarning(code, text))
        still, steps = self.repeated
        if still > MIN_REPEATED * max(steps, 1):
            rate = (steps - still) / float(self.times[-1])
            text = (
                f"{still} of {len(self.times)} frames repeat the frame before, as after a change of the frame rate: about "
                f"{rate:.3g} frames a second are new."
            )
            found.append(CodedWarning(REPEATED, text))
        return found


def _coarse(frames: FrameArray) -> NDArray[np.float32]:
    """Means over cells, ``(n, SIDE * SIDE)``."""
    step = max(1, min(frames.shape[1:]) // SAMPLED_SIDE_PX)
    cells = np.empty((len(frames), SIDE * SIDE), np.float32)
    for i, frame in enumerate(frames):
        thinned = np.ascontiguousarray(frame[::step, ::step])
        # Grey levels with a fraction.
        cells[i] = cv2.resize(thinned.astype(np.float32), (SIDE, SIDE), interpolation=cv2.INTER_AREA).ravel()
    return cells


def _blank(cells: NDArray[np.float32]) -> BoolArray:
    """Frames that are black, of one colour, or nearly so."""
    contrast = cells.std(axis=1)
    return np.asarray(contrast < BLANK_CONTRAST * np.percentile(contrast, 75), dtype=np.bool_)


def _still_steps(cells: NDArray[np.float32], seen: BoolArray) -> BoolArray:
    """Whether nothing changes from a frame to the next, ``(n - 1,)``; what stands beside the image may."""
    both = seen[1:] & seen[:-1]
    if not both.any():
        return np.zeros(len(cells) - 1, bool)
    change = np.abs(np.diff(cells, axis=0))
    # What the image does in lively steps; a title that comes and goes does not count.
    activity = np.percentile(change[both], 90, axis=0)
    active = activity > np.median(activity)
    change = change[:, active if active.any() else np.ones_like(active)]
    place = int(STILL_QUANTILE * change.shape[1])
    typical = np.partition(change, place, axis=1)[:, place]
    lively = float(np.percentile(typical[both], 90))
    contrast = float(np.median(cells[seen].std(axis=1)))
    return np.asarray((typical <= max(STILL_PART * lively, STILL_LEVEL * contrast)) & both, dtype=np.bool_)


def _evened_distances(cells: NDArray[np.float32], frames: NDArray[np.intp]) -> NDArray[np.float32]:
    """Differences of frames, brightness and contrast aside, ``(k, k)``."""
    fold = SIDE // COARSE_SIDE
    coarse = cells[frames].reshape(-1, COARSE_SIDE, fold, COARSE_SIDE, fold).mean(axis=(2, 4))
    flat = coarse.reshape(len(frames), COARSE_SIDE**2)
    flat = flat - flat.mean(axis=1, keepdims=True)
    flat /= np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6)
    return _distances(flat)


def _distances(points: NDArray[np.float32]) -> NDArray[np.float32]:
    squared = np.einsum("ij,ij->i", points, points)
    return np.sqrt(np.maximum(squared[:, None] + squared[None] - 2 * points @ points.T, 0))


def _within(distances: NDArray[np.float32], times: FloatArray, last: int, first: int) -> tuple[float, int]:
    """Largest usual difference inside the windows before ``last`` and after ``first``, and frames in the smaller one."""
    n = len(times)
    # Rounding of times must not decide.
    window = CUT_WINDOW_S + 1e-3 if min(last + 1, n - first) >= MIN_SIDE else 2 * CUT_WINDOW_S
    start = min(int(np.searchsorted(times, times[last] - window)), max(last - MIN_SIDE + 1, 0))
    end = max(int(np.searchsorted(times, times[first] + window, side="right")), min(first + MIN_SIDE, n))
    sides = distances[start : last + 1, start : last + 1], distances[first:end, first:end]
    usual = max(float(np.partition(side, at := int(WITHIN_QUANTILE * (side.size - 1)))[at]) for side in map(np.ravel, sides))
    return max(usual, 1e-6), min(len(side) for side in sides)


def _candidates(steps: NDArray[np.float32]) -> list[int]:
    """Places of the largest steps, in the order of time; only these are looked at closely."""
    large = np.argsort(steps)[-MOST_CANDIDATES:]
    return sorted(large[steps[large] > CUT_RATIO * np.median(steps)].tolist())


def _damaged(distances: NDArray[np.float32], times: FloatArray) -> list[int]:
    """Places of frames that differ from those before and after, which go on as before."""
    n = len(times)
    if n < 2 * MIN_SIDE:
        return []
    steps = np.diagonal(distances, 1)
    found: list[int] = []
    large = _candidates(steps)
    for i in large:
        for j in large:
            # The frames from i + 1 to j.
            if not i < j < n - 1 or times[j] - times[i + 1] > MAX_FOREIGN_S or i in found:
                continue
            usual, smaller = _within(distances, times, i, j + 1)
            ratio = CUT_RATIO if smaller >= MIN_SIDE else EDGE_RATIO
            if min(steps[i], steps[j]) > ratio * usual and distances[i, j + 1] <= usual:
                found += range(i + 1, j + 1)
                break
    return found


def _cuts(distances: NDArray[np.float32], times: FloatArray) -> list[int]:
    """Places of the last frame before each cut."""
    if len(times) < MIN_SIDE:
        return []
    steps = np.diagonal(distances, 1)
    found = []
    for i in _candidates(steps):
        usual, smaller = _within(distances, times, i, i + 1)
        if steps[i] > (CUT_RATIO if smaller >= MIN_SIDE else EDGE_RATIO) * usual:
            found.append(i)
    return found


def _copies(
    cells: NDArray[np.float32], kept: NDArray[np.intp], times: FloatArray, still: BoolArray
) -> NDArray[np.int8]:
    """Which frames show an earlier one again, in the same (1) or the opposite order (-1); ``(n,)``."""
    copies = np.zeros(len(cells), np.int8)
    n = len(kept)
    if n < 2 * MIN_COPY_FRAMES:
        return copies
    distances = _distances(cells[kept])
    steps = np.diagonal(distances, 1)
    lively = steps[~still[kept[:-1]]]
    if len(lively) == 0:
        return copies
    alike = np.triu(distances < COPY_PART * np.median(lively), 1)
    step_s = float(np.median(np.diff(times[kept])))
    shortest = max(MIN_COPY_FRAMES, round(MIN_COPY_S / step_s))
    if np.triu(alike, shortest).sum() < shortest:
        return copies
    for lag in range(shortest, n):
        for first, last in _runs(np.diagonal(alike, lag)):
            if last + 1 - first >= min(shortest, n - lag):
                copies[kept[first + lag : last + lag + 1]] = 1
    turned = alike[:, ::-1]
    for offset in range(-n + 2 * shortest, n - 2 * shortest + 1):
        # From the outer pairs of frames to the turning point between them.
        for first, last in _runs(np.diagonal(turned, offset)):
            if last + 1 - first < shortest:
                continue
            again = kept[n - 1 - max(offset, 0) - np.arange(first, last + 1)]
            copies[again[copies[again] == 0]] = -1
    return copies


def _runs(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """First and last place of each run of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], np.asarray(flags, np.int8), [0]])))
    return [(int(a), int(b) - 1) for a, b in edges.reshape(-1, 2)]


def _range(first: int, last: int) -> str:
    return f"frames {first} to {last}" if last > first else f"frame {first}"


def _list(flags: BoolArray) -> str:
    """Frame numbers in words; no more than three ranges."""
    runs = _runs(flags)
    shown = ", ".join(str(a) if a == b else f"{a} to {b}" for a, b in runs[:3])
    return ("frame " if flags.sum() == 1 else "frames ") + shown + (", ..." if len(runs) > 3 else "")


def _no_part_text(clip: Clip, best: NDArray[np.intp], notices: Sequence[CodedWarning]) -> str:
    found = " ".join(notice.text for notice in notices)
    length = float(clip.times_s[best[-1]] - clip.times_s[best[0]]) if len(best) else 0.0
    return (
        f"{clip.source}: no part of the clip is long enough to be measured. {found} The longest good part has {len(best)} "
        f"frames in {length:.2f} s; at least {MIN_FRAMES} frames and {MIN_DURATION_S} s are needed. Export one "
        "recording alone, as it was recorded."
    )
