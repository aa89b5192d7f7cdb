"""Whether the ventricle shortens between ED and ES as a heart can: a change of depth or zoom looks like a high EF."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lvef.core.records import CodedWarning, Measurement

MIN_LENGTH_RATIO = 0.6
"""Length of the ventricle at ES as a part of that at ED. Expert masks of 200 CAMUS training patients (A4C): 0.71 to 0.98."""

SHORTENING = "implausible_shortening"
"""Code of the warning."""


def with_shortening_warning(measurement: Measurement) -> Measurement:
    """The measurement, with a warning where its ventricle is far shorter at ES than at ED.

    Args:
        measurement: With its volume curve, and with the ED and ES frame that are shown.
    """
    m = measurement
    if m.curve is None or m.ed_frame is None or m.es_frame is None:
        return m
    ed, es = m.curve.length[m.ed_frame], m.curve.length[m.es_frame]
    # A length that is not known is no reason for a warning.
    if not (np.isfinite([ed, es]).all() and es < MIN_LENGTH_RATIO * ed):
        return m
    text = (
        f"At ES the ventricle has {es / ed:.0%} of its length at ED, hearts have at least {MIN_LENGTH_RATIO:.0%}: the "
        "depth or zoom was changed, or a contour is wrong. Check the contours before you use the EF."
    )
    return replace(m, notices=(*m.notices, CodedWarning(SHORTENING, text)))
