"""Where a clip is no continuous recording: blank frames, freezes, damage, cuts, frames shown before or in a wrong order.

Frames are compared on coarse images of 32 x 32 cells, so that speckle and flicker do not count and long clips are cheap.
A cut to the same view of the same heart, at the same place, cannot be distinguished from the motion of the heart.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from lvef.core.records import BoolArray, FloatArray, FrameArray

SIDE, COARSE_SIDE = 32, 16
"""Cells across the image in which frames are compared for sameness, and, with equal brightness and contrast, for cuts."""

SAMPLED_SIDE_PX = 128
"""Larger images are read at every second, third, ... pixel."""

BLANK_CONTRAST = 0.25
"""A frame whose contrast over the image is below this part of the clip's is blank. Fine clips: at least 0.8."""

STILL_PART, STILL_LEVEL, STILL_QUANTILE = 0.08, 0.003, 0.9
"""A step is still where nine in ten of the cells that change in the clip change by less than this part of what they do in
lively steps, or than this part of the image's contrast: coded copies stay below, fine clips lie at 0.3 and more. An ECG may
run on below a frozen image."""

MIN_FREEZE_S, MIN_FREEZE_FRAMES = 0.25, 4
"""An image that stands for so long is a freeze. Diastasis of a slow heart still has speckle that changes."""

SLOW_HZ = 13.0
"""At fewer frames a second a fast heart has no order that can be seen, and may look as if it stood still."""

STEADY_S, STEADY_FRAMES, STEADY_QUANTILE, STEADY_GROWTH, STEADY_RANGE, STEADY_LEVEL = (
    0.5,
    6,
    0.75,
    1.15,
    1.5,
    0.85,
)
"""An image that stands below noise: for so many seconds and frames the squared difference that this part of the cells has,
of every second frame and of frames half as far apart, is within so many times that of neighbours, none of which is above so
many times their mean; and that is below this part of what lively steps have. Figures, also of the next signs: ``python -m
studies.broken_clips``."""

CUT_RATIO, EDGE_RATIO = 1.15, 2.0
"""A step that is so many times as large as any difference inside the second before or the second after it is a cut; the
second value counts where one side has fewer frames than `MIN_SIDE`. 105 fine cines, 10-80 frames/s: at most 0.89; views,
patients and depths changed: above 1.25 in 95 of 100, median 2.2 to 3.9."""

CUT_WINDOW_S, MIN_SIDE = 1.0, 5
"""Seconds, and at least so many frames, on either side of a cut that are looked at."""

WITHIN_QUANTILE = 0.95
"""Of the differences inside one side: a damaged frame more or less does not count."""

MOST_CANDIDATES = 16
"""So many of the largest steps are looked at, and as many again while there are cuts among them."""

SHORT_S, SHORT_RATIO, MIN_SHORT = 0.2, 2.0, 3
"""In a montage of short parts the windows hold other cuts: so many steps that are so many times as large as any difference
inside such a short window are cuts, and no other window reaches beyond them."""

LONGEST_DAMAGE, MAX_FOREIGN_S = 2, 1.0
"""So many frames in a row that show nothing, or another image than those before and after, are left out, and the recording
goes on behind them. More, up to so many seconds, end the good part."""

COPY_PART = 0.28
"""Frames that differ by less than this part of the usual step are copies. Two beats of one heart: at least 0.35 over half
of their frames, where cycle and frame rate fit exactly; copies of real cines in lightly compressed H.264: at most 0.24.
In stronger compression (a constant rate factor of 23 and above) loops are missed in a growing part of clips: these are
*likely* copies, by the next sign."""

LIKELY_S, LOOP_PART, TURN_PART, PART_HZ = 0.6, (0.15, 0.25), (0.3, 0.4), 30.0
"""Frames of so many seconds are likely copies where their squared difference from the originals is below this part of that
from the originals' neighbours; the second pair is for the opposite order, on both sides of a turning point. The first value
is for `PART_HZ` and goes with the square of the frame rate, as the motion between neighbours does, up to the second. Beats
that are equal to the frame are copies here."""

DISORDER_RATIO, MAX_DISORDER, MIN_DISORDERED, RANDOM_PART = 1.2, 0.13, 3, 0.85
"""Frames are in a wrong order where the step between two is so many times as large as the difference of the two around
them, in more than this part of places and in so many; at random where the mean step is also above this part of the mean
difference of any two frames."""

