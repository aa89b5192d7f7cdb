"""Decoded DICOM frames to 8-bit grey: components as stored in, grey levels out, with what the pixels contradict."""

from __future__ import annotations

import io
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_color_lut

from lvef.core.records import CodedWarning, FrameArray
from lvef.io.dicom_codestream import RGB, YBR, StreamHeader
from lvef.io.dicom_colour import detect_colour_space
from lvef.io.dicom_layout import YBR_LABELS
from lvef.io.dicom_values import number, text, whole
from lvef.io.greyscale import ColourSampler, scale_range, to_uint8

WHITE, MIN_WHITE = 250, 0.6
"""A picture has a white ground where this part of its edges is at least so bright: the sector may touch one of them."""

BLACK, MAX_BLACK = 5, 0.05
"""... and no more than this part of them is that dark."""


class Jpeg(NamedTuple):
    """An 8-bit JPEG and what its header says."""

    data: bytes
    header: StreamHeader

    def _open(self) -> Image.Image:
        return Image.open(io.BytesIO(self.data), formats=("JPEG",))

    def components(self) -> NDArray[Any]:
        """Components as stored, ``(h, w)`` or ``(h, w, 3)``."""
        picture = self._open()
        if self.header.components == 3 and self.header.decoded == YBR:
            picture.draft("YCbCr", picture.size)
        return np.asarray(picture)

    def luma(self) -> FrameArray:
        """The first of three components that libjpeg takes for YBR: the others need not be decoded."""
        picture = self._open()
        picture.draft("L", picture.size)
        return np.asarray(picture.convert("L"))


class GreyFrames:
    """Collects decoded frames: colour becomes grey at once, deep grey waits for the whole clip's range."""

    def __init__(self, dataset: Dataset, n_frames: int, header: StreamHeader | None) -> None:
        self._dataset, self._n = dataset, n_frames
        self._shape = (whole(dataset, "Rows"), whole(dataset, "Columns"))
        self._interpretation = text(dataset, "PhotometricInterpretation")
        self._stated = YBR if self._interpretation in YBR_LABELS else RGB
        self._colours = (header.colours if header is not None else "") or self._stated
        self._decided = False
        self._depth = whole(dataset, "BitsStored", 8)
        self._stack: NDArray[Any] | None = None
        self._colour: ColourSampler | None = None
        self._notices: list[CodedWarning] = []
        self.count = 0

    def add(self, picture: NDArray[Any] | Jpeg) -> None:
        """Add a frame: components as stored, ``(h, w)`` or ``(h, w, 3)``, or a JPEG."""
        grey = self._grey_of_jpeg(picture) if isinstance(picture, Jpeg) else self._grey_of_array(picture)
        if self._stack is None:
            self._stack = np.empty((self._n, *self._shape), grey.dtype)
        self._stack[self.count] = grey
        self.count += 1

    def frames(self) -> FrameArray:
        """Return the grey frames as uint8."""
        assert self._stack is not None
        stack = self._windowed(self._stack[: self.count])
        if self._colour is not None:
            return stack
        low_is_bright = self._interpretation == "MONOCHROME1"
        if _on_white(255 - stack[0] if low_is_bright else stack[0]):
            low_is_bright = not low_is_bright
            told = "As the header has it (low or high values bright) the ground would be white: grey levels are turned over."
            self._notices.append(CodedWarning("inverted", told))
        return np.subtract(255, stack, dtype=np.uint8) if low_is_bright else stack

    def chroma(self) -> FrameArray | None:
        """Return the chroma map, None for a monochrome file."""
        return None if self._colour is None else self._colour.chroma(*self._shape)

    def notices(self) -> tuple[CodedWarning, ...]:
        """What the pixels contradicted, once all frames are there."""
        if (
            self._colour is not None
            and self._stated != self._colours
            and self._interpretation in (*YBR_LABELS, "RGB")
        ):
            told = f"The header calls the colours {self._interpretation}, the data holds {self._colours}: it is believed."
            self._notices.append(CodedWarning("colour_space", told))
        return tuple(self._notices)

    def _grey_of_jpeg(self, jpeg: Jpeg) -> FrameArray:
        wants = self._colour is None or self._colour.wants(self.count)
        if self._decided and not wants and self._colours == jpeg.header.decoded == YBR:
            luma = jpeg.luma()
            if luma.shape != self._shape:
                raise ValueError("frame of another size than the first")
            return luma
        components = jpeg.components()
        grey = np.asarray(self._grey_of_array(components), np.uint8)
        # As `Jpeg.luma`, whichever way a frame comes.
        return components[..., 0] if components.ndim == 3 and self._colours == YBR else grey

    def _grey_of_array(self, picture: NDArray[Any]) -> NDArray[Any]:
        if picture.shape[:2] != self._shape:
            raise ValueError("frame of another size than the first")
        depth = self._depth
        if picture.ndim == 2 and self._interpretation == "PALETTE COLOR":
            picture, depth = self._from_palette(picture)
        if picture.ndim == 2:
            return picture.astype(np.uint8) if depth <= 8 and picture.dtype.kind == "u" else picture
        if picture.dtype != np.uint8:
            picture = (picture >> max(0, depth - 8)).astype(np.uint8)
        picture = np.ascontiguousarray(picture)
        if self._interpretation == "PALETTE COLOR":
            self._colours, self._decided = RGB, True
        if not self._decided:
            self._colours = detect_colour_space(picture, self._colours)
            # A black frame decides nothing.
            self._decided = bool(picture.any())
        self._colour = self._colour or ColourSampler(self._n)
        if self._colours == YBR:
            picture = np.asarray(cv2.cvtColor(picture[..., [0, 2, 1]], cv2.COLOR_YCrCb2RGB), np.uint8)
        if self._colour.wants(self.count):
            self._colour.add_rgb(picture.astype(np.uint8, copy=False))
        return cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)

    def _from_palette(self, picture: NDArray[Any]) -> tuple[NDArray[Any], int]:
        if not any(f"{kind}RedPaletteColorLookupTableData" in self._dataset for kind in ("", "Segmented")):
            if not self._notices:
                told = "The colour table that the header speaks of is missing: values are taken as grey."
                self._notices.append(CodedWarning("palette_missing", told))
            return picture, self._depth
        picture = apply_color_lut(picture, self._dataset)
        return picture[..., :3], 16 if picture.dtype == np.uint16 else 8

    def _windowed(self, stack: NDArray[Any]) -> FrameArray:
        """Scale deep grey by the file's window, else by the range of the clip. Source: PS3.3, C.11.2.1.2."""
        if stack.dtype == np.uint8:
            return stack
        centre, width = number(self._dataset, "WindowCenter"), number(self._dataset, "WindowWidth")
        if centre is None or width is None or width <= 1:
            return to_uint8(stack)
        # The window is told in units after Rescale Slope and Intercept; it is turned back, not the whole clip.
        slope = number(self._dataset, "RescaleSlope") or 1.0
        low = (centre - 0.5 - (width - 1) / 2 - (number(self._dataset, "RescaleIntercept") or 0.0)) / slope
        return scale_range(stack, low, low + (width - 1) / slope)


def _on_white(picture: FrameArray) -> bool:
    """Whether a picture has a white ground; that of an echo is black."""
    edges = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
    return bool((edges >= WHITE).mean() >= MIN_WHITE and (edges <= BLACK).mean() <= MAX_BLACK)
