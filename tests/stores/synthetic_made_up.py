"""A source of synthetic clips that costs nothing: half an ellipsoid that beats, in a few frames."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lvef.core.errors import GeometryError
from lvef.core.records import Clip, PixelSpacing
from lvef.core.terms import View
from lvef.geometry.simpson import volume_of_tracing
from lvef.geometry.tracing import tracing_of_contour
from lvef.stores.synthetic import Task
from lvef.stores.synthetic_files import Terms
from lvef.synthesis.truth import SyntheticClip, beats_in_clip
from lvef.synthesis.volume_curves import regular, volume_at
from tests.geometry.ventricle_shapes import labels

SIZE = 112
SPACING = PixelSpacing(1.2, 1.2, "made up")


def contour(length, radius, centre=(56.0, 76.0)):
    turn = np.linspace(np.pi, 2 * np.pi, 60)
    return np.stack([centre[0] + radius * np.cos(turn), centre[1] + length * np.sin(turn)], axis=1)


def tracing(length, radius, centre=(56.0, 76.0)):
    apex = np.array([centre[0], centre[1] - length])
    mitral = np.array([[centre[0] - radius, centre[1]], [centre[0] + radius, centre[1]]])
    return tracing_of_contour(contour(length, radius, centre), apex, mitral)


def beating(rng, name="made", *, n_frames=40, rate_hz=25.0, view=View.A4C, spacing=SPACING):
    """A clip of one or two beats; EF 40 to 70 and the noise are drawn."""
    rhythm = regular(6, 75.0, float(rng.uniform(40, 70)))
    times = np.arange(n_frames) / rate_hz
    volume = volume_at(rhythm, times)
    scale = np.cbrt(volume / volume.max())
    frames = rng.integers(20, 60, (n_frames, SIZE, SIZE)).astype(np.uint8)
    masks = np.empty_like(frames)
    for i, s in enumerate(scale):
        masks[i] = labels(size=SIZE, centre=(56.0, 76.0), length=45 * s, radius=15 * s)
        frames[i][masks[i] == 2] += 90
    tracings = tuple(tracing(45 * s, 15 * s) for s in scale)
    plane = np.array([volume_of_tracing(t, spacing) for t in tracings])
    clip = Clip(frames, times, "synthetic", name, spacing=spacing, view=view)
    beats = beats_in_clip(rhythm, 0.0, times, plane)
    parameters = {"rhythm": "sinus", "ef_percent": np.float64(rhythm.ef_percent[0]), "list": np.arange(3)}
    return SyntheticClip(clip, masks, tracings, volume, plane, beats, parameters)


@dataclass(frozen=True)
class MadeUp:
    """Names decide what goes wrong: a reason by number."""

    refused: tuple[int, ...] = ()
    broken: tuple[int, ...] = ()
    short: tuple[int, ...] = ()
    interrupted: tuple[int, ...] = ()
    killed: tuple[int, ...] = ()
    n_frames: int = 40
    calls: str = ""

    @property
    def settings(self):
        return {"made_of": "nothing", "n_frames": self.n_frames}

    @property
    def terms(self):
        return Terms("made-up", "CC0-1.0", "Nobody's.")

    def make(self, task, rng):
        if self.calls:
            with Path(self.calls).open("a", encoding="utf-8") as file:
                file.write(f"{task.name} {os.getpid()}\n")
        k = task.key[-1]
        if k in self.refused:
            raise GeometryError("The wall crosses itself.")
        if k in self.broken:
            raise RuntimeError("secret of a bug")
        if k in self.interrupted:
            raise KeyboardInterrupt
        if k in self.killed:
            os._exit(9)
        return beating(rng, task.name, n_frames=12 if k in self.short else self.n_frames)


def tasks(n):
    parts = ("TRAIN", "VAL", "TEST")
    return [Task(f"made{k:03d}", f"made{k:03d}", 1, parts[k % 3], (k,)) for k in range(1, n + 1)]
