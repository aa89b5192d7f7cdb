"""Drawn hearts of known grey levels, texture and edge, as stills, as clips in memory and as a collection on disk."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.special import erf

from lvef.core.records import Clip, PixelSpacing
from lvef.core.terms import View
from lvef.io.avi import BEST_QUALITY, encode_motion_jpeg
from lvef.io.nifti import encode_label_nifti
from lvef.synthesis.truth import SyntheticClip, TrueBeat
from studies.appearance.measures import LabelledImage

RADIUS_MM, WALL_MM = 25.0, 12.0


def labels(size: int, spacing_mm: float, squeeze: float = 1.0) -> np.ndarray:
    """A round ventricle in the middle, open below over a third of its width, with an atrium below."""
    x, y, r = _polar(size, spacing_mm)
    radius = RADIUS_MM * squeeze
    found = np.where(r < radius + WALL_MM, 2, 0)
    opening = (np.abs(x) < radius / 3) & (y > 0)
    found[opening & (r >= radius)] = 0
    found[opening & (r >= radius) & (r < radius + 20)] = 3
    found[r < radius] = 1
    return found.astype(np.uint8)


def stepped(
    size: int, spacing_mm: float, height: float, width_mm: float, offset_mm: float = 0.0
) -> LabelledImage:
    """Cavity 60, wall 60 + height (twice that on the left), with a Gaussian edge of that 10-90 % width."""
    x, _, r = _polar(size, spacing_mm)
    sigma = width_mm / (2 * 1.2815515655446004)
    step = (1 + erf((r - RADIUS_MM - offset_mm) / (sigma * np.sqrt(2)))) / 2
    grey = 60 + height * np.where(x < 0, 2, 1) * step
    return LabelledImage(np.round(grey).astype(np.uint8), labels(size, spacing_mm), spacing_mm)


def grain(shape: tuple[int, ...], sigma: tuple[float, ...], rng: np.random.Generator) -> np.ndarray:
    """Gaussian grain of mean 0 and deviation 1; its autocorrelation is a Gaussian of sigma times the root of two.

    Drawn on a grid three times as fine, since a filter of half a pixel is no Gaussian.
    """
    fine = rng.standard_normal([3 * n for n in shape])
    noise = gaussian_filter(fine, [3 * s for s in sigma], mode="wrap")[::3, ::3]
    return noise / noise.std()


def fwhm(sigma: float) -> float:
    """Full width at half maximum of the autocorrelation of `grain`."""
    return float(2 * np.sqrt(2 * np.log(2)) * np.sqrt(2) * sigma)


def cine(
    name: str, rng: np.random.Generator, n: int = 12, size: int = 112, wall: float = 120.0
) -> SyntheticClip:
    """A fan with a beating ventricle in fresh grain; ED is frame 2, ES frame 6."""
    mm = 1.5
    squeeze = 1 - 0.15 * (1 - np.cos(2 * np.pi * (np.arange(n) - 2) / 8))
    masks = np.stack([labels(size, mm, s) for s in squeeze])
    grey = np.choose(masks, [80.0, 55.0, wall, 70.0]) + 12 * np.stack(
        [grain((size, size), (0.7, 0.9), rng) for _ in range(n)]
    )
    x, y, _ = _polar(size, mm)
    grey *= np.abs(x) < (y + size * mm / 2) * 0.8
    clip = Clip(
        np.clip(grey, 0, 255).astype(np.uint8),
        np.arange(n) / 25,
        "made so",
        name,
        spacing=PixelSpacing(mm, mm, "made so"),
        view=View.A4C,
    )
    beat = TrueBeat(0.08, 0.24, 0.4, 2, 6, 50.0, 50.0, "normal")
    volume = 100 * squeeze**3
    return SyntheticClip(clip, masks, (), volume, volume, (beat,), {"patient": f"heart of {name}"})


def write_collection(
    folder: Path, clips: dict[str, SyntheticClip], views: dict[str, str] | None = None
) -> Path:
    """The files of `lvef synthesize` that are read here."""
    for sub in ("Videos", "Masks"):
        (folder / sub).mkdir(parents=True)
    rows, parameters = ["FileName,X1,Y1,X2,Y2,Frame"], []
    for name, synthetic in clips.items():
        clip, beat = synthetic.clip, synthetic.representative
        assert clip.spacing is not None
        (folder / "Videos" / f"{name}.avi").write_bytes(
            encode_motion_jpeg(clip.frames, 25.0, quality=BEST_QUALITY)
        )
        mm = (clip.spacing.x_mm, clip.spacing.y_mm)
        (folder / "Masks" / f"{name}.nii.gz").write_bytes(encode_label_nifti(synthetic.labels, mm, 0.04))
        # ES first: the order tells nothing.
        rows += [f"{name}.avi,1,2,3,4,{frame}" for frame in (beat.es_frame, beat.ed_frame) for _ in range(21)]
        parameters.append(
            {
                "FileName": name,
                "patient": synthetic.parameters["patient"],
                "view": (views or {}).get(name, "A4C"),
                "parameters": {},
            }
        )
    (folder / "VolumeTracings.csv").write_text("\n".join(rows) + "\n")
    (folder / "Parameters.jsonl").write_text("".join(json.dumps(t) + "\n" for t in parameters))
    return folder


def _polar(size: int, spacing_mm: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    y, x = (np.mgrid[:size, :size] - (size - 1) / 2) * spacing_mm
    return x, y, np.hypot(x, y)
