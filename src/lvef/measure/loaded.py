"""The measurer of a process that gets its work sent: loaded once, with the same arithmetic on every machine."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from lvef.measure.options import MeasureOptions
from lvef.measure.pipeline import Measurer


@cache
def load_measurer(options: MeasureOptions) -> Measurer:
    """The measurer of this process, loaded once for the same options."""
    return Measurer(options)


def pinned_options(measurer: Measurer) -> MeasureOptions:
    """The options of a measurer with what it chose for ``auto``: another machine must not choose otherwise."""
    engine = measurer.predictor.engine
    return replace(measurer.options, backend=engine.backend, precision=engine.precision)
