"""Fabricated folders in the layouts of CAMUS, with ellipses for ventricles: a part with PNGs, both whole releases."""

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


CFG = "ED: 1\nES: {n}\nNbFrame: {n}\nSex: {sex}\nAge: {age}\nImageQuality: {quality}\n"
N_FRAMES = 5
VIEWS = {"4CH": (98, 118), "2CH": (90, 104)}
MHD_SPACING = (0.308, 0.154)


def write_nifti(root: Path, n_patients: int = 5, seed: int = 0) -> Path:
    """The NIfTI release as its owners hand it out: both views, half sequences with masks, two cfg files, three lists."""
    rng = np.random.default_rng(seed)
    names = [f"patient{i:04d}" for i in range(1, n_patients + 1)]
    (root / "database_split").mkdir(parents=True)
    lists = {"training": names[2:], "validation": names[:1], "testing": names[1:2]}
    for split, part in lists.items():
        (root / "database_split" / f"subgroup_{split}.txt").write_text("\n".join(part) + "\n")
    affine = np.diag([-SPACING_MM, -SPACING_MM, 1, 1])
    for i, name in enumerate(names):
        folder = root / "database_nifti" / name
        folder.mkdir(parents=True)
        for code, shape in VIEWS.items():
            said = CFG.format(
                n=N_FRAMES, sex="FM"[i % 2], age=50 + i, quality="Good" if code == "4CH" else "Poor"
            )
            (folder / f"Info_{code}.cfg").write_text(f"{said}EF: {40 + i}\nFrameRate: 50.0\n")
            for what, arrays in sequence(shape, rng).items():
                nib.save(nib.Nifti1Image(arrays.T.squeeze(), affine), folder / f"{name}_{code}_{what}.nii.gz")
    return root


def write_metaimage(root: Path, n_patients: int = 3, n_testing: int = 1, seed: int = 0) -> Path:
    """The older release: ``training`` with masks and ``LVef``, ``testing`` without, numbered from 1 again."""
    rng = np.random.default_rng(seed)
    for part, count in (("training", n_patients), ("testing", n_testing)):
        for i in range(1, count + 1):
            folder = root / part / f"patient{i:04d}"
            folder.mkdir(parents=True)
            for code, shape in VIEWS.items():
                said = CFG.format(n=N_FRAMES, sex="FM"[i % 2], age=60 + i, quality="Medium")
                if part == "training":
                    said += f"LVedv: {100 + i}.5\nLVesv: {50 + i}\nLVef: {100 * (50.5) / (100.5 + i):.1f}\n"
                (folder / f"Info_{code}.cfg").write_text(said)
                for what, arrays in sequence(shape, rng).items():
                    if what == "half_sequence_gt" or (part == "testing" and what.endswith("_gt")):
                        continue
                    save_mhd(folder / f"{folder.name}_{code}_{what.removeprefix('half_')}.mhd", arrays)
    return root


def sequence(shape: tuple[int, int], rng: np.random.Generator) -> dict[str, np.ndarray]:
    """A ventricle from ED to ES, ``(frames, height, width)``, with its masks, and both ends as stills."""
    pairs = [still(*shape, squeeze, rng) for squeeze in np.linspace(1.0, 0.7, N_FRAMES)]
    frames, masks = (np.stack(part) for part in zip(*pairs, strict=True))
    return {
        **{"ED": frames[:1], "ED_gt": masks[:1], "ES": frames[-1:], "ES_gt": masks[-1:]},
        **{"half_sequence": frames, "half_sequence_gt": masks},
    }


def save_mhd(path: Path, arrays: np.ndarray) -> None:
    """``(frames, height, width)`` uint8 as a header and a data file beside."""
    frames, height, width = arrays.shape
    path.with_suffix(".raw").write_bytes(arrays.tobytes())
    path.write_text(
        f"ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\nCompressedData = False\n"
        f"ElementSpacing = {MHD_SPACING[0]} {MHD_SPACING[1]} 1\nDimSize = {width} {height} {frames}\n"
        f"ElementType = MET_UCHAR\nElementDataFile = {path.stem}.raw\n"
    )