MIN_COPY_S, MIN_COPY_FRAMES = 0.25, 6
"""So many copies in the same or the opposite order make a loop."""

SIZE_FRAMES, SIZE_PX, LIT, SIDE_PART = 32, 160, 10, 0.03
"""Frames whose size is compared, the shortest side in pixels that they keep, the grey level above which a pixel is lit, and
the part of a row or column that must be lit."""

MIN_CONTRAST = 0.5
"""Clips whose cells all vary by less, in grey levels, show nothing: that is said where the sector is looked for."""

FrameNumbers = NDArray[np.intp]
"""Numbers of frames in the file, increasing."""


@dataclass(frozen=True, slots=True)
class Breaks:
    """What was found in a clip of ``n`` frames.

    Attributes:
        blank: ``(n,)`` frames without an image, more than two in a row.
        damaged: ``(n,)`` frames that show nothing, or something else than those before and after, which go on as before.
        freezes: First and last frame of each freeze; the first one is still live.
        cuts: Last frame before each cut and first one behind it.
        copies: ``(n,)`` 0 for a new image, 1 for a copy in the order of the originals, -1 in the opposite order.
        repeated: Frames that are equal to the one before, outside of freezes.
        new: Frames that are not, outside of freezes.
        likely_copies: ``(n,)`` frames that are likely copies of earlier ones, beside ``copies``.
        disorder: Part of places at which frames are in a wrong order; 0 where there are no more than chance explains.
        at_random: Whether they are in no order at all; copies are then not looked for.
        shows_nothing: Whether the whole clip is of one colour; nothing else is then said.
    """

    blank: BoolArray
    damaged: BoolArray
    freezes: tuple[tuple[int, int], ...]
    cuts: tuple[tuple[int, int], ...]
    copies: NDArray[np.int8]
    repeated: int
    new: int
    likely_copies: BoolArray
    disorder: float = 0.0
    at_random: bool = False
    shows_nothing: bool = False

    @property
    def frozen(self) -> BoolArray:
        """``(n,)`` frames of freezes but their first ones."""
        frozen = np.zeros(len(self.blank), bool)
        for first, last in self.freezes:
            frozen[first + 1 : last + 1] = True
        return frozen

    def parts(self, *, only_cuts: bool = False) -> list[FrameNumbers]:
        """Continuous recordings: the numbers of their frames; one or two damaged ones in between are missing.

        Args:
            only_cuts: Only cuts, blank and damaged frames end a part; freezes and copies belong to it.
        """
        sound = ~(self.blank | self.damaged)
        kept = np.flatnonzero(sound if only_cuts else sound & ~self.frozen & (self.copies == 0))
        few = np.zeros(len(sound), bool)
        for first, last in runs_of(self.damaged):
            few[first : last + 1] = last + 1 - first <= LONGEST_DAMAGE
        through = np.cumsum(~few)
        ends = through[kept[1:]] - through[kept[:-1]] > 1
        for last, first in self.cuts:
            ends |= (kept[:-1] <= last) & (kept[1:] >= first)
        return [part for part in np.split(kept, np.flatnonzero(ends) + 1) if len(part)]


MOST_PRODUCTS = 200_000
"""Multiplications that OpenBLAS does in one thread, with room to spare. Source: its ``interface/gemm.c``, 65,536 times 4."""


