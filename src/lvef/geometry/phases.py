"""End-diastole and end-systole as extremes of the volume curve that is shown."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lvef.core.records import FloatArray
from lvef.geometry.smoothing import MAD_TO_SD, local_parabola
from lvef.geometry.turning import Samples

SLACK = 0.04
"""Extremes that differ by less than this share of the swing are alike. Of maxima the last is end-diastole, because a flat
diastole has many; of minima that of the smoother curve is end-systole."""

NOISE_SIGMAS = 5.0
"""Minima that differ by less than so many standard deviations of the curve's noise are alike as well, where that is less."""


@dataclass(frozen=True, slots=True)
class PhaseFinder:
    """The traced frames: their numbers, times, the curve that is shown and read, and the one that phases are found on.

    Both curves are needed. The lowest of many noisy values is low by its noise, so of several minima that are alike the one
    next to the smoother curve's is taken; where the curve that is shown is lower elsewhere by more than its noise, that is a
    dip which the smoother one has lost. A phase is always an extreme of the curve that is shown.

    Attributes:
        numbers: Frame numbers, ``(n,)``.
        times: Their times in seconds, ``(n,)``.
        volume: The curve that is shown and read, ``(n,)``.
        smooth: The smoother curve, ``(n,)``.
        noise: Volume below which minima are alike.
    """

    numbers: NDArray[np.intp]
    times: FloatArray
    volume: FloatArray
    smooth: FloatArray
    noise: float

    @classmethod
    def of(cls, numbers: NDArray[np.intp], samples: Samples, *, is_smoothed: bool) -> PhaseFinder:
        """Prepare a curve.

        Args:
            numbers: Frame numbers of the samples, ``(n,)``.
            samples: The traced frames and the smoother curve.
            is_smoothed: The samples are smooth already and are read as they are; else they are smoothed here.
        """
        volume = samples.values
        if not is_smoothed:
            fitted, _ = local_parabola(samples.times, volume[:, None], np.ones(len(volume), dtype=np.bool_))
            volume = fitted[:, 0]
        smoother = np.interp(samples.times, samples.grid, samples.smooth)
        away = volume - smoother
        noise = MAD_TO_SD * float(np.median(np.abs(away - np.median(away))))
        return cls(numbers, samples.times, volume, smoother, NOISE_SIGMAS * noise)

    def at(self, time: float) -> int:
        """Place of the frame nearest to a time."""
        return int(np.argmin(np.abs(self.times - time)))

    def end_diastole(self, first: int, last: int, swing: float) -> int:
        """Place of the maximum in ``first`` to ``last``: of several that are alike the last, after which ejection begins."""
        part = self.smooth[first : last + 1]
        before, after = np.append(-np.inf, part[:-1]), np.append(part[1:], -np.inf)
        alike = part >= part.max() - SLACK * swing
        at = first + int(np.flatnonzero((part >= before) & (part >= after) & alike)[-1])
        return self._extreme(self.volume, at, first, last, SLACK * swing)

    def end_systole(self, first: int, last: int) -> int:
        """Place of the minimum in ``first`` to ``last``."""
        at = first + int(np.argmin(self.smooth[first : last + 1]))
        slack = min(self.noise, SLACK * float(np.ptp(self.volume[first : last + 1])))
        return self._extreme(-self.volume, at, first, last, slack)

    def _extreme(self, values: FloatArray, at: int, first: int, last: int, slack: float) -> int:
        """The maximum next to where the smoother curve has it, or the highest where that is lower by more than a slack."""
        highest = first + int(np.argmax(values[first : last + 1]))
        return self._uphill(values, highest if values[highest] - values[at] > slack else at, first, last)

    def _uphill(self, values: FloatArray, at: int, first: int, last: int) -> int:
        """Place of the maximum that the way up from a place leads to."""
        while True:
            best = max(
                (i for i in (at - 1, at + 1) if first <= i <= last), key=lambda i: values[i], default=at
            )
            if values[best] <= values[at]:
                return at
            at = best
