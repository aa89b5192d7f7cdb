"""All limits between answer, caution and refusal in one place.

A site may set its own (``--thresholds FILE.toml``, the service's setting, `lvef.measure.options.MeasureOptions`); every
result records those that were in force. What cannot be measured at all has no limits here (`lvef.measure.quality`).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields

from lvef.core.errors import ConfigError


@dataclass(frozen=True)
class Thresholds:
    """Limits of answer, caution and refusal. Names begin with what happens beyond them: ``min_``, ``max_`` refuse."""

    max_interval_points: float = 45.0
    """Widest prediction interval, in EF points, with which an EF is given: it holds about half of all EFs that occur. From
    40 on the mean error of the calibration's cases is 10 to 11 points, twice that of the others (EXPERIMENTS.md)."""
    caution_interval_points: float = 30.0
    """Width of the prediction interval above which a warning says that it is wide. Above are 11 % of the pairs of stills of
    patients set aside, 29 % of the phantoms and 28 % of the perturbed stills, with a mean error of 6.5, 9.0 and 6.2 points,
    against 5.0, 6.9 and 5.5 below (EXPERIMENTS.md)."""
    caution_difference_points: float = 10.0
    """Difference between the EFs of two models from which on a warning says that they disagree. Phantoms and animated stills
    of held-out patients: on 1 of 24 as they are, on 27 of 101 degraded ones; with it the error is 9.7 points, above 10 on
    50 %, without it 6.9 and 27 % (``python -m studies.second_opinion``)."""
    min_traced_share: float = 0.6
    """Share of the frames on which a ventricle must be found."""
    caution_traced_share: float = 0.95
    """Share below which a warning says that frames are without a ventricle."""
    min_wall_contact: float = 0.55
    """Share of the cavity's border that must be wall or atrium, median over frames. 598 CAMUS stills: expert masks at least
    0.97, the model at least 0.94."""
    caution_wall_contact: float = 0.8
    """Share below which a warning says that little wall was seen."""
    max_torn_share: float = 0.4
    """Share of the frames on which the contour may be bent around a wall or end in a point: 0.56 of the one clip where it
    goes over into the right ventricle, at most 0.15 of all other cines and phantoms looked at."""
    caution_odd_share: float = 0.25
    """Share of the frames that may have a shape no expert draws without a warning."""
    min_apical_probability: float = 0.3
    """Probability of A4C and A2C together by the image, mean over its frames. 320 stills of 80 CAMUS patients set aside: at
    least .42, 99 % at least .55; clips and stills of other hospitals: at least .78; synthetic parasternal long-axis
    clips: at most .07; one of 12 subcostal ones lies above the limit. At .4, 4 of 60 synthetic apical clips would be
    refused, at .3 one."""
    caution_apical_probability: float = 0.55
    """Probability below which a warning says that the view is not sure."""
    caution_other_apical_probability: float = 0.3
    """Probability of another apical view from which on a warning says so: three- and five-chamber views are like A4C."""
    max_appearance_distance: float = 2.0
    """Distance from the apical images of training, median over the frames. Patients set aside and images of other hospitals:
    at most 1.2; photographs, pages of text and M-mode: 1.2 to 1.8 in the mean."""
    caution_appearance_distance: float = 1.3
    """Distance from which on a warning says that the view is not sure."""
    max_coloured_share: float = 0.015
    """Coloured share of the sector above which the clip counts as colour Doppler. The packaged cine, with coloured marks on
    its screen, has 0."""

    def __post_init__(self) -> None:
        """Check that every limit can be one.

        Raises:
            ConfigError: A limit outside its range, or a refusal before its caution.
        """
        for field in fields(self):
            value = getattr(self, field.name)
            most = next((most for unit, most in _LARGEST.items() if field.name.endswith(unit)), 1.0)
            if not 0 <= value <= most:
                raise ConfigError(f"{field.name} = {value:g}: a number from 0 to {most:g} was expected.")
        for first, last in _ORDER:
            if getattr(self, first) > getattr(self, last):
                raise ConfigError(
                    f"{first} = {getattr(self, first):g} is above {last} = {getattr(self, last):g}: then nothing would be "
                    "between an answer and a refusal; swap them."
                )

    def as_numbers(self) -> dict[str, float]:
        """The limits by name, as a result records them."""
        return {name: float(value) for name, value in asdict(self).items()}


_LARGEST = {"_points": 100.0, "_distance": 100.0}
"""Largest value of limits whose names end so; of shares and probabilities it is 1."""

_ORDER = (
    ("caution_interval_points", "max_interval_points"),
    ("min_traced_share", "caution_traced_share"),
    ("min_wall_contact", "caution_wall_contact"),
    ("min_apical_probability", "caution_apical_probability"),
    ("caution_appearance_distance", "max_appearance_distance"),
)
"""Limits of which the first may not be above the second."""

DEFAULT = Thresholds()
"""The limits where a site sets none."""
