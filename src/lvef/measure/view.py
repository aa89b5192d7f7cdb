"""Which view a clip shows, whether it may be measured, and whether the view changes within the clip.

A view model gives the probability of each view for single frames, and their distance from its apical training frames. It is
applied to eight frames spread over the clip. A view stated in the file has priority, then one that the user states, then the
view recognised from the image; a stated view is checked against the image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from lvef.core.errors import QualityRefusal, WeightsError
from lvef.core.records import Clip, CodedWarning, FloatArray, ImageQuality, Measurement
from lvef.core.terms import MEASURABLE_VIEWS, RECOGNISED_VIEWS, VIEW, View, ViewSource
from lvef.core.wording import VIEW_TEXT
from lvef.inference.catalogue import find_model, list_models, open_model
from lvef.measure.options import MeasureOptions
from lvef.measure.quality import TURNED
from lvef.measure.results import RefusalWithCurve, failed_measurement, with_view
from lvef.measure.stated_view import NOT_APICAL, known_view
from lvef.measure.thresholds import DEFAULT, Thresholds
from lvef.transforms.frames import fit, normalise, place
from lvef.transforms.sector import Sector

VIEW_MODEL = "camus-view"
"""Name of the model that recognises views, where it is installed."""

SHOWN_FRAMES = 8
"""Frames of a clip that are looked at: one beat at rest has each phase in two of them."""

SURE_OF_TWO = 0.7
"""Share of A4C or A2C in their joint probability at and above which the image decides between the two. Of the stills of
held-out patients, 89 % are assigned correctly, 3 % wrongly, and 9 % to neither."""

CONTRADICTS = 0.85
"""Share at and above which the image contradicts a stated A4C or A2C."""

MIN_RUN_FRAMES = 2
"""Frames looked at in a row that make a change of view; one alone may be an error."""

SURE_OF_FRAME = 0.7
"""Probability of a view in one frame from which the frame counts for a change of view."""

TURNED_PROBABILITY = 0.6
"""Probability of A4C and A2C together at and above which a clip that is refused as another view counts as turned by 90
degrees, when its frames are shown turned. Cines and stills of other hospitals, stills of CAMUS and phantoms, whole and
cropped until their sector has no narrow end: reached by none of 2043 that are upright, and by all 180 that are turned and
cropped by at most a tenth of each side (1010 of 1124 with narrower crops)."""

APPEARANCE, APICAL = "appearance_distance", "apical_probability"
"""Parts of the image quality: median distance over the frames, mean probability of A4C and A2C together."""

VIEW_CHANGES = "view_changes"
"""Code of the warning that the probe was moved to another view while the clip was recorded."""

OTHER_VIEW = "view_contradicts_image"
"""Code of the warning that the image shows another view than is stated."""


@dataclass(frozen=True, slots=True)
class FrameViews:
    """What a view model says of some frames of a clip.

    Attributes:
        frames: ``(k,)`` their numbers.
        probabilities: ``(k, views)`` in the order of `RECOGNISED_VIEWS`.
        distance: ``(k,)`` from apical frames of training; 99 % of the frames of held-out patients are below 1.
    """

    frames: NDArray[np.intp]
    probabilities: FloatArray
    distance: FloatArray

    def probability(self, *views: View) -> float:
        """Of these views together, 0-1, mean over the frames."""
        return float(sum(self.probabilities[:, RECOGNISED_VIEWS.index(view)].mean() for view in views))

    @property
    def view(self) -> View:
        """The most probable one."""
        return RECOGNISED_VIEWS[int(self.probabilities.mean(axis=0).argmax())]

    @property
    def parts(self) -> dict[str, float | None]:
        """What goes to the parts of the image quality."""
        return {APPEARANCE: float(np.median(self.distance)), APICAL: self.probability(*MEASURABLE_VIEWS)}


@dataclass(frozen=True, slots=True)
class ViewRun:
    """Frames of a clip that show one kind of view.

    Attributes:
        view: The view; of measurable ones the more probable.
        first: First frame.
        last: Last frame.
    """

    view: View
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class RecognisedView:
    """The view that a result carries.

    Attributes:
        view: The view; unknown where the image does not decide.
        source: Where it comes from (`ViewSource`), or empty.
        probability: Of ``view`` by the image; None without a view model, and of an unknown view.
        parts: What goes to the parts of the image quality: `APPEARANCE` and `APICAL`; empty without a view model.
        notices: Warnings.
    """

    view: View
    source: str
    probability: float | None = None
    parts: dict[str, float | None] = field(default_factory=dict)
    notices: tuple[CodedWarning, ...] = ()


class ViewModel:
    """A loaded view model. Safe to use from several threads.

    Args:
        options: Backend and threads; the arithmetic is always f32, since the distance sums small differences.
        weights: Name or folder of the model.

    Raises:
        WeightsError: There is no such model, it is damaged, or of another kind.
        ConfigError: A backend that is not to be had.
    """

    def __init__(self, options: MeasureOptions, weights: str = VIEW_MODEL) -> None:
        entry = find_model(weights)
        if entry.card.kind != VIEW:
            raise WeightsError(
                f"{entry.folder}: a model of the kind {entry.card.kind} found, {VIEW} was expected."
            )
        self.sha256: str = entry.card.model_sha256
        self._spec = entry.card.input
        self._session = open_model(entry, backend=options.backend, precision="f32", threads=options.threads)

    def look(
        self, clip: Clip, sector: Sector, frames: Sequence[int] | None = None, quarter_turns: int = 0
    ) -> FrameViews:
        """Show frames to the model.

        Args:
            clip: A clip or still.
            sector: Its sector.
            frames: Which; `SHOWN_FRAMES` spread over the clip where None.
            quarter_turns: By how many times 90 degrees they are turned before, counter-clockwise.
        """
        n = len(clip.frames)
        picked = np.unique(
            np.linspace(0, n - 1, min(n, SHOWN_FRAMES)).round().astype(np.intp)
            if frames is None
            else np.asarray(frames, dtype=np.intp)
        )
        placement = place(sector.shown, self._spec.size, clip.spacing)
        squares = fit(clip.frames[picked], placement, self._spec.size)
        batch = normalise(np.ascontiguousarray(np.rot90(squares, quarter_turns, axes=(1, 2))), self._spec)
        found = self._session.start(batch)().astype(np.float64)
        return FrameViews(picked, found[:, :-1], found[:, -1])


def load_view_model(options: MeasureOptions) -> ViewModel | None:
    """The installed view model, loaded once a process and setting, or None where there is none.

    Raises:
        WeightsError: It is damaged.
    """
    if not any(entry.card.kind == VIEW and entry.name == VIEW_MODEL for entry in list_models()):
        return None
    return _load(options.backend, options.threads)


@cache
def _load(backend: str, threads: int) -> ViewModel:
    return ViewModel(MeasureOptions(backend=backend, threads=threads))


def view_of(
    model: ViewModel | None,
    shown: Sequence[tuple[Clip, Sector]],
    source: str,
    options: MeasureOptions,
    expected: View = View.UNKNOWN,
) -> RecognisedView:
    """The view of a clip, or of the stills of a pair together: see `recognise_view`.

    Args:
        model: From `load_view_model`.
        shown: The clip, or both stills, with their sectors.
        source: What to call it in messages.
        options: View that the user states, and thresholds.
        expected: View of its place in a biplane study; goes before what file and user state.

    Raises:
        QualityRefusal: ``turned``, whatever view is stated.
        RefusalWithCurve: ``not_apical``; the measurement with it carries what the image shows.
    """
    looks = [] if model is None else [model.look(clip, sector) for clip, sector in shown]
    if model is not None:
        _check_turned(model, shown, looks, source, options.thresholds)
    stated = [known_view(clip, options.view) for clip, _ in shown]
    view, by = next((one for one in stated if one[0] is not View.UNKNOWN), stated[0])
    try:
        if expected is not View.UNKNOWN:
            return recognise_view(
                source, looks, expected, ViewSource.USER, is_believed=False, limits=options.thresholds
            )
        found = recognise_view(source, looks, view, by, limits=options.thresholds)
        return replace(found, notices=(*found.notices, *_change_warnings(looks, shown)))
    except QualityRefusal as refusal:
        raise _with_view_of_image(shown[0][0], refusal, looks) from None


def recognise_view(
    source: str,
    looks: Sequence[FrameViews],
    view: View = View.UNKNOWN,
    by: str = "",
    *,
    is_believed: bool = True,
    limits: Thresholds = DEFAULT,
) -> RecognisedView:
    """The view of a clip, and whether it may be measured.

    Args:
        source: File name for messages.
        looks: What the view model says of the clip, or of each of two stills; empty without a model.
        view: View that is stated, if any.
        by: Who states it, a `ViewSource`; empty without a statement.
        is_believed: Whether the statement turns a refusal by the image into a warning; a place in a study does not.
        limits: From which probabilities and distances on it is refused or warned of.

    Raises:
        QualityRefusal: ``not_apical``.
    """
    if not looks:
        text = f"No view model is installed ({VIEW_MODEL}): it was not checked whether the clip is apical. Look at the clip."
        return RecognisedView(view, by, notices=(CodedWarning("view_not_checked", text),))
    seen = FrameViews(
        np.concatenate([look.frames for look in looks]),
        np.concatenate([look.probabilities for look in looks]),
        np.concatenate([look.distance for look in looks]),
    )
    apical, distance = seen.probability(*MEASURABLE_VIEWS), float(np.median(seen.distance))
    shown = f"{VIEW_TEXT[seen.view]} (probability {seen.probability(seen.view):.2f})"
    notices: list[CodedWarning] = []
    if apical < limits.min_apical_probability or distance > limits.max_appearance_distance:
        looks_like = (
            f"the image shows: {shown}"
            if apical < limits.min_apical_probability
            else (
                f"the images differ from all apical training images of the view model (distance {distance:.1f}; at most "
                f"{limits.max_appearance_distance:g} was expected)"
            )
        )
        if not (by and is_believed):
            raise _refusal(source, looks_like)
        text = f"{view} is stated, but {looks_like}. Check the view before you use the EF."
        notices.append(CodedWarning(OTHER_VIEW, text))
    elif (
        apical < limits.caution_apical_probability
        or distance > limits.caution_appearance_distance
        or seen.probability(View.OTHER_APICAL) >= limits.caution_other_apical_probability
    ):
        text = (
            f"It is uncertain whether this is an A4C or A2C: the image shows {shown}, with a distance of "
            f"{distance:.1f} from the training images (usual: below 1). Check the view."
        )
        notices.append(CodedWarning("view_unsure", text))
    nearer = max(MEASURABLE_VIEWS, key=seen.probability)
    share = seen.probability(nearer) / max(apical, 1e-9)
    if not by:
        view, by = (nearer, ViewSource.IMAGE) if share >= SURE_OF_TWO else (View.UNKNOWN, "")
    elif share >= CONTRADICTS and nearer is not view and not notices:
        found = f"{nearer} (probability {seen.probability(nearer):.2f})"
        text = f"{view} is stated, but the image looks like {found}: check the view."
        notices.append(CodedWarning(OTHER_VIEW, text))
    probability = seen.probability(view) if view is not View.UNKNOWN else None
    return RecognisedView(view, by, probability, seen.parts, tuple(notices))


def view_changes(look: FrameViews, n_frames: int) -> tuple[ViewRun, ...]:
    """Parts of a clip that show different views; one part where the view does not change.

    A4C and A2C count as different only where frames are sure of one and of the other. Frames that are not sure of anything,
    and a single one between others, belong to the part before them. A part ends halfway between two frames that were looked
    at.

    Args:
        look: From `ViewModel.look`, of at least two frames.
        n_frames: Frames of the clip.
    """
    best = look.probabilities.argmax(axis=1)
    sure = look.probabilities.max(axis=1) >= SURE_OF_FRAME
    groups = [list(members) for _, members in groupby(np.flatnonzero(sure), key=lambda i: int(best[i]))]
    known = [i for members in groups if len(members) >= MIN_RUN_FRAMES for i in members]
    if not known:
        return (ViewRun(look.view, 0, n_frames - 1),)
    runs: list[ViewRun] = []
    for place_of, members in groupby(known, key=lambda i: int(best[i])):
        numbers = list(members)
        first = 0 if not runs else (runs[-1].last + int(look.frames[numbers[0]]) + 1) // 2
        if runs:
            runs[-1] = replace(runs[-1], last=first - 1)
        runs.append(ViewRun(RECOGNISED_VIEWS[place_of], first, int(look.frames[numbers[-1]])))
    runs[-1] = replace(runs[-1], last=n_frames - 1)
    return tuple(runs)


def _check_turned(
    model: ViewModel,
    shown: Sequence[tuple[Clip, Sector]],
    looks: Sequence[FrameViews],
    source: str,
    limits: Thresholds,
) -> None:
    """Refuse images that look apical only when turned by 90 degrees and whose sector does not show where the probe is.

    The model recognises A4C and A2C upside down as well: it does not say which way they are turned.
    """
    for (clip, sector), look in zip(shown, looks, strict=True):
        upright = look.probability(*MEASURABLE_VIEWS)
        if upright >= limits.min_apical_probability or sector.apex_side:
            continue
        turned = max(
            model.look(clip, sector, quarter_turns=turns).probability(*MEASURABLE_VIEWS) for turns in (1, 3)
        )
        if turned >= TURNED_PROBABILITY:
            raise QualityRefusal(
                TURNED,
                f"{source}: the image looks like an A4C or A2C only when it is turned by 90 degrees (probability "
                f"{turned:.2f}, as it is {upright:.2f}); the probe was expected at the top. Rotate the file by 90 degrees, "
                "so that the probe comes to the top; if it is there, choose another clip.",
            )


def _change_warnings(
    looks: Sequence[FrameViews], shown: Sequence[tuple[Clip, Sector]]
) -> tuple[CodedWarning, ...]:
    """A warning where the view of a clip changes without a cut, as when the probe is moved."""
    if len(looks) != 1 or len(looks[0].frames) < 2:
        return ()
    runs = view_changes(looks[0], len(shown[0][0].frames))
    if len({run.view for run in runs}) < 2:
        return ()
    parts = ", then ".join(f"{VIEW_TEXT[run.view]} on frames {run.first} to {run.last}" for run in runs)
    text = f"The view changes within the clip: {parts}. Cut the clip to one view before you use the EF."
    return (CodedWarning(VIEW_CHANGES, text),)


def with_recognised_view(measurement: Measurement, found: RecognisedView) -> Measurement:
    """The measurement with its view, where that comes from, and the warnings about it."""
    quality = measurement.quality or ImageQuality(None)
    quality = replace(quality, parts=quality.parts | found.parts)
    return replace(
        with_view(measurement, found.view),
        view_probability=found.probability,
        view_source=found.source,
        quality=quality if quality.parts or quality.score is not None else measurement.quality,
        notices=tuple(dict.fromkeys((*measurement.notices, *found.notices))),
    )


def _refusal(source: str, found: str) -> QualityRefusal:
    return QualityRefusal(
        NOT_APICAL,
        f"{source}: {found}; an apical four- or two-chamber cine was expected. Choose another clip; if this is an A4C or "
        "A2C with the probe at the top, state the view with --view A4C or --view A2C.",
    )


def _with_view_of_image(clip: Clip, refusal: QualityRefusal, looks: Sequence[FrameViews]) -> RefusalWithCurve:
    """The refusal with what the image shows, so that the result carries it."""
    base = failed_measurement(clip.source, refusal, clip)
    if looks:
        seen = looks[0]
        shown = RecognisedView(seen.view, str(ViewSource.IMAGE), seen.probability(seen.view), seen.parts)
        base = with_recognised_view(base, shown)
    return RefusalWithCurve(refusal.code, str(refusal), base)
