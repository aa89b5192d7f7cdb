"""Canvases: the same lines, areas and texts as SVG, as pixels, or (`lvef.report.pdf`) as PDF.

x runs right and y down, in the unit of the canvas. A colour is a name of `lvef.report.style.LIGHT` or ``#rrggbb``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from typing import Any, Protocol

import cv2
import numpy as np

from lvef.core.records import FloatArray, FrameArray
from lvef.io.images import encode_image
from lvef.report.style import LIGHT, font_file, rgb

Points = FloatArray | Sequence[Sequence[float]]


@dataclass(frozen=True, slots=True)
class Stroke:
    """How a line is drawn.

    Attributes:
        colour: Its colour.
        width: Its width.
        dash: Lengths of dashes and gaps; empty for a solid line.
        is_closed: Whether its end is joined to its beginning.
        alpha: Its opacity, 0 to 1.
    """

    colour: str
    width: float
    dash: Sequence[float] = ()
    is_closed: bool = False
    alpha: float = 1.0


_SUBPIXEL_BITS = 4
_LETTER_WIDTH = 0.6


class Lines(Protocol):
    """What a drawing of lines alone needs of the medium that it is drawn on."""

    def line(self, points: Points, stroke: Stroke) -> None:
        """Draw a line through points."""


class Canvas(Lines, Protocol):
    """What a drawing of lines, areas and texts needs of the medium that it is drawn on."""

    def area(self, points: Points, colour: str, edge: str = "") -> None:
        """Fill a polygon; ``edge`` is the colour of a thin line around it."""

    def text(
        self, x: float, y: float, text: str, size: float, colour: str, *, bold: bool = False, align: float = 0
    ) -> None:
        """Write one line on the baseline ``y``; ``align`` is 0 where it starts at x, 0.5 centred, 1 where it ends at x."""

    def text_width(self, text: str, size: float, *, bold: bool = False) -> float:
        """Width of a text."""


class Page(Canvas, Protocol):
    """What a page with images needs of the medium that it is drawn on."""

    def image(self, pixels: FrameArray, x: float, y: float, width: float, height: float) -> None:
        """Draw a grey image over a rectangle."""

    def shade(self, x: float, y: float, width: float, height: float) -> None:
        """Darken a rectangle, as a ground for text on an image."""


class SvgCanvas:
    """A canvas whose elements are SVG, with CSS variables for named colours, so that a page's theme applies."""

    def __init__(self) -> None:
        self.elements: list[str] = []

    def line(self, points: Points, stroke: Stroke) -> None:
        """See `Canvas`."""
        style = f' stroke-dasharray="{" ".join(f"{d:g}" for d in stroke.dash)}"' if stroke.dash else ""
        style += f' stroke-opacity="{stroke.alpha:g}"' if stroke.alpha < 1 else ""
        # A single point would not be seen.
        end = "Z" if stroke.is_closed else "h0.1" if len(points) == 1 else ""
        self.elements.append(
            f'<path d="M{_svg_points(points)}{end}" fill="none" stroke="{_svg_colour(stroke.colour)}" '
            f'stroke-width="{stroke.width:g}" stroke-linejoin="round" stroke-linecap="round"{style}/>'
        )

    def area(self, points: Points, colour: str, edge: str = "") -> None:
        """See `Canvas`."""
        style = f' stroke="{_svg_colour(edge)}" stroke-width="0.8"' if edge else ""
        self.elements.append(f'<path d="M{_svg_points(points)}Z" fill="{_svg_colour(colour)}"{style}/>')

    def text(
        self, x: float, y: float, text: str, size: float, colour: str, *, bold: bool = False, align: float = 0
    ) -> None:
        """See `Canvas`."""
        anchor = {0: "start", 0.5: "middle"}.get(align, "end")
        weight = ' font-weight="700"' if bold else ""
        self.elements.append(
            f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:g}" text-anchor="{anchor}" '
            f'fill="{_svg_colour(colour)}"{weight}>{escape(text)}</text>'
        )

    def text_width(self, text: str, size: float, *, bold: bool = False) -> float:
        """About the width: the font is the reader's."""
        return (1.15 if bold else 1.0) * _LETTER_WIDTH * size * len(text)

    def document(self, width: float, height: float, label: str = "") -> str:
        """The drawing as an ``<svg>`` element; without a label it is hidden from screen readers."""
        role = f'role="img" aria-label="{escape(label)}"' if label else 'aria-hidden="true"'
        return f'<svg {role} viewBox="0 0 {width:g} {height:g}">{"".join(self.elements)}</svg>'


