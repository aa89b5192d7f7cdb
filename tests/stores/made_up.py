"""Manifests over fabricated clips, stills and tables of tracings."""

from __future__ import annotations

import cv2
import numpy as np

from lvef.datasets.manifest import make_manifest
from lvef.geometry.volume_tracing import volume_tracing_of_mask
from tests.geometry.ventricle_shapes import labels
from tests.io.io_fabrication import moving_grey, write_video

EF = 100 * (1 - 0.7**3)


def ventricle_lines(scale, size=112, turn=0.2):
    """Lines of a half ellipsoid whose volume goes with ``scale ** 3``."""
    mask = labels(
        size=4 * size, centre=(2 * size, 2.6 * size), length=200 * scale, radius=64 * scale, turn=turn
    )
    return (volume_tracing_of_mask(mask) + 0.5) / 4 - 0.5


def write_tracings(path, frames):
    """``VolumeTracings.csv`` of (name, frame, lines)."""
    rows = ["FileName,X1,Y1,X2,Y2,Frame"]
    for name, frame, lines in frames:
        rows += [f"{name}," + ",".join(f"{v:.4f}" for v in line.ravel()) + f",{frame}" for line in lines]
    path.write_text("\n".join(rows) + "\n")
    return path


def row(root, item, **values):
    return {
        "item": item,
        "collection": "test",
        "patient": item,
        "kind": "clip",
        "view": "A4C",
        "root": root,
        "path": f"Videos/{item}.avi",
        "licence": "none",
        **values,
    }


def write_clips(root, n=6, frames=20, height=40, width=60):
    """Clips of 25 frames a second and their manifest, EF 40, 41 ..."""
    (root / "Videos").mkdir(parents=True)
    rows = []
    for i in range(n):
        grey = np.roll(moving_grey(frames + i, height, width), i, axis=2)
        write_video(str(root / "Videos" / f"c{i}.avi"), grey, "mjpeg", "yuvj420p", rate=25)
        rows.append(row(root, f"c{i}", ef_percent=40.0 + i, split="train" if i % 2 else "test"))
    return make_manifest(rows)


def write_echonet(root, n=4, frames=30):
    """Clips in EchoNet-Dynamic's layout with a table of tracings: ES before ED in every second."""
    (root / "Videos").mkdir(parents=True)
    rows, traced = [], []
    for i in range(n):
        write_video(
            str(root / "Videos" / f"e{i}.avi"), moving_grey(frames, 112, 112), "mjpeg", "yuvj420p", rate=50
        )
        ed, es = (20, 5) if i % 2 else (5, 20)
        both = [(f"e{i}.avi", ed, ventricle_lines(1.0)), (f"e{i}.avi", es, ventricle_lines(0.7))]
        traced += sorted(both, key=lambda t: t[1])
        rows.append(row(root, f"e{i}", tracing_path="VolumeTracings.csv", ef_percent=EF, split="train"))
    write_tracings(root / "VolumeTracings.csv", traced)
    return make_manifest(rows)


def write_stills(root):
    """A pair of stills with masks, pixels twice as high as wide, and their manifest."""
    root.mkdir(parents=True)
    rows = []
    for phase, scale in (("ED", 1.0), ("ES", 0.7)):
        mask = labels(size=256, centre=(128, 170), length=100 * scale, radius=32 * scale, turn=0.2)[::2]
        cv2.imwrite(str(root / f"p_{phase}.png"), mask * 60)
        cv2.imwrite(str(root / f"p_{phase}_gt.png"), mask)
        values = {"kind": "still", "phase": phase, "patient": "p", "path": f"p_{phase}.png"}
        rows.append(
            row(
                root,
                f"p_{phase}",
                **values,
                mask_path=f"p_{phase}_gt.png",
                spacing_x_mm=0.3,
                spacing_y_mm=0.6,
            )
        )
    return make_manifest(rows)
