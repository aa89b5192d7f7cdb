"""A fabricated folder in the layout of CAMUS, with ellipses for ventricles."""

from __future__ import annotations

from pathlib import Path

import cv2
import nibabel as nib
import numpy as np

SPACING_MM = 0.769


def still(height: int, width: int, squeeze: float, rng: np.random.Generator):
    """An echo-like fan with a ventricle squeezed by a factor, and its labels; both ``(height, width)`` uint8."""
    y, x = np.mgrid[:height, :width].astype(float)
    fan = np.abs(np.arctan2(x - width / 2, y + 1)) < 0.7
    cx, cy, a, b = width / 2, 0.42 * height, 0.13 * width * squeeze, 0.3 * height * (0.5 + 0.5 * squeeze)
    r = np.hypot((x - cx) / a, (y - cy) / b)
    labels = np.where((r >= 1) & (np.hypot((x - cx) / (a + 9), (y - cy) / (b + 9)) < 1), 2, 0)
    labels[(np.hypot((x - cx) / (0.9 * a), (y - cy - b - 0.08 * height) / (0.1 * height)) < 1) & (r >= 1)] = 3
    labels[r < 1] = 1
    base = cy + 0.8 * b
    labels[(labels == 1) & (y > base)] = 3
    grey = np.choose(labels, [80, 15, 150, 18]) * rng.gamma(4, 0.25, labels.shape)
    grey = cv2.GaussianBlur(grey, (0, 0), 1.0)
    return np.clip(grey * fan, 0, 255).astype(np.uint8), (labels * fan).astype(np.uint8)


def write(root: Path, n_patients: int = 4, seed: int = 0) -> Path:
    """Write patients, half of them ``training``, half ``validation``; A4C as NIfTI, A2C as PNG."""
    rng = np.random.default_rng(seed)
    names = [f"patient{i:04d}" for i in range(1, n_patients + 1)]
    (root / "database_split").mkdir(parents=True)
    (root / "a2c_192").mkdir()
    half = n_patients // 2
    for split, part in (("training", names[:half]), ("validation", names[half:])):
        (root / "database_split" / f"subgroup_{split}.txt").write_text("\n".join(part) + "\n")
    for name in names:
        folder = root / "database_nifti" / name
        folder.mkdir(parents=True)
        (folder / "Info_2CH.cfg").write_text("ED: 1\nES: 18\nImageQuality: Good\nEF: 54\nFrameRate: 48.4\n")
        affine = np.diag([-SPACING_MM, -SPACING_MM, 1, 1])
        for phase, squeeze in (("ED", 1.0), ("ES", rng.uniform(0.6, 0.85))):
            for code, shape in (("4CH", (196, 237)), ("2CH", (192, 192))):
                picture, labels = still(*shape, squeeze, rng)
                for array, suffix in ((picture, ""), (labels, "_gt")):
                    stem = f"{name}_{code}_{phase}{suffix}"
                    if code == "4CH":
                        nib.save(nib.Nifti1Image(array.T, affine), folder / f"{stem}.nii.gz")
                    else:
                        cv2.imwrite(str(root / "a2c_192" / f"{stem}.png"), array)
    return root
