"""A small fabricated collection whose manifest has nothing wrong, to be broken one thing at a time."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

SIZE = 64


def frames(n: int, seed: int) -> np.ndarray:
    """Smooth moving noise ``(n, SIZE, SIZE)`` uint8, another for each seed."""
    rng = np.random.default_rng(seed)
    base = cv2.GaussianBlur(rng.uniform(0, 255, (SIZE, SIZE)), (0, 0), 4)
    base = (base - base.min()) / (base.max() - base.min()) * 200 + 20
    return np.stack([np.roll(base, i, axis=0) for i in range(n)]).astype(np.uint8)


def write_avi(path: Path, pictures: np.ndarray, rate: float = 50.0) -> Path:
    """Motion JPEG in AVI as OpenCV writes it."""
    writer = cv2.VideoWriter(
        str(path), cv2.VideoWriter.fourcc(*"MJPG"), rate, pictures.shape[2:0:-1], isColor=True
    )
    for picture in pictures:
        writer.write(cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR))
    writer.release()
    return path


def ventricle(radius: int) -> np.ndarray:
    """A mask ``(SIZE, SIZE)`` with a round left ventricle."""
    return cv2.circle(np.zeros((SIZE, SIZE), np.uint8), (SIZE // 2, SIZE // 2), radius, 1, -1)


def clip_row(root: Path, name: str, **changes: object) -> dict[str, object]:
    """Row of a clip of 20 frames with an EF of 60."""
    return {
        "item": name,
        "collection": "made-up",
        "patient": f"p-{name}",
        "kind": "clip",
        "view": "A4C",
        "root": str(root),
        "path": f"{name}.avi",
        "n_frames": 20,
        "frame_rate_hz": 50.0,
        "duration_s": 0.4,
        "height_px": SIZE,
        "width_px": SIZE,
        "ef_percent": 60.0,
        "edv_ml": 100.5,
        "esv_ml": 40.2,
        "ed_frame": 2,
        "es_frame": 11,
        "split": "train",
        "licence": "none",
    } | changes


def still_rows(root: Path, patient: str, radii: tuple[int, int] = (20, 14), seed: int = 0) -> list[dict]:
    """Writes ED and ES stills with masks, and gives their rows."""
    rows = []
    for index, (phase, radius) in enumerate(zip(("ED", "ES"), radii, strict=True)):
        stem = f"{patient}_{phase}"
        cv2.imwrite(str(root / f"{stem}.png"), frames(1, 100 + 2 * seed + index)[0])
        cv2.imwrite(str(root / f"{stem}_gt.png"), ventricle(radius))
        rows.append(
            clip_row(
                root,
                stem,
                patient=patient,
                kind="still",
                phase=phase,
                path=f"{stem}.png",
                mask_path=f"{stem}_gt.png",
                n_frames=1,
                frame_rate_hz=None,
                duration_s=None,
                ed_frame=None,
                es_frame=None,
                collection="made-up-stills",
            )
        )
    return rows


def write(root: Path, n_clips: int = 4, n_patients: int = 2) -> list[dict]:
    """Files and rows of a sound collection: clips, and ED and ES stills with masks."""
    root.mkdir(parents=True, exist_ok=True)
    rows = []
    for index in range(n_clips):
        name = f"c{index}"
        write_avi(root / f"{name}.avi", frames(20, index))
        rows.append(clip_row(root, name))
    for index in range(n_patients):
        rows += still_rows(root, f"s{index}", seed=index)
    return rows
