"""Advice on what would improve a recording most, from its image-quality values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lvef.core.terms import View
from lvef.transforms.image_signs import LEFT


@dataclass(frozen=True, slots=True)
class Advice:
    """What to say where a part is too low or too high.

    Attributes:
        part: Its name.
        limit: From where on it is said.
        spread: What is one step worse; the sentences are ordered by these steps.
        text: The sentence; ``{value}``, ``{percent}`` and ``{missing}`` (both of 100), and ``{wall}`` are filled in.
        below: Whether values below the limit are bad, else those above.
    """

    part: str
    limit: float
    spread: float
    text: str
    below: bool = True


WALLS = {
    View.A4C: {"Left": "septal", "Right": "lateral"},
    View.A2C: {"Left": "inferior", "Right": "anterior"},
}
"""Walls by their side of the image, in the usual orientation. Source: Lang et al., ASE/EACVI 2015."""

ADVICE = (
    Advice(
        "visible_left_wall",
        0.5,
        0.2,
        "{wall} not visible on {missing} % of its border: turn or tilt the probe slightly.",
    ),
    Advice(
        "visible_right_wall",
        0.5,
        0.2,
        "{wall} not visible on {missing} % of its border: turn or tilt the probe slightly.",
    ),
    Advice(
        "visible_apical",
        0.3,
        0.2,
        "Apex not visible on {missing} % of its border: set the focus to the apex.",
    ),
    Advice(
        "apical_haze",
        0.18,
        0.09,
        "Haze over the apex: lower the near-field gain or use harmonic imaging.",
        below=False,
    ),
    Advice("far_to_near", 0.62, 0.28, "The far field is dark: raise the far gain or reduce the depth."),
    Advice("mean_grey", 0.1, 0.08, "The image is dark: raise the gain."),
    Advice("mean_grey", 0.51, 0.08, "The image is too bright: lower the gain.", below=False),
    Advice(
        "saturated_share", 0.02, 0.02, "{percent} % of the image is saturated: lower the gain.", below=False
    ),
    Advice(
        "shadow",
        0.1,
        0.1,
        "A shadow covers {percent} % of the border: move the probe away from the rib.",
        below=False,
    ),
    Advice(
        "cut_off",
        0.1,
        0.1,
        "The sector edge cuts off {percent} % of the border: centre the ventricle.",
        below=False,
    ),
    Advice(
        "frame_rate_hz",
        30.0,
        10.0,
        "{value:.0f} frames/s may miss end-systole: narrow the sector or reduce the depth.",
    ),
    Advice("beats", 1.0, 0.5, "No complete beat: record at least two beats."),
    Advice(
        "probe_drift_percent",
        10.0,
        5.0,
        "The heart drifts by {value:.0f} % of its length between beats: hold the probe still during breath-hold.",
        below=False,
    ),
    Advice(
        "foreshortening",
        0.5,
        0.25,
        "Possibly foreshortened: compare the long axis with the other apical view; one view cannot show it reliably.",
        below=False,
    ),
)
"""Rules in the order of equal weight. Sources of the limits: walls, half of the border of two segments (contrast agents are
advised from two segments on that are not seen: Lang et al., ASE/EACVI 2015); apex, what one in ten of the images
labelled good falls below; haze, far field and brightness, what one in twenty of 400 CAMUS training patients exceeds (their
standard deviations are the spreads); darkness, half of the darkest of these, because other machines show black blood;
30 Hz, two frames in the shortest isovolumic relaxation (60 ms)."""


def advice(parts: Mapping[str, float | None], view: View) -> tuple[str, ...]:
    """Advice, the worst fault first.

    Args:
        parts: From this module.
        view: For the names of the walls.
    """
    found: list[tuple[float, str]] = []
    for rule in ADVICE:
        value = parts.get(rule.part)
        if value is None:
            continue
        worse = (rule.limit - value if rule.below else value - rule.limit) / rule.spread
        if worse > 0:
            text = rule.text.format(
                value=value,
                percent=round(100 * value),
                missing=round(100 * (1 - value)),
                wall=_wall(rule.part, view),
            )
            found.append((worse, text))
    # Sorting is stable: equal ones stay in the order of the table.
    return tuple(text for _, text in sorted(found, key=lambda one: -one[0]))


def _wall(part: str, view: View) -> str:
    """A wall by its side of the image, with the name that it has in the usual orientation of a known view."""
    side = "Left" if part.endswith(LEFT) else "Right"
    name = WALLS.get(view, {}).get(side, "")
    return f"{side} wall ({name})" if name else f"{side} wall"
