"""The two stills of one patient that are set in motion."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lvef.core.errors import DataError
from lvef.core.records import FrameArray, PixelSpacing
from lvef.core.terms import Structure, View

MIN_SIDE_PX = 32
"""Smaller pictures hold no ventricle that could be deformed."""


@dataclass(frozen=True, slots=True)
class StillPair:
    """End-diastole and end-systole of one patient in one view, with their masks.

    Attributes:
        ed: ``(h, w)`` uint8, the picture at end-diastole.
        es: ``(h, w)`` uint8, the picture at end-systole.
        ed_labels: ``(h, w)`` uint8 of :class:`lvef.core.terms.Structure`.
        es_labels: The same at end-systole.
        spacing: Millimetres per pixel of both, None where the scale is lost: volumes are then in cubic pixels.
        view: A4C or A2C.
        patient: Name for messages and parameters; never a person's own.

    Raises:
        DataError: The pictures differ in size or type, are too small or without content, or a mask holds no ventricle.
    """

    ed: FrameArray
    es: FrameArray
    ed_labels: NDArray[np.uint8]
    es_labels: NDArray[np.uint8]
    spacing: PixelSpacing | None
    view: View
    patient: str

    def __post_init__(self) -> None:
        shape = self.ed.shape
        arrays = {"ED": self.ed, "ES": self.es, "ED mask": self.ed_labels, "ES mask": self.es_labels}
        for name, array in arrays.items():
            if array.ndim != 2 or array.shape != shape or array.dtype != np.uint8:
                raise DataError(
                    f"{self.patient} {self.view}: {name} is {array.shape} {array.dtype}, expected uint8 of the size "
                    f"of the ED picture {shape}; both pictures and masks must be one 8-bit grid."
                )
        if min(shape) < MIN_SIDE_PX:
            raise DataError(
                f"{self.patient} {self.view}: the stills are {shape[1]} x {shape[0]} pixels, at least {MIN_SIDE_PX} "
                "are needed; give the pictures in their full size."
            )
        for name, labels in (("ED", self.ed_labels), ("ES", self.es_labels)):
            if labels.max() > max(Structure):
                raise DataError(
                    f"{self.patient} {self.view}: the {name} mask holds the value {labels.max()}, expected 0 to "
                    f"{max(Structure)}; map its labels to those of lvef.core.terms.Structure first."
                )
            if not (labels == Structure.LV).any():
                raise DataError(
                    f"{self.patient} {self.view}: the {name} mask holds no left ventricle (label 1); leave this pair out."
                )
        for name, picture in (("ED", self.ed), ("ES", self.es)):
            if int(picture.max()) == int(picture.min()):
                raise DataError(
                    f"{self.patient} {self.view}: every pixel of the {name} picture is {picture.max()}; leave this "
                    "pair out."
                )

    @property
    def aspect(self) -> float:
        """Height over width of one pixel; 1 where the scale is lost."""
        return self.spacing.y_mm / self.spacing.x_mm if self.spacing else 1.0
