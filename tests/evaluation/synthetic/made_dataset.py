"""A small synthetic collection of drawn ellipses, and a measurer that knows their contours and can be made to err."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import astuple, fields, replace
from pathlib import Path

import numpy as np

from lvef.core.records import Beat, Clip, Measurement, PixelSpacing
from lvef.core.terms import Status, Structure, View
from lvef.geometry.beats import analyse_beats
from lvef.geometry.contour import mask_of_contour
from lvef.geometry.simpson import volume_of_tracing
from lvef.geometry.tracing import volume_curve_of_tracings
from lvef.io.avi import encode_motion_jpeg
from lvef.io.nifti import encode_label_nifti
from lvef.io.open import open_clip
from lvef.measure.options import MeasureOptions
from lvef.measure.results import base_measurement, with_beat
from lvef.synthesis.truth import SyntheticClip, TrueBeat, beats_in_clip
from lvef.synthesis.volume_curves import Acquisition, RhythmKind, draw_acquisition, volume_at
from tests.measure.made_up import PROVENANCE, ellipse_tracing

SIZE, SPACING = 112, PixelSpacing(1.4, 1.4, "made up")


def make_clip(acquisition: Acquisition, name: str, **parameters: object) -> SyntheticClip:
    """An ellipse whose half axes follow the cube root of the volume."""
    times = acquisition.times_s
    volume = volume_at(acquisition.rhythm, times + acquisition.start_s)
    scale = np.cbrt(volume / 120)
    tracings = tuple(ellipse_tracing((56.0, 45.0), (16.0 * s, 31.0 * s), 200) for s in scale.tolist())
    inside = np.stack([mask_of_contour(t.contour, (SIZE, SIZE)) for t in tracings])
    labels = (inside * np.uint8(Structure.LV)).astype(np.uint8)
    plane = np.array([volume_of_tracing(t, SPACING) for t in tracings])
    beats = beats_in_clip(acquisition.rhythm, acquisition.start_s, times, plane)
    frames = np.where(inside > 0, 40, 120).astype(np.uint8)
    clip = Clip(frames, times, "made", name, SPACING, view=View.A4C)
    told = {"rhythm": str(acquisition.kind), "gain": 1.0, "ef_percent": 99.0} | parameters
    return SyntheticClip(clip, labels, tracings, volume, plane, beats, told)


def make_clips(n: int, seed: int = 0) -> list[SyntheticClip]:
    """Clips of all rhythms, EFs of 25 to 65 %."""
    rng, kinds = np.random.default_rng(seed), list(RhythmKind)
    return [
        make_clip(
            draw_acquisition(
                rng,
                ed_volume_ml=120,
                ef_percent=25 + 40 * i / max(n - 1, 1),
                kind=kinds[i % 3],
                frame_rate_hz=(30.0, 50.0, 60.0)[i % 3],
            ),
            f"made{i + 1:03d}",
            noise={"level": float(i)},
        )
        for i in range(n)
    ]


def write(folder: Path, clips: list[SyntheticClip]) -> Path:
    """Write the layout."""
    for part in ("Videos", "Masks", "Curves"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    listed, beats, told = ["FileName,EF,ESV,EDV,FrameHeight,FrameWidth,FPS,NumberOfFrames,Split"], [], []
    beats.append(",".join(["FileName", *(f.name for f in fields(TrueBeat)), "rhythm"]))
    for c in clips:
        name, rate = c.clip.source, c.clip.frame_rate_hz
        (folder / "Videos" / f"{name}.avi").write_bytes(encode_motion_jpeg(c.clip.frames, rate, quality=100))
        packed = encode_label_nifti(c.labels, (SPACING.x_mm, SPACING.y_mm), 1 / rate)
        (folder / "Masks" / f"{name}.nii.gz").write_bytes(packed)
        rows = zip(c.clip.times_s, c.volume_ml, c.plane_volume_ml, strict=True)
        lines = [f"{i},{t:.6f},{v:.4f},{p:.4f}" for i, (t, v, p) in enumerate(rows)]
        text = "\n".join(["frame,time_s,volume_ml,plane_volume_ml", *lines]) + "\n"
        (folder / "Curves" / f"{name}.csv").write_text(text)
        listed.append(f"{name},{c.representative.plane_ef_percent},1,2,112,112,{rate},{len(lines)},TEST")
        beats += [",".join(map(str, [name, *astuple(b), c.parameters["rhythm"]])) for b in c.beats]
        told.append(
            json.dumps({"FileName": name, "patient": name, "view": "A4C", "parameters": c.parameters})
        )
    (folder / "FileList.csv").write_text("\n".join(listed) + "\n")
    (folder / "Beats.csv").write_text("\n".join(beats) + "\n")
    (folder / "Parameters.jsonl").write_text("\n".join(told) + "\n")
    return folder


class TruthMeasurer:
    """Measures as the pipeline does, with the true contours for a network's.

    Args:
        clips: Whose contours it knows.
        change: Makes it err.
    """

    def __init__(
        self, clips: list[SyntheticClip], change: Callable[[Measurement], Measurement] = lambda m: m
    ) -> None:
        self.known = {c.clip.source: c for c in clips}
        self.change = change
        self.asked: list[str] = []

    def measure(self, path: Path) -> tuple[Measurement, Clip | None]:
        self.asked.append(path.stem)
        clip = open_clip(path)
        tracings = self.known[path.stem].tracings[: len(clip.frames)]
        options = MeasureOptions()
        curve = volume_curve_of_tracings(tracings, clip.times_s, clip.spacing)
        base = base_measurement(clip, curve, tracings, options)
        analysis = analyse_beats(curve)
        if analysis.representative is None:
            found = replace(base, reason=f"{path}: {analysis.reason}", reason_code=analysis.reason_code)
        else:
            status = Status.PARTIAL_CYCLE if analysis.partial else Status.OK
            found = replace(base, status=status, beats=analysis.beats)
            found = with_beat(found, analysis.representative, options)
        return self.change(replace(found, provenance=PROVENANCE)), clip


def later(beat: Beat, frames: int) -> Beat:
    """A beat found so many frames too late."""
    end = None if beat.end_frame is None else beat.end_frame + frames
    return replace(beat, ed_frame=beat.ed_frame + frames, es_frame=beat.es_frame + frames, end_frame=end)
