"""Image quality in plain words: the word for a score, labels and units of the measured values."""

from __future__ import annotations

from lvef.core.records import ImageQuality, Measurement
from lvef.core.wording import note_text

SHOWN_ADVICE = 2
"""Sentences of advice on image quality that are shown."""

QUALITY_WORDS = ((2 / 3, "good"), (1 / 3, "fair"), (0.0, "poor"))
"""Lowest score of each word, the best first: thirds of the range, as CAMUS grades its images good, medium or poor."""

_PART_TEXT = {
    "visible_border": "Visible border",
    "visible_left_wall": "Visible border, wall on the left",
    "visible_apical": "Visible border, apex",
    "visible_right_wall": "Visible border, wall on the right",
    "border_contrast": "Contrast at the border",
    "shadow": "Border in an acoustic shadow",
    "cut_off": "Border at the edge of the sector",
    "mean_grey": "Mean grey level",
    "black_share": "Black pixels",
    "saturated_share": "Saturated pixels",
    "far_to_near": "Grey level, far field to near field",
    "haze": "Grey level of the blood",
    "apical_haze": "Grey level of the blood, apex minus base",
    "beats": "Complete beats",
    "probe_drift_percent": "Probe drift, share of the long axis",
    "apex_depth": "Depth of the apex, in long-axis lengths",
    "length_to_width": "Length to width at ED",
    "apex_motion_percent": "Motion of the apex, share of the long axis",
    "foreshortening": "Signs of foreshortening that are present",
    "wall_contact": "Cavity border that touches myocardium or atrium",
    "odd_shapes": "Frames of implausible shape",
    "certainty": "Certainty of the model along the border",
    "area_jitter_percent": "Change of the area between neighbouring frames",
    "appearance_distance": "Distance from the apical training images",
    "apical_probability": "Probability of A4C or A2C",
}
"""Label of each part of `lvef.measure.image_quality` and of the view model; another part is labelled by its name."""

_SHARES = (
    *(
        "border_contrast",
        "shadow",
        "cut_off",
        "mean_grey",
        "black_share",
        "saturated_share",
        "haze",
        "apical_haze",
    ),
    *("foreshortening", "wall_contact", "odd_shapes", "certainty", "apical_probability"),
)
"""Parts that are 0-1 and shown in per cent, beside those that begin with ``visible_``."""

_UNITS = {"percent": "%", "deg": "°", "hz": "Hz", "mm": "mm", "cm": "cm", "ms": "ms", "s": "s", "px": "px"}


def quality_word(score: float) -> str:
    """The score as a word.

    Example:
        >>> [quality_word(score) for score in (0.9, 0.5, 0.1)]
        ['good', 'fair', 'poor']
    """
    return next((word for least, word in QUALITY_WORDS if score >= least), QUALITY_WORDS[-1][1])


def quality_text(quality: ImageQuality) -> str:
    """Word and score, empty without a score: ``fair, 0.52 of 1``."""
    return "" if quality.score is None else f"{quality_word(quality.score)}, {quality.score:.2f} of 1"


def advice_of(quality: ImageQuality) -> tuple[str, ...]:
    """The most useful pieces of advice."""
    return tuple(note_text(text) for text in quality.advice[:SHOWN_ADVICE])


def quality_lines(measurement: Measurement) -> list[tuple[str, str]]:
    """Word and score, and the two most useful pieces of advice."""
    quality = measurement.quality
    if quality is None:
        return []
    return [("Image quality", quality_text(quality)), *(("", text) for text in advice_of(quality))]


def part_lines(quality: ImageQuality) -> list[tuple[str, str]]:
    """The measured values that are known, as label and value with unit.

    Example:
        >>> part_lines(ImageQuality(0.5, {"visible_apical": 0.62, "sector_width_deg": 74.6, "beats": 3.0, "haze": None}))
        [('Visible border, apex', '62 %'), ('Sector width', '75 °'), ('Complete beats', '3')]
    """
    return [(part_label(name), _value_text(name, v)) for name, v in quality.parts.items() if v is not None]


def part_label(name: str) -> str:
    """The label of a part; of an unknown one its name in words, without the unit.

    Example:
        >>> part_label("visible_left_wall"), part_label("frame_rate_hz"), part_label("cut_off_border")
        ('Visible border, wall on the left', 'Frame rate', 'Cut off border')
    """
    if name in _PART_TEXT:
        return _PART_TEXT[name]
    stem, _, unit = name.rpartition("_")
    words = (stem if stem and unit in _UNITS else name).replace("_", " ")
    return words[:1].upper() + words[1:]


def _value_text(name: str, value: float) -> str:
    if name in _SHARES or name.startswith("visible_"):
        return f"{100 * value:.0f} %"
    unit = _UNITS.get(name.rpartition("_")[2], "")
    number = f"{value:.0f}" if abs(value) >= 10 or float(value).is_integer() else f"{value:.2g}"
    return f"{number} {unit}".rstrip()
