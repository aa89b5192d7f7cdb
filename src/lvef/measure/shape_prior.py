"""Contours where the wall cannot be seen: what the model drew, weighed against the shapes and motion of expert contours.

Landmarks and half chords of end-diastole and end-systole together are one vector. Its prior is a normal distribution of the
vectors of expert contours, with every degree of contraction. What the model drew is a measurement of it whose error depends
on the border: small where the probabilities change sharply and the wall is bright, large in shadows and drop-outs. The
posterior mean is measured: septum, base and the other phase then say where a wall lies that cannot be seen. Frames between
the phases move by the same change, in proportion to how far the ventricle has contracted.
"""

from __future__ import annotations

import hashlib
import io
import logging
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lvef.core.errors import WeightsError
from lvef.core.records import BoolArray, FloatArray, Tracing
from lvef.geometry.simpson import volume_of_tracing
from lvef.geometry.smoothing import coordinates_of, tracings_of_coordinates
from lvef.inference.card import REINSTALL
from lvef.inference.catalogue import ModelEntry
from lvef.transforms.frames import Placement

LOG = logging.getLogger("lvef.measure")
"""Where a prior of another model is warned of."""

SHAPE_NAME = "shape.npz"
"""File of the prior beside a model."""

N_COORDINATES, N_FEATURES = 46, 7
"""Of one phase (`lvef.geometry.smoothing.coordinates_of`), and of the border at one coordinate."""

REACH_PX = 6
"""Pixels of the network's square, inwards and outwards, in which the border is looked at."""

PHASE_PERCENTILES = 80, 20
"""Frames at least as large as the first percentile of volumes are end-diastolic, those at most as large as the second
end-systolic."""

MAX_SDS = 3.0
"""Features further from their mean than so many standard deviations count as this far: the error is not extrapolated."""

_POINT_OF_COORDINATE = [0, 0, 1, 1, 2, 2, *range(3, N_COORDINATES - 3)]
_GROUPS = np.array(([0] * 2 + [1] * 4 + [2] * 8 + [3] * 24 + [4] * 8) * 2) + np.repeat([0, 5], N_COORDINATES)
"""Apex, hinge points, half chords near the apex, in the middle and near the base; at ED and ES."""


