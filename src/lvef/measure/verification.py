"""Verifies the folder of a model: card, hash, loading, one inference, calibration."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lvef.core.errors import LvefError, WeightsError
from lvef.inference.card import CARD_NAME, read_card
from lvef.inference.catalogue import ModelEntry, check_hash, input_shapes, open_model, output_shapes
from lvef.measure.interval import INTERVAL_NAME, read_calibration
from lvef.measure.shape_prior import SHAPE_NAME, read_shape_prior


@dataclass(frozen=True, slots=True)
class Verification:
    """What was found.

    Attributes:
        name: The model's name, or that of its folder where the card cannot be read.
        version: Its version; empty where the card cannot be read.
        folder: Where it lies.
        problem: What is wrong, one sentence; empty where all is right.
        checked: What was right, in the order of the checks.
    """

    name: str
    version: str
    folder: Path
    problem: str
    checked: tuple[str, ...]


def verify_model(folder: Path, backend: str = "auto") -> Verification:
    """Verify that a model can be used: stops at the first thing that is wrong.

    Args:
        folder: With ``model.onnx`` and ``card.json``.
        backend: See `lvef.inference.session.open_session`.
    """
    name, version, checked, problem = folder.name, "", [], ""
    try:
        card = read_card(folder)
        name, version = card.name, card.version
        checked.append(CARD_NAME)
        entry = ModelEntry(card.name, folder, card)
        check_hash(entry)
        checked.append("hash")
        _run_on_zeros(entry, backend)
        checked.append("inference")
        prior = read_shape_prior(entry)
        if (folder / SHAPE_NAME).is_file():
            if prior is None:
                raise WeightsError(f"{folder / SHAPE_NAME}: is of another model file; fit it to this one.")
            checked.append(SHAPE_NAME)
        if (folder / INTERVAL_NAME).is_file():
            calibration = read_calibration(folder)
            made_for = calibration and (calibration.model_sha256, calibration.shape_sha256)
            if made_for and made_for != (card.model_sha256, prior.sha256 if prior else ""):
                other = "model file" if made_for[0] != card.model_sha256 else "shape prior"
                raise WeightsError(
                    f"{folder / INTERVAL_NAME}: is of another {other}; run lvef weights calibrate."
                )
            checked.append(INTERVAL_NAME)
    except LvefError as error:
        problem = str(error)
    return Verification(name, version, folder, problem, tuple(checked))


def _run_on_zeros(entry: ModelEntry, backend: str) -> None:
    """Load the model and run it once.

    Raises:
        WeightsError: It cannot be loaded, or its output is not what the card says.
    """
    session = open_model(entry, backend=backend, precision="f32", threads=1)
    zeros = {
        name: np.zeros([1 if side is None else side for side in shape], np.float32)
        for name, shape in input_shapes(entry.card).items()
    }
    try:
        out = session.start(zeros.get("", zeros))()
    except Exception as error:  # noqa: BLE001  engines raise types of their own
        raise WeightsError(
            f"{entry.model_path}: it cannot be run on zeros ({type(error).__name__})."
        ) from None
    shapes = [tuple(1 if side is None else side for side in shape) for shape in output_shapes(entry.card)]
    if out.shape not in shapes or not np.isfinite(out).all():
        what = "values that are no numbers" if out.shape in shapes else f"the shape {out.shape}"
        raise WeightsError(f"{entry.model_path}: on zeros its output has {what}; {shapes[0]} was expected.")
