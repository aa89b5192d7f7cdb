"""Denoising of a volume curve and local levels. Every width is in seconds, never in frames."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter
from scipy.signal import savgol_filter

from lvef.core.records import BoolArray, FloatArray

MAD_TO_SD = 1.4826
"""Standard deviation of a normal distribution over its median absolute deviation."""


def outliers(values: FloatArray, n_sigmas: float) -> BoolArray:
    """Single-frame outliers by Hampel's identifier against the median of five frames, ``(n,)`` bool.

    Args:
        values: ``(n,)``, no NaN.
        n_sigmas: How many robust standard deviations from the running median are too far.

    Source:
        Hampel 1974, J Am Stat Assoc 69:383; Pearson 2002, IEEE Trans Control Syst Technol 10:55.
    """
    if len(values) < 7:
        return np.zeros(len(values), dtype=np.bool_)
    away = np.abs(values - median_filter(values, size=5, mode="nearest"))
    # the 75th percentile as well: most deviations are exactly 0 where a noise-free curve is monotonous
    spread = max(MAD_TO_SD * float(np.median(away)), float(np.percentile(away, 75)) / 1.15)
    far = away > np.maximum(n_sigmas * spread, 0.08 * float(np.ptp(np.percentile(values, [5, 95]))))
    # Two neighbours that are both far are no outliers: that is how the top of a short end-diastole looks.
    beside = np.convolve(far, [1, 0, 1], mode="same") > 0
    return np.asarray(far & ~beside, dtype=np.bool_)


def even_grid(times: FloatArray, values: FloatArray, step: float) -> tuple[FloatArray, FloatArray]:
    """Values on even times from the first to the last, by straight lines."""
    n = max(2, round((times[-1] - times[0]) / step) + 1)
    grid = np.linspace(times[0], times[-1], n)
    return grid, np.interp(grid, times, values)


def smooth(values: FloatArray, step_s: float, window_s: float, order: int = 2) -> FloatArray:
    """Savitzky-Golay filter whose window is given in seconds; unchanged where that is fewer than five frames.

    Source:
        Savitzky and Golay 1964, Anal Chem 36:1627.
    """
    window = window_frames(window_s, step_s)
    if window <= order + 1 or window > len(values):
        return values.copy()
    return np.asarray(savgol_filter(values, window, order, mode="interp"))


def window_frames(window_s: float, step_s: float) -> int:
    """The odd number of frames nearest to a window."""
    return 2 * round(window_s / step_s / 2 - 0.01) + 1


def noise_sd(values: FloatArray) -> float:
    """Standard deviation of frame-to-frame noise, from third differences (the curve hardly enters)."""
    if len(values) < 8:
        return 0.0
    third = np.diff(values, 3)
    return float(MAD_TO_SD * np.median(np.abs(third)) / np.sqrt(20.0))


def local_level(times: FloatArray, values: FloatArray, at: float, half_width: float, order: int) -> float:
    """Level of a noisy curve at a time: weighted local polynomial on the samples as they lie.

    Args:
        times: ``(n,)``, any spacing.
        values: ``(n,)``, no NaN.
        at: Where the level is wanted.
        half_width: Half width of the (tricube) window in seconds; widened until it holds ``order + 2``
            samples.
        order: Order of the polynomial.

    Source:
        Cleveland 1979, J Am Stat Assoc 74:829 (local regression, tricube weights).
    """
    away = np.abs(times - at)
    need = min(order + 2, len(times))
    reach = max(half_width, float(np.partition(away, need - 1)[need - 1]) * 1.01 + 1e-9)
    near = away < reach
    x = (times[near] - at) / reach
    weight = np.sqrt((1 - np.abs(x) ** 3) ** 3)
    design = np.vander(x, min(order, int(near.sum()) - 1) + 1, increasing=True)
    solved, *_ = np.linalg.lstsq(design * weight[:, None], values[near] * weight, rcond=None)
    return float(solved[0])


def period(values: FloatArray, step_s: float, shortest_s: float, longest_s: float) -> float | None:
    """Cycle length by autocorrelation, or None where the curve repeats itself at no lag in the range."""
    n = len(values)
    line = np.polynomial.polynomial.polyfit(np.arange(n), values, 1)
    x = values - np.polynomial.polynomial.polyval(np.arange(n), line)
    size = 1 << (2 * n - 1).bit_length()
    spectrum = np.fft.rfft(x, size)
    auto = np.fft.irfft(spectrum * np.conj(spectrum), size)[:n]
    if auto[0] <= 0:
        return None
    low, high = max(2, int(shortest_s / step_s)), min(int(longest_s / step_s), int(0.8 * n))
    if high - low < 2:
        return None
    scaled = auto / auto[0] * n / (n - np.arange(n))
    lags = np.arange(low, high)
    peaks: NDArray[np.intp] = lags[(scaled[lags] >= scaled[lags - 1]) & (scaled[lags] >= scaled[lags + 1])]
    if len(peaks) == 0 or scaled[peaks].max() < 0.25:
        return None
    return float(peaks[scaled[peaks] >= 0.85 * scaled[peaks].max()][0] * step_s)