@dataclass(frozen=True, slots=True, eq=False)
class ShapePrior:
    """Distribution of expert contours, and of the error of a model's.

    Lengths are in long axes of ED; ``m`` is two phases of `N_COORDINATES`.

    Attributes:
        mean: ``(m,)`` of the prior.
        covariance: ``(m, m)`` of the prior.
        noise: ``(m, m)`` covariance of the model's error on unchanged images.
        correlation: ``(m, m)`` of the further error where the border is hard to see.
        feature_mean: ``(N_FEATURES,)``.
        feature_sd: ``(N_FEATURES,)``.
        weights: ``(10 + 2 N_FEATURES,)`` logarithm of the error's variance: group, features, their squares.
        share: Part of ``noise`` that is the model's: the experts' own scatter is in it as well.
        sha256: Of the file.
    """

    mean: FloatArray
    covariance: FloatArray
    noise: FloatArray
    correlation: FloatArray
    feature_mean: FloatArray
    feature_sd: FloatArray
    weights: FloatArray
    share: float
    sha256: str = ""

    def change(self, observed: FloatArray, features: FloatArray) -> FloatArray:
        """Posterior mean less what was observed, ``(m,)``.

        Args:
            observed: ``(m,)`` what the model drew.
            features: ``(m, N_FEATURES)`` of its border.
        """
        variance = np.exp(design(features[None], self.feature_mean, self.feature_sd)[0] @ self.weights)
        usual = np.diag(self.noise)
        # A border that is sharper than usual is believed more, one that is harder to see less.
        sharp = np.sqrt(np.minimum(variance / usual, 1))
        further = np.sqrt(np.maximum(variance - usual, 0))
        noise = self.share * self.noise * np.outer(sharp, sharp)
        noise += self.correlation * np.outer(further, further)
        return np.asarray(noise @ np.linalg.solve(self.covariance + noise, self.mean - observed))

    def correct(
        self, tracings: Sequence[Tracing | None], borders: FloatArray, aspect: float = 1.0
    ) -> list[Tracing | None]:
        """The tracings of a clip, or of an ED and an ES still, with the change of each frame.

        Args:
            tracings: One a frame; None stays None.
            borders: ``(n, N_COORDINATES, N_FEATURES)`` from `border_features`; NaN where not looked at.
            aspect: Pixel height over pixel width of the points.
        """
        result, there = list(tracings), [i for i, tracing in enumerate(tracings) if tracing is not None]
        found = [tracing for tracing in tracings if tracing is not None]
        seen = np.isfinite(borders[there]).all(axis=(1, 2)) if there else np.zeros(0, bool)
        if not seen.any():
            return result
        metric = np.array([1.0, aspect])
        values, volumes = coordinates_of(found, metric), np.array([volume_of_tracing(t) for t in found])
        high, low = np.percentile(volumes[seen], PHASE_PERCENTILES)
        phases: list[BoolArray] = [seen & (volumes >= high), seen & (volumes <= low)]
        drawn = [values[phase].mean(axis=0) for phase in phases]
        observed = np.concatenate([relative(coordinates, drawn[0]) for coordinates in drawn])
        features = np.concatenate([borders[there][phase].mean(axis=0) for phase in phases])
        by_phase = _absolute(self.change(observed, features).reshape(2, N_COORDINATES), drawn[0])
        largest, smallest = (float(volumes[phase].mean()) for phase in phases)
        span = largest - smallest
        contracted = np.clip((largest - volumes) / span, 0, 1) if span > 0 else np.zeros(len(volumes))
        values = values + by_phase[0] + contracted[:, None] * (by_phase[1] - by_phase[0])
        values[:, 6:] = np.sort(values[:, 6:].reshape(len(values), -1, 2), axis=2).reshape(len(values), -1)
        for frame, tracing in zip(there, tracings_of_coordinates(values, metric), strict=True):
            result[frame] = tracing
        return result


def border_features(
    probability: NDArray[np.float32], grey: NDArray[np.float32], tracing: Tracing, placement: Placement
) -> NDArray[np.float32]:
    """How well the border can be seen at each coordinate of a tracing, ``(N_COORDINATES, N_FEATURES)``.

    Change of the cavity's probability over three pixels on either side; mean and largest probability of the wall outside;
    largest step of the cavity's probability; grey level outside less that inside; mean and largest grey level.

    Args:
        probability: ``(classes, size, size)``, with cavity and wall as the second and third class.
        grey: ``(size, size)`` 0-1, as bright as the network sees it.
        tracing: In pixels of the image.
        placement: Where the square lies in the image.
    """
    apex, hinges, chords = (placement.to_network(p) for p in (tracing.apex, tracing.mitral, tracing.chords))
    along = hinges.mean(axis=0) - apex
    along = along / np.hypot(*along)
    normal = np.array([-along[1], along[0]])
    hinges = hinges[np.argsort((hinges - apex) @ normal)]
    chords = np.take_along_axis(chords, np.argsort((chords - apex) @ normal, axis=1)[..., None], axis=1)
    points = np.concatenate([apex[None], hinges, chords.reshape(-1, 2)])
    outwards = np.concatenate([[-along, along, along], np.tile([-normal, normal], (len(chords), 1))])
    steps = np.arange(-REACH_PX, REACH_PX + 1.0)
    at = (points[:, None] + steps[None, :, None] * outwards[:, None]).astype(np.float32)
    cavity, wall, light = (
        cv2.remap(image, at[..., 0], at[..., 1], cv2.INTER_LINEAR) for image in (*probability[1:3], grey)
    )
    change = cavity[:, REACH_PX - 3] - cavity[:, REACH_PX + 3]
    steepest = np.abs(np.gradient(cavity, axis=1)).max(axis=1)
    outside, wall = light[:, REACH_PX + 1 :].mean(axis=1), wall[:, REACH_PX + 1 :]
    contrast = outside - light[:, :REACH_PX].mean(axis=1)
    seen = change, wall.mean(axis=1), contrast, outside, wall.max(axis=1), steepest, light.max(axis=1)
    return np.asarray(np.stack(seen, axis=1)[_POINT_OF_COORDINATE], dtype=np.float32)


