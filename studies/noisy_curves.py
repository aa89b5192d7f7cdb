"""Volume-time curves of known EF with noise and drift, for tests and benchmarks of beat finding."""

from __future__ import annotations

import numpy as np

from lvef.core.records import VolumeCurve
from lvef.synthesis.volume_curves import Rhythm, noise, volume_at


def noisy_curve(
    rhythm: Rhythm,
    frame_rate_hz: float,
    *,
    start_s: float = 0.0,
    end_s: float | None = None,
    noise_sd: float = 0.0,
    correlation_s: float = 0.0,
    drift: float = 0.0,
    rng: np.random.Generator | None = None,
) -> VolumeCurve:
    """A clip of a rhythm.

    Args:
        rhythm: The beats.
        frame_rate_hz: Frames per second.
        start_s: Time of the first frame on the rhythm's clock; the curve's own clock starts at 0.
        end_s: End on the rhythm's clock, or None for the end of the last beat.
        noise_sd: Noise in the unit of the volume.
        correlation_s: Correlation time of the noise; 0 is white.
        drift: Relative change of the volume over the clip, for example 0.1 for a plane that slides.
        rng: Needed when there is noise.

    Returns:
        A calibrated curve; its length is the cube root of the volume, which is right up to a constant.

    Raises:
        ValueError: Noise without a generator.
    """
    stop = float(rhythm.cycles_s.sum()) if end_s is None else end_s
    times = np.arange(int(np.floor((stop - start_s) * frame_rate_hz + 1e-9)) + 1) / frame_rate_hz
    volume = volume_at(rhythm, times + start_s)
    volume = volume * (1 + drift * times / max(float(times[-1]), 1e-9))
    if noise_sd > 0:
        if rng is None:
            raise ValueError("Noise needs a random generator: give rng.")
        volume = volume + noise(
            len(times), noise_sd, rng, correlation_s=correlation_s, frame_s=1 / frame_rate_hz
        )
    return VolumeCurve(times, volume, np.cbrt(np.maximum(volume, 0.0)), True)
