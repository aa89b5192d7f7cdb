"""Terms of the field: views, phases, splits, structures, statuses."""

from __future__ import annotations

from enum import IntEnum, StrEnum


class View(StrEnum):
    """View of a clip or still. Only A4C and A2C can be measured: `MEASURABLE_VIEWS`."""

    A4C = "A4C"
    A2C = "A2C"
    OTHER_APICAL = "other_apical"
    PLAX = "PLAX"
    PSAX = "PSAX"
    SUBCOSTAL = "subcostal"
    NOT_ECHO = "not_echo"
    UNKNOWN = "unknown"


MEASURABLE_VIEWS = (View.A4C, View.A2C)
"""Views from which an EF is measured."""

RECOGNISED_VIEWS = tuple(view for view in View if view is not View.UNKNOWN)
"""Views that a view model has a probability of, in the order of its output."""

GIVEN_VIEWS = (View.A4C, View.A2C, View.UNKNOWN)
"""What a user may say of a file."""


class ViewSource(StrEnum):
    """Where the view of a result comes from."""

    FILE = "file"
    USER = "user"
    IMAGE = "image"


class Decision(StrEnum):
    """Whether an EF may be used: as it is, only after a look at the contours, or not at all (then there is none)."""

    ACCEPTED = "accepted"
    CAUTION = "caution"
    REFUSED = "refused"


class DatasetView(StrEnum):
    """View as datasets label their images; `View` holds those that can be measured."""

    A4C = "A4C"
    A2C = "A2C"
    PLAX = "PLAX"
    PSAX = "PSAX"
    OTHER = "other"
    UNKNOWN = "unknown"


class Phase(StrEnum):
    """Cardiac phase: end-diastole (largest volume) or end-systole (smallest)."""

    ED = "ED"
    ES = "ES"


class Sex(StrEnum):
    """Sex as the category tables use it."""

    FEMALE = "F"
    MALE = "M"


class Split(StrEnum):
    """Which split of a dataset a patient belongs to."""

    TRAIN = "train"
    VAL = "val"
    TEST = "test"


class Structure(IntEnum):
    """Label values of a segmentation, as CAMUS writes them."""

    BACKGROUND = 0
    LV = 1
    MYOCARDIUM = 2
    LA = 3


class Status(StrEnum):
    """How a measurement ended.

    ``OK``: at least one complete cardiac cycle. ``PARTIAL_CYCLE``: one ED and one ES, no complete cardiac cycle.
    ``REFUSED``: the file was read but holds nothing that should be measured.
    ``FAILED``: the file could not be read.
    """

    OK = "ok"
    PARTIAL_CYCLE = "partial_cycle"
    REFUSED = "refused"
    FAILED = "failed"


SEGMENTATION, VOLUME_TRACE, EF_CLIP, EF_TWO_STREAM = MEASURING_KINDS = (
    "segmentation",
    "volume-trace",
    "ef-clip",
    "ef-two-stream",
)
"""Kinds of models that measure: class probabilities of a frame, the 21 lines of a frame, the EF of a clip, the EF of two
streams."""

VIEW = "view"
"""Kind of models that recognise the view of a frame and measure nothing."""

KINDS = (*MEASURING_KINDS, VIEW)
"""Kinds of models."""

EF_KINDS = (EF_CLIP, EF_TWO_STREAM)
"""Models that read the EF from clips: they give no contour and no volumes."""