def find_breaks(frames: FrameArray, times_s: FloatArray) -> Breaks:
    """Look for blank frames, freezes, damage, cuts and copies, in this order; each leaves out what was found before.

    Args:
        frames: ``(n, height, width)`` uint8.
        times_s: ``(n,)`` seconds, increasing.
    """
    n, cells = len(frames), _coarse(frames)
    nothing = np.zeros(n, bool)
    if cells.std(axis=1).max() < MIN_CONTRAST:
        return Breaks(nothing, nothing, (), (), np.zeros(n, np.int8), 0, n, nothing, shows_nothing=True)
    blank, damaged = _blank(cells), nothing.copy()
    for first, last in runs_of(blank):
        damaged[first : last + 1] = last + 1 - first <= LONGEST_DAMAGE
    blank &= ~damaged
    still = _still_steps(cells, ~(blank | damaged))
    freezes = tuple(
        (first, last + 1)
        for first, last in runs_of(still | _steady_steps(cells, ~(blank | damaged), times_s))
        if last + 2 - first >= MIN_FREEZE_FRAMES and times_s[last + 1] - times_s[first] >= MIN_FREEZE_S
    )
    seen = ~(blank | damaged)
    for first, last in freezes:
        seen[first + 1 : last + 1] = False
    repeated = int((still & seen[1:]).sum())
    numbers = np.flatnonzero(seen)
    distances = _evened_distances(cells, numbers)
    strange = _damaged(distances, times_s[numbers])
    damaged[numbers[strange]] = True
    good = np.delete(np.arange(len(numbers)), strange)
    numbers, distances = numbers[good], distances[np.ix_(good, good)]
    cuts = tuple((int(numbers[i]), int(numbers[i + 1])) for i in _cuts(distances, times_s[numbers]))
    copies, likely = np.zeros(n, np.int8), nothing.copy()
    fresh = np.append(True, ~still)[numbers]
    disorder, at_random = _disorder(distances[np.ix_(fresh, fresh)], times_s[numbers[fresh]])
    if not disorder:
        distances = _distances(cells[numbers])
        copies = _copies(distances, n, numbers, times_s, still)
        shown = np.flatnonzero(fresh & (copies[numbers] == 0))
        for part in np.split(shown, np.searchsorted(numbers[shown], [first for _, first in cuts])):
            likely[numbers[part]] = _likely_copies(distances[np.ix_(part, part)], times_s[numbers[part]])
    return Breaks(
        *(blank, damaged, freezes, cuts, copies, repeated, int(seen.sum()) - repeated),
        *(likely, disorder, at_random),
    )


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
    typical = _change(cells[:, _active(cells, both)], 1, STILL_QUANTILE)
    lively = float(np.percentile(typical[both], 90))
    contrast = float(np.median(cells[seen].std(axis=1)))
    return np.asarray((typical <= max(STILL_PART * lively, STILL_LEVEL * contrast)) & both, dtype=np.bool_)


def _active(cells: NDArray[np.float32], both: BoolArray) -> BoolArray:
    """Cells that change in lively steps more than others do; a title that comes and goes does not count."""
    activity = np.percentile(np.abs(np.diff(cells, axis=0))[both], 90, axis=0)
    active = activity > np.median(activity)
    return np.asarray(active if active.any() else ~active, dtype=np.bool_)


def _change(cells: NDArray[np.float32], lag: int, quantile: float) -> NDArray[np.float32]:
    """By how much this part of the cells changes at most, from each frame to the one so many frames behind it."""
    change = np.abs(cells[lag:] - cells[:-lag])
    place = int(quantile * change.shape[1])
    return np.asarray(np.partition(change, place, axis=1)[:, place])


def _steady_steps(cells: NDArray[np.float32], seen: BoolArray, times: FloatArray) -> BoolArray:
    """Whether nothing but noise changes from a frame to the next, ``(n - 1,)``."""
    n, steady, both = len(cells), np.zeros(len(cells) - 1, bool), seen[1:] & seen[:-1]
    step_s = float(np.median(np.diff(times))) if n > 1 else 1.0
    length = max(STEADY_FRAMES, round(STEADY_S / step_s))
    if n <= length or not both.any() or step_s > 1 / SLOW_HZ:
        return steady
    shown = cells[:, _active(cells, both)]
    steps, second, half = (
        np.square(_change(shown, lag, STEADY_QUANTILE), dtype=float) for lag in (1, 2, length // 2)
    )
    windows = sliding_window_view(np.where(both, steps, np.inf), length - 1)
    near = windows.mean(axis=1)
    found = near < STEADY_LEVEL * np.percentile(steps[both], 90)
    found &= windows.max(axis=1) < STEADY_RANGE * near
    for change in (second, half):
        far = sliding_window_view(change, len(change) + 1 - len(near)).mean(axis=1)
        found &= (far < STEADY_GROWTH * near) & (near < STEADY_GROWTH * far)
    for at in np.flatnonzero(found).tolist():
        steady[at : at + length - 1] = True
    return steady


def _evened_distances(cells: NDArray[np.float32], frames: FrameNumbers) -> NDArray[np.float32]:
    """Differences of frames, brightness and contrast aside, ``(k, k)``."""
    fold = SIDE // COARSE_SIDE
    coarse = cells[frames].reshape(-1, COARSE_SIDE, fold, COARSE_SIDE, fold).mean(axis=(2, 4))
    flat = coarse.reshape(len(frames), COARSE_SIDE**2)
    flat = flat - flat.mean(axis=1, keepdims=True)
    flat /= np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6)
    return _distances(flat)


