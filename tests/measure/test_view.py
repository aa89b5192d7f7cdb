"""View by the images: what is refused, warned of, believed; parts of a clip that show different views."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lvef.core.errors import QualityRefusal, WeightsError
from lvef.core.records import Measurement
from lvef.core.terms import RECOGNISED_VIEWS, Status, View, ViewSource
from lvef.inference.catalogue import list_models, measuring_models
from lvef.measure.options import MeasureOptions
from lvef.measure.pipeline import Measurer
from lvef.measure.predictors import load_predictor
from lvef.measure.results import RefusalWithCurve
from lvef.measure.view import (
    FrameViews,
    ViewRun,
    load_view_model,
    recognise_view,
    view_changes,
    view_of,
    with_recognised_view,
)
from lvef.synthesis.phantom.render import sample_phantom
from lvef.transforms.sector import find_sector
from tests.measure.made_up import beating

NAME = "clip.avi"


def look(*frames: tuple[View, float], distance: float = 0.8, step: int = 10) -> FrameViews:
    """A view and its probability for each frame; the rest is spread evenly."""
    rows = []
    for view, probability in frames:
        row = np.full(len(RECOGNISED_VIEWS), (1 - probability) / (len(RECOGNISED_VIEWS) - 1))
        row[RECOGNISED_VIEWS.index(view)] = probability
        rows.append(row)
    return FrameViews(step * np.arange(len(rows)), np.array(rows), np.full(len(rows), distance))


def codes(found):
    return [notice.code for notice in found.notices]


def test_the_view_of_the_image_is_taken_where_nobody_states_one():
    found = recognise_view(NAME, [look((View.A2C, 0.95))])
    assert (found.view, found.source, codes(found)) == (View.A2C, ViewSource.IMAGE, [])
    assert found.probability == pytest.approx(0.95)
    assert found.parts == pytest.approx({"appearance_distance": 0.8, "apical_probability": 0.95 + 0.05 / 6})


def test_a_stated_view_goes_before_that_of_the_image_which_contradicts_or_not():
    found = recognise_view(NAME, [look((View.A2C, 0.9))], View.A2C, ViewSource.FILE)
    assert (found.view, found.source, codes(found)) == (View.A2C, "file", [])
    found = recognise_view(NAME, [look((View.A2C, 0.9))], View.A4C, ViewSource.USER)
    assert (found.view, found.source, codes(found)) == (View.A4C, "user", ["view_contradicts_image"])
    assert found.probability == pytest.approx(0.1 / 6)


@pytest.mark.parametrize("view", [View.PLAX, View.PSAX, View.SUBCOSTAL, View.NOT_ECHO])
def test_another_view_is_refused_unless_the_view_is_stated(view):
    with pytest.raises(QualityRefusal, match=r"clip\.avi: the image shows: .*0\.97.*--view") as met:
        recognise_view(NAME, [look((view, 0.97), (view, 0.97))])
    assert met.value.code == "not_apical"
    found = recognise_view(NAME, [look((view, 0.97))], View.A4C, ViewSource.USER)
    assert (found.view, codes(found)) == (View.A4C, ["view_contradicts_image"])
    with pytest.raises(QualityRefusal):
        recognise_view(NAME, [look((view, 0.97))], View.A4C, ViewSource.USER, is_believed=False)


def test_images_far_from_all_of_training_are_refused_whatever_they_look_like():
    with pytest.raises(QualityRefusal, match="distance 9"):
        recognise_view(NAME, [look((View.A4C, 0.99), distance=9.0)])


def test_what_is_not_sure_is_warned_of():
    for doubtful in (look((View.A4C, 0.4)), look((View.A4C, 0.9), distance=1.5)):
        assert codes(recognise_view(NAME, [doubtful])) == ["view_unsure"]
    five = look((View.A4C, 1.0), (View.A4C, 1.0), (View.OTHER_APICAL, 1.0))
    assert codes(recognise_view(NAME, [five])) == ["view_unsure"]
    between = look((View.A4C, 1.0), (View.A2C, 1.0))
    found = recognise_view(NAME, [between])
    assert (found.view, found.source, found.probability, codes(found)) == (View.UNKNOWN, "", None, [])


def test_without_a_model_it_is_said_that_nothing_was_checked(monkeypatch):
    found = recognise_view(NAME, [], View.A4C, ViewSource.FILE)
    assert (found.view, found.source, codes(found), found.parts) == (
        View.A4C,
        "file",
        ["view_not_checked"],
        {},
    )
    assert with_recognised_view(Measurement(NAME, Status.OK), found).quality is None
    monkeypatch.setattr("lvef.measure.view.list_models", list)
    assert load_view_model(MeasureOptions()) is None


def test_a_clip_that_changes_its_view_falls_into_parts():
    a4c, plax, dark = (View.A4C, 0.95), (View.PLAX, 0.9), (View.A2C, 0.3)
    assert view_changes(look(a4c, dark, a4c), 25) == (ViewRun(View.A4C, 0, 24),)
    assert view_changes(look(a4c, a4c, dark, plax, plax), 45) == (
        ViewRun(View.A4C, 0, 19),
        ViewRun(View.PLAX, 20, 44),
    )
    assert view_changes(look(dark, dark), 11) == (ViewRun(View.A2C, 0, 10),)
    assert view_changes(look(a4c, a4c, plax, a4c), 40) == (ViewRun(View.A4C, 0, 39),)


def test_a_view_that_changes_without_a_cut_is_warned_of():
    class Moved:
        def look(self, clip, sector):
            return look(*[(View.A4C, 0.9)] * 3, *[(View.A2C, 0.9)] * 5)

    clip = replace(sample_phantom().clip, view=View.UNKNOWN)
    found = view_of(Moved(), [(clip, find_sector(clip))], NAME, MeasureOptions())
    [text] = [notice.text for notice in found.notices if notice.code == "view_changes"]
    assert "A4C on frames 0 to 24, then A2C on frames 25 to" in text


def test_a_refusal_carries_what_the_image_shows():
    class Fixed:
        def look(self, clip, sector):
            return look((View.PLAX, 0.96), distance=1.7)

    clip = replace(sample_phantom().clip, view=View.UNKNOWN)
    with pytest.raises(RefusalWithCurve) as met:
        view_of(Fixed(), [(clip, find_sector(clip))], NAME, MeasureOptions())
    base = met.value.base
    assert (base.view, base.view_source, base.status) == (View.PLAX, "image", Status.REFUSED)
    assert base.quality.parts["appearance_distance"] == pytest.approx(1.7)


@pytest.mark.parametrize("view", [View.A4C, View.A2C])
def test_phantoms_are_apical_for_the_installed_model(view):
    clip = replace(sample_phantom(view).clip, view=View.UNKNOWN)
    model = load_view_model(MeasureOptions())
    found = view_of(model, [(clip, find_sector(clip))], NAME, MeasureOptions())
    assert (found.view, codes(found)) == (view, [])
    assert found.parts["appearance_distance"] < 2


def test_a_clip_of_moving_discs_is_refused_by_the_measurer_with_its_view():
    clip = beating(40)[1]
    found = Measurer(MeasureOptions(threads=1)).view_model.look(clip, find_sector(clip))
    assert found.probabilities.shape == (8, len(RECOGNISED_VIEWS))
    assert np.allclose(found.probabilities.sum(axis=1), 1, atol=1e-4)


def test_the_view_model_is_listed_and_cannot_be_asked_to_measure():
    assert "camus-view" in {entry.name for entry in list_models()}
    assert "camus-view" not in {entry.name for entry in measuring_models()}
    with pytest.raises(WeightsError, match=r"camus-view is of the kind view and measures no EF; .*camus-seg"):
        load_predictor(MeasureOptions(weights="camus-view"))