def design(features: FloatArray, mean: FloatArray, sd: FloatArray) -> FloatArray:
    """Regressors of the error's variance, ``(k, m, 10 + 2 N_FEATURES)``, of features ``(k, m, N_FEATURES)``."""
    scaled = np.clip((features - mean) / sd, -MAX_SDS, MAX_SDS)
    groups = np.broadcast_to(np.eye(10)[_GROUPS], (*features.shape[:2], 10))
    return np.concatenate([groups, scaled, scaled**2], axis=2)


def relative(coordinates: FloatArray, reference: FloatArray) -> FloatArray:
    """Coordinates ``(N_COORDINATES,)`` from the apex of another tracing's, along its long axis and in units of it."""
    turn, length = _axis(reference)
    points = (coordinates[:6].reshape(3, 2) - reference[:2]) @ turn.T
    return np.concatenate([points.ravel(), coordinates[6:]]) / length


def _absolute(changes: FloatArray, reference: FloatArray) -> FloatArray:
    """Changes ``(k, N_COORDINATES)`` of relative coordinates as changes of coordinates."""
    turn, length = _axis(reference)
    points = changes[:, :6].reshape(-1, 3, 2) @ turn
    return np.concatenate([points.reshape(-1, 6), changes[:, 6:]], axis=1) * length


def _axis(coordinates: FloatArray) -> tuple[FloatArray, float]:
    """Rotation that brings the long axis onto the first coordinate, and its length."""
    along = (coordinates[2:4] + coordinates[4:6]) / 2 - coordinates[:2]
    length = float(np.hypot(*along))
    x, y = along / length
    return np.array([[x, y], [-y, x]]), length


def read_shape_prior(entry: ModelEntry) -> ShapePrior | None:
    """The prior beside a model; None without any, and where it belongs to another model than this one.

    Raises:
        WeightsError: It does not fit the layout.
    """
    path = entry.folder / SHAPE_NAME
    if not path.is_file():
        return None
    try:
        data = path.read_bytes()
        # From memory: of a damaged file, numpy leaves the handle open.
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            held: dict[str, Any] = {name: file[name] for name in file.files}
        owner = str(held["model_sha256"])
        arrays = {name: held[name].astype(np.float64) for name in _SHAPES}
        share = float(held["share"])
        fits = all(arrays[name].shape == shape for name, shape in _SHAPES.items())
        if not (fits and all(np.isfinite(array).all() for array in arrays.values())):
            raise ValueError("an array is of another shape")
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        problem = f"{path}: is no shape prior ({error}); one made for this model was expected"
        raise WeightsError(f"{problem}. {REINSTALL}.") from None
    if owner != entry.card.model_sha256:
        LOG.warning(
            "%s lies beside a model that it was not made for: contours are not corrected by it.", SHAPE_NAME
        )
        return None
    return ShapePrior(**arrays, share=share, sha256=hashlib.sha256(data).hexdigest())


_M = 2 * N_COORDINATES
_SHAPES = {
    **{"mean": (_M,), "covariance": (_M, _M), "noise": (_M, _M), "correlation": (_M, _M)},
    **{"feature_mean": (N_FEATURES,), "feature_sd": (N_FEATURES,), "weights": (10 + 2 * N_FEATURES,)},
}
"""Arrays of the file."""