def _distances(points: NDArray[np.float32]) -> NDArray[np.float32]:
    squared = np.einsum("ij,ij->i", points, points)
    products = np.empty((len(points), len(points)), np.float32)
    # In blocks too small for the threads of the linear algebra library: these wait in a busy loop afterwards, and the model
    # that runs next loses a fifth of its time to them.
    step = max(1, int((MOST_PRODUCTS / points.shape[1]) ** 0.5))
    for i in range(0, len(points), step):
        for j in range(0, len(points), step):
            products[i : i + step, j : j + step] = points[i : i + step] @ points[j : j + step].T
    between = squared[:, None] + squared[None] - 2 * products
    return np.asarray(np.sqrt(np.maximum(between, 0)), dtype=np.float32)


def _within(
    distances: NDArray[np.float32],
    times: FloatArray,
    last: int,
    first: int,
    *,
    seconds: float = CUT_WINDOW_S,
    cuts: Collection[int] = (),
) -> tuple[float, int]:
    """Largest usual difference inside the windows before ``last`` and after ``first``, and frames in the smaller one.

    No window reaches beyond ``cuts``, the last places before cuts that are known.
    """
    low = max((cut + 1 for cut in cuts if cut < last), default=0)
    high = min((cut + 1 for cut in cuts if cut >= first), default=len(times))
    # Rounding of times must not decide.
    window = seconds + 1e-3 if min(last + 1 - low, high - first) >= MIN_SIDE else 2 * seconds
    start = max(low, min(int(np.searchsorted(times, times[last] - window)), last - MIN_SIDE + 1))
    end = min(high, max(int(np.searchsorted(times, times[first] + window, side="right")), first + MIN_SIDE))
    sides = distances[start : last + 1, start : last + 1], distances[first:end, first:end]
    usual = max(
        float(np.partition(side, at := int(WITHIN_QUANTILE * (side.size - 1)))[at])
        for side in map(np.ravel, sides)
    )
    return max(usual, 1e-6), min(len(side) for side in sides)


def _candidates(steps: NDArray[np.float32], start: int = 0) -> list[int]:
    """Places of the largest steps, behind so many larger ones, in the order of time; only these are looked at closely."""
    large = np.argsort(-steps)[start : start + MOST_CANDIDATES]
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
            # Those before and after must be more alike than either is to these.
            if CUT_RATIO * distances[i, j + 1] >= min(steps[i], steps[j]):
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
    steps, known = np.diagonal(distances, 1), set[int]()
    for seconds, ratio, at_least in ((SHORT_S, SHORT_RATIO, MIN_SHORT), (CUT_WINDOW_S, CUT_RATIO, 1)):
        found = known.copy()
        for start in range(0, len(steps), MOST_CANDIDATES):
            candidates = _candidates(steps, start)
            for i in candidates:
                usual, smaller = _within(distances, times, i, i + 1, seconds=seconds, cuts=found)
                edge = EDGE_RATIO if seconds > SHORT_S else np.inf
                if steps[i] > (ratio if smaller >= MIN_SIDE else edge) * usual:
                    found.add(i)
            if found.isdisjoint(candidates):
                break
        if len(found) >= at_least:
            known = found
    return sorted(known)


def _copies(
    distances: NDArray[np.float32], n_frames: int, kept: FrameNumbers, times: FloatArray, still: BoolArray
) -> NDArray[np.int8]:
    """Which frames show an earlier one again, in the same (1) or the opposite order (-1); ``(n_frames,)``."""
    copies = np.zeros(n_frames, np.int8)
    n = len(kept)
    if n < 2 * MIN_COPY_FRAMES:
        return copies
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
        for first, last in runs_of(np.diagonal(alike, lag)):
            if last + 1 - first >= shortest:
                copies[kept[first + lag : last + lag + 1]] = 1
    turned = alike[:, ::-1]
    for offset in range(-n + 2 * shortest, n - 2 * shortest + 1):
        # From the outer pairs of frames to the turning point between them.
        for first, last in runs_of(np.diagonal(turned, offset)):
            if last + 1 - first < shortest:
                continue
            again = kept[n - 1 - max(offset, 0) - np.arange(first, last + 1)]
            copies[again[copies[again] == 0]] = -1
    return copies


