"""Predictions of a model by the measurer that serves, cached on disk."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lvef.core.errors import DataError, LvefError
from lvef.core.records import Clip, FloatArray, FrameArray, Measurement, Tracing, VolumeCurve
from lvef.core.terms import Status
from lvef.evaluation.runner import settings_key, used_weights
from lvef.io.atomic import atomic_path, write_text_atomic
from lvef.measure.options import MeasureOptions
from lvef.measure.pipeline import Measurer
from lvef.measure.results import failed_measurement
from lvef.measure.serializers import measurement_json, read_measurement
from lvef.transforms.sector import find_sector

MEASUREMENT, FRAMES = "measurement.json", "frames.npz"
"""Files of a kept prediction."""

_POINTS = ("apex", "base", "mitral", "chords")


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """Prediction of a model for a clip.

    Attributes:
        measurement: As `lvef measure` gives it, with all tracings and the curve; of a still only the tracing counts.
        labels: ``(n, size, size)`` uint8, most probable class of each pixel of the model's square before any tracing; None
            for a model that marks no pixels, and for a clip that was refused before it was shown to the model.
    """

    measurement: Measurement
    labels: FrameArray | None

    @property
    def tracings(self) -> tuple[Tracing | None, ...]:
        """One a frame; empty where nothing was traced."""
        return self.measurement.tracings

    @property
    def is_comparable(self) -> bool:
        """Whether its contours can be compared: some exist, or a refusal stands for them."""
        return bool(self.tracings) or self.measurement.status is Status.REFUSED

    @property
    def ef_percent(self) -> float:
        """The measured EF; NaN where there is none."""
        ef = self.measurement.ef_percent
        return float("nan") if ef is None else float(ef)


class Model:
    """An evaluated model. Safe to use from several threads.

    Args:
        options: Which weights and precision.
        label: Its name in tables.

    Raises:
        WeightsError: No such weights, or they are damaged.
    """

    def __init__(self, options: MeasureOptions, label: str) -> None:
        self.label = label
        self.measurer = Measurer(options)
        self.entry = self.measurer.predictor.entry
        self.key = settings_key(used_weights(self.measurer.predictor, 0))
        self._seen = threading.local()
        self._observe()

    def predict(self, clip: Clip) -> Prediction:
        """Measure a clip as `lvef measure` does, or trace a still. A refusal is a prediction too."""
        self._seen.labels = []
        try:
            measurement = self._still(clip) if len(clip.frames) == 1 else self.measurer.measure_clip(clip)
        except LvefError as error:
            measurement = failed_measurement(clip.source, error, clip)
        labels = self._seen.labels
        whole = len(labels) == len(clip.frames)
        return Prediction(measurement, np.stack(labels) if whole else None)

    def _still(self, clip: Clip) -> Measurement:
        predictor = self.measurer.predictor
        if not predictor.structures:
            raise DataError(f"{clip.source}: {self.label} predicts the EF of clips; it cannot trace a still.")
        frames, box = predictor.shown(clip, find_sector(clip))
        tracings = predictor.trace(frames, box, clip.spacing).tracings
        return Measurement(clip.source, Status.PARTIAL_CYCLE, n_frames=1, tracings=tracings)

    def _observe(self) -> None:
        """Keep the classes that pass by while the measurer traces: nothing is computed twice, nothing is changed."""
        predictor: Any = self.measurer.predictor
        original = getattr(predictor, "batches", None)
        if original is None:
            return

        def batches(*args: Any, **options: Any) -> Iterator[NDArray[np.float32]]:  # noqa: ANN401
            for probabilities in original(*args, **options):
                self._seen.labels.extend(probabilities.argmax(axis=1).astype(np.uint8))
                yield probabilities

        predictor.batches = batches


class Cache:
    """Predictions on the disk, by model, code and the frames themselves.

    Args:
        folder: Where they lie; made when it is missing.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def predict(self, model: Model, clip: Clip, name: str) -> Prediction:
        """The kept prediction, or a new one that is kept from now on.

        Args:
            model: The model.
            clip: The clip.
            name: Its name, which may be that of a file.
        """
        folder = self.folder / f"{model.label}-{model.key}" / f"{name}-{digest(clip)}"
        if (folder / MEASUREMENT).is_file():
            return _read(folder)
        prediction = model.predict(clip)
        folder.mkdir(parents=True, exist_ok=True)
        _write(folder, prediction)
        return prediction


def digest(clip: Clip) -> str:
    """Changes with the frames and their times."""
    found = hashlib.sha256(clip.frames.tobytes())
    found.update(clip.times_s.tobytes())
    return found.hexdigest()[:12]


def _write(folder: Path, prediction: Prediction) -> None:
    m = prediction.measurement
    arrays: dict[str, NDArray[Any]] = {}
    if m.tracings:
        contours = [np.zeros((0, 2)) if t is None else t.contour for t in m.tracings]
        arrays["lengths"] = np.array([len(c) for c in contours])
        arrays["contours"] = np.concatenate(contours)
        shapes = {"apex": (2,), "base": (2,), "mitral": (2, 2), "chords": (20, 2, 2)}
        for part in _POINTS:
            arrays[part] = np.stack(
                [np.full(shapes[part], np.nan) if t is None else getattr(t, part) for t in m.tracings]
            )
    if m.curve is not None:
        arrays |= {"times_s": m.curve.times_s, "volume": m.curve.volume, "length": m.curve.length}
        arrays["calibrated"] = np.array(m.curve.calibrated)
    if prediction.labels is not None:
        arrays["labels"] = prediction.labels
    with atomic_path(folder / FRAMES) as temporary:
        np.savez_compressed(temporary, **arrays)  # type: ignore[arg-type]
    # Last, because it says that the rest is there.
    write_text_atomic(folder / MEASUREMENT, measurement_json(m))


def _read(folder: Path) -> Prediction:
    measurement = read_measurement(folder / MEASUREMENT)
    with np.load(folder / FRAMES, allow_pickle=False) as found:
        arrays = dict(found)
    curve = None
    if "volume" in arrays:
        curve = VolumeCurve(arrays["times_s"], arrays["volume"], arrays["length"], bool(arrays["calibrated"]))
    tracings = _tracings(arrays) if "lengths" in arrays else ()
    return Prediction(replace(measurement, tracings=tracings, curve=curve), arrays.get("labels"))


def _tracings(arrays: dict[str, NDArray[Any]]) -> tuple[Tracing | None, ...]:
    contours: list[FloatArray] = np.split(arrays["contours"], np.cumsum(arrays["lengths"])[:-1])
    return tuple(
        None if not len(contour) else Tracing(contour, *(arrays[part][i] for part in _POINTS))
        for i, contour in enumerate(contours)
    )