class PixelCanvas:
    """A canvas of pixels, anti-aliased: it is ``scale`` times as fine as the image that comes out.

    Args:
        width: In units of the drawing.
        height: In units of the drawing.
        background: A colour.
        palette: What the names of colours mean.
        scale: How much finer it is drawn.
        unit: Pixels of the image for each unit of the drawing.
    """

    def __init__(
        self,
        width: int,
        height: int,
        background: str = "page",
        palette: Mapping[str, str] = LIGHT,
        scale: int = 2,
        unit: float = 1.0,
    ) -> None:
        self._palette, self._scale = palette, scale * unit
        self._size = round(width * unit), round(height * unit)
        self._pixels = np.empty((self._size[1] * scale, self._size[0] * scale, 3), np.uint8)
        self._pixels[:] = self._rgb(background)

    def line(self, points: Points, stroke: Stroke) -> None:
        """See `Canvas`."""
        xy = np.asarray(points, dtype=np.float64)
        if len(xy) == 1:
            xy = np.repeat(xy, 2, axis=0)
        pieces = _dashes(xy, stroke.dash) if stroke.dash else [xy]
        # OpenCV's smoothed lines are about one pixel wider than they are called.
        thickness = max(1, round(stroke.width * self._scale - 0.8))
        if stroke.alpha >= 1:
            for piece in pieces:
                self._polyline(self._pixels, piece, stroke, thickness)
            return
        # Only the pixels around the line are blended.
        (x0, y0), (x1, y1) = (xy.min(axis=0), xy.max(axis=0))
        edge, s = thickness + 2, self._scale
        left, top = max(int(x0 * s) - edge, 0), max(int(y0 * s) - edge, 0)
        part = self._pixels[top : max(int(y1 * s) + edge, 0), left : max(int(x1 * s) + edge, 0)]
        if part.size:
            drawn = part.copy()
            for piece in pieces:
                self._polyline(drawn, piece - np.array([left, top]) / s, stroke, thickness)
            part[:] = cv2.addWeighted(drawn, stroke.alpha, part, 1 - stroke.alpha, 0)

    def _polyline(self, target: FrameArray, xy: FloatArray, stroke: Stroke, thickness: int) -> None:
        colour, points = self._rgb(stroke.colour), [self._fixed(xy)]
        cv2.polylines(target, points, stroke.is_closed, colour, thickness, cv2.LINE_AA, _SUBPIXEL_BITS)

    def area(self, points: Points, colour: str, edge: str = "") -> None:
        """See `Canvas`."""
        xy = self._fixed(np.asarray(points, dtype=np.float64))
        cv2.fillPoly(self._pixels, [xy], self._rgb(colour), cv2.LINE_AA, _SUBPIXEL_BITS)
        if edge:
            thickness = max(1, round(0.8 * self._scale - 0.8))
            cv2.polylines(self._pixels, [xy], True, self._rgb(edge), thickness, cv2.LINE_AA, _SUBPIXEL_BITS)

    def text(
        self, x: float, y: float, text: str, size: float, colour: str, *, bold: bool = False, align: float = 0
    ) -> None:
        """See `Canvas`."""
        from PIL import Image, ImageDraw

        if not text:
            return
        font = _font(bold, size * self._scale)
        x0, y0, x1, y1 = (int(v) for v in font.getbbox(text, anchor="ls"))
        left = round((x - align * self.text_width(text, size, bold=bold)) * self._scale) + x0
        top = round(y * self._scale) + y0
        mask = Image.new("L", (x1 - x0 + 2, y1 - y0 + 2))
        ImageDraw.Draw(mask).text((-x0, -y0), text, fill=255, font=font, anchor="ls")
        self._blend(np.asarray(mask), left, top, colour)

    def text_width(self, text: str, size: float, *, bold: bool = False) -> float:
        """See `Canvas`."""
        return float(_font(bold, size * self._scale).getlength(text)) / self._scale

    def image(self, pixels: FrameArray, x: float, y: float, width: float, height: float) -> None:
        """See `Page`."""
        s = self._scale
        x0, y0, wide, tall = round(x * s), round(y * s), round(width * s), round(height * s)
        grey = cv2.resize(pixels, (wide, tall), interpolation=cv2.INTER_CUBIC)
        self._pixels[y0 : y0 + tall, x0 : x0 + wide] = grey[..., None]

    def shade(self, x: float, y: float, width: float, height: float) -> None:
        """See `Page`."""
        s = self._scale
        part = self._pixels[round(y * s) : round((y + height) * s), round(x * s) : round((x + width) * s)]
        part[:] = (part * 0.4).astype(np.uint8)

    def rgb_image(self) -> FrameArray:
        """The image, ``(height, width, 3)`` uint8."""
        return np.asarray(cv2.resize(self._pixels, self._size, interpolation=cv2.INTER_AREA), np.uint8)

    def png(self) -> bytes:
        """The image as a PNG file."""
        bgr = cv2.cvtColor(self.rgb_image(), cv2.COLOR_RGB2BGR)
        # OpenCV packs a PNG several times faster than Pillow.
        return encode_image(np.asarray(bgr, np.uint8), ".png", level=1)

    def _blend(self, mask: FrameArray, left: int, top: int, colour: str) -> None:
        """Lay a colour over the pixels as far as a mask (0-255) covers them."""
        tall, wide = self._pixels.shape[:2]
        x0, x1 = max(left, 0), min(left + mask.shape[1], wide)
        y0, y1 = max(top, 0), min(top + mask.shape[0], tall)
        if x0 >= x1 or y0 >= y1:
            return
        cover = mask[y0 - top : y1 - top, x0 - left : x1 - left, None].astype(np.float32) / 255
        part = self._pixels[y0:y1, x0:x1]
        part[:] = np.round(part + cover * (np.array(self._rgb(colour), np.float32) - part)).astype(np.uint8)

    def _rgb(self, colour: str) -> tuple[int, int, int]:
        return rgb(self._palette.get(colour, colour))

    def _fixed(self, xy: FloatArray) -> Any:  # noqa: ANN401
        """OpenCV's fixed-point coordinates; its whole numbers are the centres of pixels."""
        return np.round((xy * self._scale - 0.5) * (1 << _SUBPIXEL_BITS)).astype(np.int32)


def rectangle(x: float, y: float, width: float, height: float) -> list[tuple[float, float]]:
    """Corners of a rectangle, clockwise from its upper left."""
    return [(x, y), (x + width, y), (x + width, y + height), (x, y + height)]


def _svg_points(points: Points) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in np.asarray(points).tolist())


def _svg_colour(colour: str) -> str:
    return f"var(--{colour},{LIGHT[colour]})" if colour in LIGHT else colour


def _dashes(xy: FloatArray, dash: Sequence[float]) -> list[FloatArray]:
    """A line of two points cut into dashes."""
    (x0, y0), (x1, y1) = xy[0], xy[-1]
    length = float(np.hypot(x1 - x0, y1 - y0))
    starts = np.arange(0.0, length, sum(dash))
    direction = (xy[-1] - xy[0]) / (length or 1.0)
    return [xy[0] + np.outer([start, min(start + dash[0], length)], direction) for start in starts]


@cache
def _font(bold: bool, size: float) -> Any:  # noqa: ANN401
    from PIL import ImageFont

    return ImageFont.truetype(str(font_file(bold)), size)
