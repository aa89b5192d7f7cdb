"""All of a phantom, frame by frame, and its truth."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lvef.core.records import Clip, FloatArray
from lvef.geometry.simpson import volume_of_tracing
from lvef.synthesis.curves import KICK_S, Rhythm, volume_at
from lvef.synthesis.phantom.outlines import OutlineTable
from lvef.synthesis.phantom.picture import Fan, labels_of, scan_convert, tracing_of
from lvef.synthesis.phantom.plane import Placement
from lvef.synthesis.phantom.scanner import Imaging
from lvef.synthesis.phantom.scatterers import strew
from lvef.synthesis.truth import SyntheticClip, beats_in_clip

if TYPE_CHECKING:
    from lvef.synthesis.phantom.case import PhantomCase


def render(case: PhantomCase, rng: np.random.Generator) -> SyntheticClip:
    """Make the film of a phantom.

    Args:
        case: Everything about it, from `lvef.synthesis.phantom.case.draw_phantom`.
        rng: Random generator for speckle, blood and noise.

    Returns:
        The clip and its truth.
    """
    heart, acquisition = case.heart, case.acquisition
    times = acquisition.times_s
    volume = volume_at(acquisition.rhythm, times + acquisition.start_s)
    relative = volume / heart.ventricle.volume_ml
    low, high = float(relative.min()) - 0.01, max(float(relative.max()), 1.0) + 0.01
    placement = Placement(heart.ventricle, case.pose)
    table = OutlineTable(heart, placement, low, high)
    scatterers = strew(
        heart,
        placement,
        case.echo,
        low=low,
        high=high,
        depth_mm=case.scanner.depth_mm,
        half_angle=case.scanner.half_angle,
        rng=rng,
    )
    fan = Fan(case.size, case.scanner.depth_mm, case.scanner.half_angle)
    maps = fan.maps(case.scanner.n_samples, case.scanner.n_beams)
    imaging = Imaging(case.scanner, acquisition.frame_rate_hz, rng)
    opening = valve_opening(acquisition.rhythm, times + acquisition.start_s)
    shift = case.drift_mm(times)
    amplitude = np.concatenate([scatterers.amplitude, scatterers.leaflet_amplitude])
    frames = np.empty((len(times), case.size, case.size), np.uint8)
    labels = np.empty_like(frames)
    tracings = []
    for i, v in enumerate(relative.tolist()):
        outlines = table.at(v).moved(shift[i])
        leaflets = placement.to_probe(
            heart.leaflet(scatterers.leaflet_phi, scatterers.leaflet_along, float(opening[i]), v)
        )
        points = np.concatenate([scatterers.at(v), leaflets.astype(np.float32)])
        points[:, :2] += shift[i].astype(np.float32)
        grey = imaging.frame(points, amplitude, outlines)
        frames[i] = np.clip(np.round(scan_convert(grey, maps)), 0, 255)
        labels[i] = labels_of(outlines, fan)
        tracings.append(tracing_of(outlines, fan))
    spacing = fan.spacing()
    plane = np.array([volume_of_tracing(tracing, spacing) for tracing in tracings])
    clip = Clip(frames, times, "made so", case.name, spacing=spacing, view=case.view)
    beats = beats_in_clip(acquisition.rhythm, acquisition.start_s, times, plane)
    return SyntheticClip(clip, labels, tuple(tracings), volume, plane, beats, case.parameters())


def valve_opening(rhythm: Rhythm, times_s: FloatArray) -> FloatArray:
    """How far the mitral valve is open, 0-1: wide in early filling and at the kick, half closed between.

    Args:
        rhythm: The beats.
        times_s: ``(n,)`` on the rhythm's clock.
    """
    step = 0.004
    rate = (volume_at(rhythm, times_s + step) - volume_at(rhythm, times_s - step)) / (2 * step)
    stroke = float(np.median(rhythm.ed_volume - rhythm.es_volume))
    filling = rate / max(stroke / (4 * KICK_S), 1e-6)
    return np.asarray(np.clip(np.where(filling > 0.02, 0.35 + 0.65 * filling, 0.0), 0, 1))
