"""The predictor for a network's kind."""

from __future__ import annotations

import logging

from lvef.core.terms import EF_KINDS, VOLUME_TRACE
from lvef.inference.card_text import experimental_text
from lvef.inference.catalogue import find_model
from lvef.measure.clip_predictor import ClipPredictor
from lvef.measure.options import MeasureOptions
from lvef.measure.predictor import SegmentationPredictor
from lvef.measure.trace_predictor import VolumeTracePredictor

LOG = logging.getLogger("lvef.measure")
"""Where a network is warned of once it is loaded."""

TracingPredictor = SegmentationPredictor | VolumeTracePredictor
"""Predictors that give a tracing of each frame."""

AnyPredictor = TracingPredictor | ClipPredictor
"""All predictors; each has an ``entry`` (its network) and an ``engine`` (what it runs on)."""


def load_predictor(options: MeasureOptions) -> AnyPredictor:
    """Load the network that is asked for, whatever it gives.

    Args:
        options: Which network, backend and precision.

    Raises:
        WeightsError: No such network, it is damaged, or not what its card says.
        ConfigError: A backend or precision that is not to be had.
    """
    entry = find_model(options.weights)
    if entry.card.experimental:
        LOG.warning("%s", experimental_text(entry.card))
    if entry.card.kind in EF_KINDS:
        return ClipPredictor(options, entry)
    return (
        VolumeTracePredictor(options, entry)
        if entry.card.kind == VOLUME_TRACE
        else SegmentationPredictor(options, entry)
    )
