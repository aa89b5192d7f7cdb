"""lvef: left-ventricular ejection fraction from cardiac ultrasound. Research and teaching, not a medical device.

The public API; each name is loaded when it is first used, so that ``import lvef`` takes no time. Type checkers read
``__init__.pyi``.

Example:
    >>> import lvef
    >>> result = lvef.measure(lvef.sample_cine())
    >>> result.view, result.status
    ('A4C', 'partial_cycle')
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.2.0"

__all__ = [
    "EchoResult",
    "LvefError",
    "MeasureOptions",
    "Measurement",
    "QualityRefusal",
    "load_measurer",
    "measure",
    "measure_biplane",
    "measure_stills",
    "measure_study",
    "read_clip",
    "sample_cine",
    "to_dataframe",
]

_MODULES = {
    "EchoResult": "lvef.api",
    "LvefError": "lvef.core.errors",
    "MeasureOptions": "lvef.measure.options",
    "Measurement": "lvef.core.records",
    "QualityRefusal": "lvef.core.errors",
    "load_measurer": "lvef.api",
    "measure_biplane": "lvef.api",
    "measure_stills": "lvef.api",
    "measure_study": "lvef.api",
    "read_clip": "lvef.api",
    "sample_cine": "lvef.io.open",
    "to_dataframe": "lvef.api",
}
"""Public name -> its module. ``measure`` is the package of that name, which can be called: see `lvef.measure`."""


def __getattr__(name: str) -> Any:  # noqa: ANN401
    if name == "measure":
        return import_module("lvef.measure")
    if name not in _MODULES:
        raise AttributeError(f"module 'lvef' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
