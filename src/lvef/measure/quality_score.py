"""The score of image quality: an ordinal logistic model of a few parts; its coefficients lie beside the model."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from lvef.core.config import read_json_config
from lvef.core.errors import WeightsError
from lvef.inference.card import REINSTALL
from lvef.inference.catalogue import ModelEntry

LOG = logging.getLogger("lvef.measure")
"""Where coefficients of another model are warned of."""

QUALITY_NAME = "quality.json"
"""File of the score's coefficients beside a model."""

QUALITY_SCHEMA = "lvef-quality/1"
"""Version of its layout."""

SCORED = {
    "visible_border": 1, "border_contrast": 1, "apical_haze": -1, "far_to_near": 1, "apex_depth": -1, "certainty": 1,
}  # fmt: skip
"""Parts of the score, and whether more of it is better. More parts (haze, regions, shape) add less than .03 to the rank
correlation with the label. Without certainty a shadow or a drop-out over the wall hardly lowers the score; it is
no higher on patients that a model was trained on (.881, and .881 on those set aside)."""


@dataclass(frozen=True)
class ScoredPart:
    """One part in the score."""

    name: str
    """Name of the part, of `SCORED`."""
    low: float
    """1st percentile in training; lower values count as this one: the score does not extrapolate."""
    high: float
    """99th percentile."""
    mean: float
    """Mean in training."""
    sd: float
    """Standard deviation in training."""
    weight: float
    """Coefficient of the standardised part."""


@dataclass(frozen=True)
class QualityScale:
    """An ordinal logistic model: probability of a label of at least ``medium``, and of ``good``.

    Source:
        McCullagh, J R Stat Soc B 42:109-142, 1980 (proportional odds).
    """

    model_sha256: str
    """SHA-256 of the ``model.onnx`` whose contours it was fitted on."""
    parts: tuple[ScoredPart, ...]
    """Parts and their coefficients."""
    medium: float
    """Cut-off of ``medium`` on the linear predictor."""
    good: float
    """Cut-off of ``good``."""
    trained_on: str
    """Patients and label."""
    licence: str
    """Licence of that data, and so of these coefficients."""
    citation: str
    """How to cite it."""
    command: str
    """Command that made the file."""
    metrics: dict[str, float] = field(default_factory=dict)
    """Metrics by name, in cross-validation by patient."""
    schema: str = QUALITY_SCHEMA
    """Version of this layout."""

    def score(self, parts: Mapping[str, float | None]) -> float | None:
        """Expected label on a scale from 0 (poor) over .5 (medium) to 1 (good); None where a part is not known."""
        values = [parts.get(part.name) for part in self.parts]
        known = [value for value in values if value is not None and np.isfinite(value)]
        if len(known) < len(self.parts):
            return None
        linear = sum(
            part.weight * (min(max(value, part.low), part.high) - part.mean) / part.sd
            for part, value in zip(self.parts, known, strict=True)
        )
        return float(sum(1 / (1 + np.exp(cut - linear)) for cut in (self.medium, self.good)) / 2)


def read_quality_scale(entry: ModelEntry) -> QualityScale | None:
    """The coefficients beside a model; None without any, and where they belong to another model than this one.

    Raises:
        WeightsError: They do not fit the layout.
    """
    path = entry.folder / QUALITY_NAME
    if not path.is_file():
        return None
    scale = read_json_config(QualityScale, path, QUALITY_SCHEMA, REINSTALL, WeightsError)
    if scale.model_sha256 != entry.card.model_sha256:
        LOG.warning(
            "%s lies beside a model that it was not made for: clips get no image-quality score.", QUALITY_NAME
        )
        return None
    return scale
