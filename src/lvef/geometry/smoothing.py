"""Temporal smoothing of volume-time curves and tracings. Every width is in seconds, never in frames.

Its filters are written with numpy alone: scipy has them too, but takes longer to import than a short clip to measure.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from lvef.core.records import BoolArray, FloatArray, Tracing
from lvef.geometry.simpson import volume_of_tracing
from lvef.geometry.tracing import N_DISKS, left_to_right

MAD_TO_SD = 1.4826
"""Standard deviation of a normal distribution over its median absolute deviation."""

HALF_WIDTH_S = 0.1
"""Half width of the (tricube) window of `local_parabola`. On noise-free curves it moves the EF of
single frames by 0.2 points; a Gaussian of 0.02 s, which smooths as much, by -0.5."""

MIN_FRAMES = 4
"""With fewer frames in its window a frame stays as it is: a parabola through three points smooths nothing."""


USUAL_STEP = 90
"""Percentile of the steps from frame to frame up to which a step is usual. On 1000 noisy curves of known EF at 15 to 25 Hz
end-systole then lies beside a lower frame in no beat, in place of 6.3 % of 2670; the error of the EF stays .8 points.
Source: ``python -m studies.short_clips``."""


def outliers(values: FloatArray, n_sigmas: float, *, keep_lows: bool = False) -> BoolArray:
    """Single-frame outliers by Hampel's identifier against the median of five frames, ``(n,)`` bool.

    Args:
        values: ``(n,)``, no NaN.
        n_sigmas: How many robust standard deviations from the running median are too far.
        keep_lows: A low value no further from the one before or after it than is usual between neighbours (`USUAL_STEP`) is
            none: at 20 frames a second the tip of a systole is as far from the median as an outlier.

    Source:
        Hampel 1974, J Am Stat Assoc 69:383; Pearson 2002, IEEE Trans Control Syst Technol 10:55.
    """
    if len(values) < 7:
        return np.zeros(len(values), dtype=np.bool_)
    middle = np.median(sliding_window_view(np.pad(values, 2, mode="edge"), 5), axis=1)
    away = np.abs(values - middle)
    # the 75th percentile as well: most deviations are exactly 0 where a noise-free curve is monotonous
    spread = max(MAD_TO_SD * float(np.median(away)), float(np.percentile(away, 75)) / 1.15)
    limit = max(n_sigmas * spread, 0.08 * float(np.ptp(np.percentile(values, [5, 95]))))
    far = away > limit
    if keep_lows:
        steps = np.abs(np.diff(values))
        nearest = np.minimum(np.append(steps, np.inf), np.append(np.inf, steps))
        far &= (values > middle) | (nearest > max(limit, float(np.percentile(steps, USUAL_STEP))))
    # Two neighbours that are both far are not outliers: a short end-diastole looks like that.
    beside = np.convolve(far, [1, 0, 1], mode="same") > 0
    return np.asarray(far & ~beside, dtype=np.bool_)


def even_grid(times: FloatArray, values: FloatArray, step: float) -> tuple[FloatArray, FloatArray]:
    """Values on even times from the first to the last, by straight lines.

    Args:
        times: ``(n,)`` rising, in seconds.
        values: ``(n,)``.
        step: Distance of the even times, in seconds.
    """
    n = max(2, round((times[-1] - times[0]) / step) + 1)
    grid = np.linspace(times[0], times[-1], n)
    return grid, np.interp(grid, times, values)


def smooth(values: FloatArray, step_s: float, window_s: float, order: int = 2) -> FloatArray:
    """Savitzky-Golay filter whose window is given in seconds; unchanged where that is fewer than five frames.

    Args:
        values: ``(n,)`` on even times.
        step_s: Distance of the times.
        window_s: Length of the window.
        order: Degree of the polynomial.

    Source:
        Savitzky and Golay 1964, Anal Chem 36:1627.
    """
    window = window_frames(window_s, step_s)
    if window <= order + 1 or window > len(values):
        return values.copy()
    half = window // 2
    powers = np.vander(np.arange(-half, half + 1.0), order + 1)
    fit = powers @ np.linalg.pinv(powers)
    inner = sliding_window_view(values, window) @ fit[half]
    # Near either end there is no whole window: the polynomial of the outermost one goes on.
    return np.concatenate([fit[:half] @ values[:window], inner, fit[half + 1 :] @ values[-window:]])


def window_frames(window_s: float, step_s: float) -> int:
    """The odd number of frames nearest to a window.

    Args:
        window_s: Length of the window.
        step_s: Distance of the frames.
    """
    return 2 * round(window_s / step_s / 2 - 0.01) + 1


def noise_sd(values: FloatArray) -> float:
    """Standard deviation of frame-to-frame noise, from third differences (the curve hardly enters)."""
    if len(values) < 8:
        return 0.0
    third = np.diff(values, 3)
    return float(MAD_TO_SD * np.median(np.abs(third)) / np.sqrt(20.0))


def local_parabola(times: FloatArray, values: FloatArray, trusted: BoolArray) -> tuple[FloatArray, BoolArray]:
    """Value of a weighted (tricube) parabola at each time, ``(n, m)``, and whether there was enough to fit it, ``(n,)``.

    A parabola keeps the top and the bottom of a beat where they are; a mean would flatten them.

    Args:
        times: ``(n,)`` seconds, increasing.
        values: ``(n, m)``, no NaN.
        trusted: ``(n,)`` whether a frame's own values count.

    Returns:
        The fits; where fewer than `MIN_FRAMES` lie in the window, the values as they came.

    Source:
        Cleveland 1979, J Am Stat Assoc 74:829 (local regression, tricube weights).
    """
    n = len(times)
    first = np.searchsorted(times, times - HALF_WIDTH_S, side="right")
    last = np.searchsorted(times, times + HALF_WIDTH_S, side="left")
    near = first[:, None] + np.arange(int((last - first).max()))
    inside = near < last[:, None]
    near = np.minimum(near, n - 1)
    x = (times[near] - times[:, None]) / HALF_WIDTH_S
    weight = np.where(inside & trusted[near], (1 - np.minimum(np.abs(x), 1) ** 3) ** 3, 0.0)
    held = (weight > 0).sum(axis=1)
    sides = ((weight > 0) & (x <= 0)).any(axis=1) & ((weight > 0) & (x >= 0)).any(axis=1)
    enough = np.asarray((held >= MIN_FRAMES) & sides, dtype=np.bool_)
    powers = x[:, :, None] ** np.arange(3)
    normal = np.einsum("nk,nki,nkj->nij", weight, powers, powers)
    normal[~enough] = np.eye(3)
    # Row 0 of the inverse: the fit's value in the middle of the window, as weights on the samples.
    rows = np.linalg.solve(normal, np.broadcast_to(np.eye(3)[:, :1], (n, 3, 1)))[:, :, 0]
    gain = weight * np.einsum("nki,ni->nk", powers, rows)
    fitted = np.zeros_like(values)
    for k in range(near.shape[1]):
        fitted += gain[:, k, None] * values[near[:, k]]
    fitted[~enough] = values[~enough]
    return fitted, enough


def repetition(
    values: FloatArray, step_s: float, shortest_s: float, longest_s: float, *, part: float
) -> tuple[float, float]:
    """How well a curve repeats itself, and after how long.

    Args:
        values: ``(n,)`` on an even grid.
        step_s: Of the grid.
        shortest_s: Shortest cycle.
        longest_s: Longest cycle.
        part: Part of the curve that a cycle may take at most; at one half two cycles are seen.

    Returns:
        The largest autocorrelation at a lag in the range (1: exactly), and the first lag in seconds that comes near to it;
        0 and NaN where no lag stands out.
    """
    auto = autocorrelation(values)
    low, high = max(2, int(shortest_s / step_s)), min(int(longest_s / step_s), int(part * len(values)))
    if high - low < 2:
        return 0.0, float("nan")
    lags = np.arange(low, high)
    peaks: NDArray[np.intp] = lags[(auto[lags] >= auto[lags - 1]) & (auto[lags] >= auto[lags + 1])]
    if len(peaks) == 0 or auto[peaks].max() <= 0:
        return 0.0, float("nan")
    # Two beats repeat themselves as well as one.
    first = int(peaks[auto[peaks] >= 0.85 * auto[peaks].max()][0])
    return float(auto[peaks].max()), first * step_s


def autocorrelation(values: FloatArray) -> FloatArray:
    """Autocorrelation of a curve without its trend at each lag, ``(n,)``; zeros for a straight line."""
    n = len(values)
    line = np.polynomial.polynomial.polyfit(np.arange(n), values, 1)
    x = values - np.polynomial.polynomial.polyval(np.arange(n), line)
    size = 1 << (2 * n - 1).bit_length()
    spectrum = np.fft.rfft(x, size)
    auto = np.fft.irfft(spectrum * np.conj(spectrum), size)[:n]
    if auto[0] <= 0:
        return np.zeros(n)
    return np.asarray(auto / auto[0] * n / (n - np.arange(n)))


def period(values: FloatArray, step_s: float, shortest_s: float, longest_s: float) -> float | None:
    """Cycle length by autocorrelation, or None where the curve repeats itself at no lag in the range.

    Args:
        values: ``(n,)`` on even times.
        step_s: Distance of the times.
        shortest_s: Shortest cycle that is considered.
        longest_s: Longest cycle that is considered.
    """
    likeness, cycle = repetition(values, step_s, shortest_s, longest_s, part=0.8)
    return None if likeness < 0.25 else cycle


OUTLIER_SIGMAS = 5.0
"""A frame whose volume is further than this from its neighbours' is replaced by the fit through them, and is left out where
beats are looked for."""

SHOWN_POINTS = 40
"""Points of the contour on either side of the axis."""


def smooth_tracings(
    tracings: Sequence[Tracing | None], times_s: FloatArray, *, aspect: float = 1.0
) -> list[Tracing | None]:
    """Smooth the tracings of a cine over time: a local parabola through each landmark and each half chord.

    Every frame is traced on its own, and speckle moves each tracing a little. The heart itself moves smoothly: within a
    tenth of a second its landmarks follow a parabola. So apex, hinge points and the 40 chord ends (as distances from
    the frame's own axis) are each fitted over their neighbours in time. A parabola keeps end-diastole and end-systole
    where they are; a mean or a Gaussian would flatten them and lower the EF
    (``docs/explanation/temporal-smoothing.md``). The returned contour is the line through the smoothed chord ends: what
    is shown is what is measured.

    Args:
        tracings: One per frame, None where no ventricle could be traced; these stay None.
        times_s: Time of each frame, ``(n,)``, increasing.
        aspect: Pixel height over pixel width of the points.

    Returns:
        One per frame. Frames without enough neighbours in time keep the tracing they had, so stills and clips of low frame
        rate come back unchanged.

    Source:
        Cleveland 1979, J Am Stat Assoc 74:829 (local regression, tricube weights).
    """
    there = np.array([i for i, t in enumerate(tracings) if t is not None], dtype=np.intp)
    found = [t for t in tracings if t is not None]
    if len(found) < MIN_FRAMES:
        return list(tracings)
    times = np.asarray(times_s, dtype=np.float64)[there]
    metric = np.array([1.0, aspect])
    values = coordinates_of(found, metric)
    trusted = ~outliers(np.array([volume_of_tracing(t) for t in found]), OUTLIER_SIGMAS)
    fitted, enough = local_parabola(times, values, trusted)
    rebuilt = tracings_of_coordinates(fitted, metric)
    result = list(tracings)
    for frame, tracing, fits in zip(there.tolist(), rebuilt, enough.tolist(), strict=True):
        if fits:
            result[frame] = tracing
    return result


def coordinates_of(tracings: Sequence[Tracing], metric: FloatArray) -> FloatArray:
    """Apex, the two hinge points and the half chords on either side of the axis, ``(n, 6 + 40)``, isotropic.

    Sides are those of the axis, not of the image: "left" would jump for a ventricle that lies on its side.

    Args:
        tracings: ``n`` of them.
        metric: Width and height of a pixel, ``(2,)``, in any unit.
    """
    apex = np.stack([t.apex for t in tracings]) * metric
    mitral = np.stack([t.mitral for t in tracings]) * metric
    chords = np.stack([t.chords for t in tracings]) * metric
    normal = _normal(apex, mitral)
    side = np.einsum("nkj,nj->nk", mitral - apex[:, None], normal)
    mitral = np.where((side[:, 0] > side[:, 1])[:, None, None], mitral[:, ::-1], mitral)
    across = np.sort(np.einsum("nikj,nj->nik", chords - apex[:, None, None], normal), axis=2)
    return np.concatenate([apex, mitral.reshape(-1, 4), across.reshape(-1, 2 * N_DISKS)], axis=1)


def _normal(apex: FloatArray, mitral: FloatArray) -> FloatArray:
    """Unit vectors across the axes, ``(n, 2)``."""
    along = mitral.mean(axis=1) - apex
    along = along / np.hypot(along[:, 0], along[:, 1])[:, None]
    return np.stack([-along[:, 1], along[:, 0]], axis=1)


def tracings_of_coordinates(values: FloatArray, metric: FloatArray) -> list[Tracing]:
    """Tracings of the coordinates of `coordinates_of`.

    Args:
        values: ``(n, 46)``.
        metric: As for `coordinates_of`.
    """
    n = len(values)
    apex, mitral = values[:, :2], values[:, 2:6].reshape(-1, 2, 2)
    base = mitral.mean(axis=1)
    along, normal = (base - apex)[:, None, None], _normal(apex, mitral)[:, None, None]
    across = values[:, 6:].reshape(-1, N_DISKS, 2)
    levels = ((np.arange(N_DISKS) + 0.5) / N_DISKS)[:, None, None]
    chords = apex[:, None, None] + levels * along + across[..., None] * normal
    shown_levels, spline = _shown()
    sides = np.einsum("si,nik->nsk", spline, across)
    shown = apex[:, None, None] + shown_levels[:, None, None] * along + sides[..., None] * normal
    # Where the mitral plane lies aslant, the last chords end on it and not on the wall, here or on an averaged frame:
    # over the last disk before the hinge point the contour runs straight to it.
    squared = np.einsum("nj,nj->n", base - apex, base - apex)
    hinge_levels = np.einsum("nkj,nj->nk", mitral - apex[:, None], base - apex) / squared[:, None]
    last = np.minimum(hinge_levels, 1.0) - 1.0 / N_DISKS
    on_wall = shown_levels[None, :, None] < last[:, None, :]
    contours = [
        np.concatenate(
            [apex[i, None], shown[i, on_wall[i, :, 0], 0], mitral[i], shown[i, on_wall[i, :, 1], 1][::-1]]
        )
        for i in range(n)
    ]
    ordered = left_to_right((chords / metric).reshape(-1, 2, 2)).reshape(n, N_DISKS, 2, 2)
    hinges = left_to_right(mitral / metric)
    return [
        Tracing(contours[i] / metric, apex[i] / metric, base[i] / metric, hinges[i], ordered[i])
        for i in range(n)
    ]


@cache
def _shown() -> tuple[FloatArray, FloatArray]:
    """Levels of the shown contour, ``(s,)`` in long axes, and the spline that leads there from the chords, ``(s, 20)``.

    A rounded apex widens with the root of the distance, so the spline runs over the root, from width 0 at the apex.
    """
    levels = (np.arange(N_DISKS) + 0.5) / N_DISKS
    knots = np.sqrt(np.concatenate([[0.0], levels]))
    at = np.linspace(0, knots[-1], SHOWN_POINTS + 1)[1:]
    unit = np.concatenate([np.zeros((1, N_DISKS)), np.eye(N_DISKS)])
    return at**2, _cubic_spline(knots, unit, at)


def _cubic_spline(knots: FloatArray, values: FloatArray, at: FloatArray) -> FloatArray:
    """The cubic spline through values ``(k, m)`` at ``k`` knots, at other places; its outer two stretches are one cubic.

    Source: de Boor, A Practical Guide to Splines, 1978, chapter IV (not-a-knot end conditions).
    """

    def terms(x: FloatArray) -> FloatArray:
        bends = np.maximum(x[:, None] - knots[2:-2], 0.0) ** 3
        return np.concatenate([x[:, None] ** np.arange(4), bends], axis=1)

    return np.asarray(terms(at) @ np.linalg.solve(terms(knots), values))
