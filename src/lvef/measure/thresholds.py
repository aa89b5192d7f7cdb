"""All thresholds of the decision (accepted, caution, refused) in one place.

A site can set its own (``--thresholds FILE.toml``, the service's setting, `lvef.measure.options.MeasureOptions`); every
result records those in use. Clips that cannot be measured at all are refused by fixed rules in `lvef.measure.quality`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields

from lvef.core.errors import ConfigError


@dataclass(frozen=True)
class Thresholds:
    """Thresholds of the decision. Below ``min_`` and above ``max_`` a clip is refused; ``caution_`` ones raise a warning."""

    max_interval_points: float = 45.0
    """Widest prediction interval, in EF points, with which an EF is given: it contains about half of all EFs that occur. At
    widths of 40 or more, the mean error of the calibration cases of camus-seg 1.4.0 is 9.6 points, 5.9 below (``signs.csv``
    of ``lvef weights calibrate``)."""
    caution_interval_points: float = 30.0
    """Width of the prediction interval above which a warning says that it is wide. With camus-seg 1.4.0, 15 % of the stills
    of held-out patients, 46 % of the phantoms and 24 % of the perturbed stills are above it, with mean errors of 6.0, 8.9
    and 6.8 points; below it, the mean errors are 5.1, 6.5 and 5.5 (``signs.csv`` of ``lvef weights calibrate``)."""
    caution_difference_points: float = 10.0
    """Difference between the EFs of two models at and above which a warning says that they disagree. Phantoms and animated
    stills of held-out patients: the warning is raised on 1 of 24 unchanged and 27 of 101 degraded clips. With it the mean
    error is 9.7 points and above 10 points on 50 % of the clips, without it 6.9 and 27 %
    (``python -m studies.second_opinion``)."""
    caution_views_points: float = 25.0
    """Difference between the EFs of the A4C and the A2C of a biplane study at and above which a warning says that they
    disagree. By experts' masks of 79 CAMUS training patients the two differ by 7 points in the median, 24 at the 95th
    percentile; as the model measures them by 18 there (``signs.csv`` of ``lvef weights calibrate``)."""
    min_traced_share: float = 0.6
    """Share of the frames on which a ventricle must be found."""
    caution_traced_share: float = 0.95
    """Share below which a warning says that no ventricle was found on some frames."""
    min_wall_contact: float = 0.55
    """Share of the cavity's border that must touch myocardium or atrium, median over frames. 598 CAMUS stills: expert masks
    at least 0.97, the model at least 0.94."""
    caution_wall_contact: float = 0.8
    """Share below which a warning says that little myocardium was found around the cavity."""
    max_torn_share: float = 0.4
    """Share of the frames on which the contour may be bent around a wall or end in a point. It is 0.36 to 0.56, by model, in
    the one clip where the contour enters the right ventricle, and 0.34 in one of 80 phantoms, whose EF is right."""
    max_torn_share_shown: float = 0.2
    """The same where the ED or ES frame is one of them: so in that clip, and in no other cine or phantom that was checked
    (at most 0.10)."""
    caution_odd_share: float = 0.25
    """Share of frames with a shape that no expert draws, above which there is a warning."""
    min_apical_probability: float = 0.3
    """Lowest probability of A4C and A2C together, from the image, mean over its frames. 320 stills of 80 held-out CAMUS
    patients: one is below (.26), 99 % at least .57; clips and stills of other hospitals: at least .69; of ten synthetic
    clips of each parasternal and subcostal view (seed 5) none is above."""
    caution_apical_probability: float = 0.55
    """Probability below which a warning says that the view is uncertain."""
    caution_other_apical_probability: float = 0.3
    """Probability of another apical view at and above which a warning says that the view is uncertain: three- and
    five-chamber views resemble A4C."""
    max_appearance_distance: float = 2.0
    """Largest distance from the apical training images, median over the frames. Held-out patients: at most 1.3; images
    of other hospitals: at most 0.9; synthetic parasternal and subcostal views: median of 1.2 to 1.9."""
    caution_appearance_distance: float = 1.3
    """Distance above which a warning says that the view is uncertain."""
    max_coloured_share: float = 0.015
    """Coloured share of the sector above which the clip counts as colour Doppler. The packaged cine, with coloured marks on
    its screen, has 0."""

    def __post_init__(self) -> None:
        """Check the thresholds.

        Raises:
            ConfigError: A threshold outside its range, or one that refuses before its warning is reached.
        """
        for field in fields(self):
            value = getattr(self, field.name)
            most = next((most for unit, most in _LARGEST.items() if field.name.endswith(unit)), 1.0)
            if not 0 <= value <= most:
                raise ConfigError(f"{field.name} = {value:g}: a number from 0 to {most:g} was expected.")
        for first, last in _ORDER:
            if getattr(self, first) > getattr(self, last):
                raise ConfigError(
                    f"{first} = {getattr(self, first):g} is above {last} = {getattr(self, last):g}: no result "
                    "could then have the decision caution; swap the two values."
                )

    def as_numbers(self) -> dict[str, float]:
        """The thresholds by name, as a result records them."""
        return {name: float(value) for name, value in asdict(self).items()}


_LARGEST = {"_points": 100.0, "_distance": 100.0}
"""Largest value of thresholds by the end of their name; for shares and probabilities it is 1."""

_ORDER = (
    ("caution_interval_points", "max_interval_points"),
    ("min_traced_share", "caution_traced_share"),
    ("min_wall_contact", "caution_wall_contact"),
    ("min_apical_probability", "caution_apical_probability"),
    ("caution_appearance_distance", "max_appearance_distance"),
)
"""Pairs of thresholds; the first must not be above the second."""

DEFAULT = Thresholds()
"""The default thresholds."""
