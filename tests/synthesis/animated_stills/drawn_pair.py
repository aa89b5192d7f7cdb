"""Two drawn stills of one heart: half ellipsoids with wall and atrium in a sector, filled with speckle."""

import cv2
import numpy as np

from lvef.core.records import PixelSpacing
from lvef.core.terms import View
from lvef.synthesis.animated_stills.matching import StillPair
from tests.geometry.ventricle_shapes import labels

GREY = np.array([70, 40, 110, 45], np.float32)

ED = {"centre": (66.0, 96.0), "length": 58.0, "radius": 19.0, "wall": 7.0}
ES = {"centre": (66.0, 90.0), "length": 50.0, "radius": 14.0, "wall": 10.0}

SPACING = PixelSpacing(1.2, 1.2, "drawn")


def sector(shape):
    y, x = np.mgrid[: shape[0], : shape[1]]
    x, y = x - shape[1] / 2, y - 2
    return (y > np.abs(x) * 1.1) & (np.hypot(x, y) < shape[0] - 8)


def image(mask, seed, *, fan=True):
    rng = np.random.default_rng(seed)
    grain = cv2.GaussianBlur(rng.standard_normal(mask.shape, dtype=np.float32), (0, 0), 1.0)
    still = np.clip(GREY[mask] + 12 * grain / grain.std(), 6, 255)
    if fan:
        still = np.where(sector(mask.shape), still, 0)
    return np.rint(still).astype(np.uint8)


def drawn_pair(*, size=(128, 140), shapes=(ED, ES), spacing=SPACING, view=View.A4C, fan=True, **changes):
    masks = [labels(size=size, **shape) for shape in shapes]
    values = {
        "ed": image(masks[0], 1, fan=fan),
        "es": image(masks[1], 2, fan=fan),
        "ed_labels": masks[0],
        "es_labels": masks[1],
        "spacing": spacing,
        "view": view,
        "patient": "drawn",
    }
    return StillPair(**(values | changes))