def _likely_copies(distances: NDArray[np.float32], times: FloatArray) -> BoolArray:
    """Which frames are much closer to earlier ones than to the neighbours of these, ``(k,)``."""
    n, found = len(times), np.zeros(len(times), bool)
    if n < 2 * MIN_COPY_FRAMES:
        return found
    rate = 1 / float(np.median(np.diff(times)))
    length = max(MIN_COPY_FRAMES, round(LIKELY_S * rate))
    loop, turn = (min(most, part * (rate / PART_HZ) ** 2) for part, most in (LOOP_PART, TURN_PART))
    for lag in range(length + 1, n - length):
        same, before, behind = (
            np.square(np.diagonal(distances, lag + by)[: n - lag - 1], dtype=float) for by in (0, -1, 1)
        )
        excess = np.cumsum(2 * same - loop * (before + behind))
        excess[length:] -= excess[:-length]
        for start in np.flatnonzero(excess[length - 1 :] < 0).tolist():
            found[start + lag : start + lag + length] = True
    # Twice the place of a turning point, and the frames before and behind it.
    middle = np.arange(2 * length, 2 * n - 2 * length - 3)[:, None]
    first = middle // 2 - np.arange(1, length + 1)
    last = middle - first
    near = np.square(distances[first, last - 1]) + np.square(distances[first, last + 1])
    turned = 2 * np.square(distances[first, last]).sum(axis=1) < turn * near.sum(axis=1)
    found[last[turned]] = True
    return found


def _disorder(distances: NDArray[np.float32], times: FloatArray) -> tuple[float, bool]:
    """Part of places at which frames are in a wrong order, 0 for few, and whether they are in none at all."""
    n = len(distances)
    if n < 2 * MIN_SIDE or np.median(np.diff(times)) > 1 / SLOW_HZ:
        return 0.0, False
    step, second, around = (np.diagonal(distances, lag) for lag in (1, 2, 3))
    wrong = step[1:-1] > DISORDER_RATIO * around
    if np.median(step) > DISORDER_RATIO * np.median(second):  # two recordings in turn
        wrong = np.ones_like(wrong)
    part = float(wrong.mean())
    if part <= MAX_DISORDER or wrong.sum() < MIN_DISORDERED:
        return 0.0, False
    return part, bool(step.mean() > RANDOM_PART * distances.sum() / (n * (n - 1)))


def size_change(frames: FrameArray, recording: FrameNumbers) -> float:
    """By how much the size of what is lit changes over frames of one recording: the median of its width, height and area.

    A sector keeps its size; a zoom, or a depth that is changed by steps too small for a cut, changes all three. What happens
    inside the sector, or a faint edge of it, changes one.

    Args:
        frames: ``(n, height, width)`` uint8.
        recording: Numbers of the frames that are looked at.

    Returns:
        Part of the median size between the 5th and the 95th percentile of up to `SIZE_FRAMES` frames; 0 for fewer than 3.

    Example:
        >>> square = np.pad(np.full((20, 20), 99, np.uint8), 20)
        >>> size_change(np.stack([square] * 9), np.arange(9))
        0.0
    """
    picked = recording[np.linspace(0, len(recording) - 1, min(len(recording), SIZE_FRAMES)).astype(int)]
    step = max(1, min(frames.shape[1:]) // SIZE_PX)
    sizes = [
        _lit_sizes(cv2.blur(np.ascontiguousarray(frames[i, ::step, ::step]), (5, 5)) > LIT) for i in picked
    ]
    table = np.array([size for size in sizes if min(size) > 0], float).reshape(-1, 3)
    if len(table) < 3:
        return 0.0
    relative = np.median(table / np.median(table, axis=0), axis=1)
    low, high = np.percentile(relative, (5, 95))
    return float(high - low)


def _lit_sizes(lit: BoolArray) -> tuple[float, float, float]:
    """Width and height of what is lit, and the square root of its area; 0 for what is too small to be a side of a sector."""
    sides = []
    for axis in (0, 1):
        found = np.flatnonzero(lit.sum(axis=axis) > SIDE_PART * lit.shape[axis])
        sides.append(float(found[-1] - found[0] + 1) if len(found) else 0.0)
    return sides[0], sides[1], float(np.sqrt(lit.sum()))


def runs_of(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """First and last place of each run of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], np.asarray(flags, np.int8), [0]])))
    return [(int(a), int(b) - 1) for a, b in edges.reshape(-1, 2)]
