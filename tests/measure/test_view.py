"""View by the images: what is refused, warned of, believed; parts of a clip that show different views."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from lvef.core.errors import QualityRefusal, WeightsError
from lvef.core.records import Measurement
from lvef.core.terms import RECOGNISED_VIEWS, Status, View, ViewSource
from lvef.inference.catalogue import list_models, measuring_models
from lvef.io.open import open_clip
from lvef.measure.options import MeasureOptions
from lvef.measure.pipeline import Measurer
from lvef.measure.predictors import load_predictor
from lvef.measure.quality import check_sector
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
from tests.house import ROOT
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


@cache
def phantom(view: View = View.A4C):
    """A clip of ten frames over three seconds whose view nobody states."""
    clip = sample_phantom(view).clip
    return replace(clip, frames=clip.frames[::15], times_s=clip.times_s[::15], view=View.UNKNOWN)


class Turnable:
    """Apical with one probability as the image is, with others when it is turned."""

    def __init__(self, upright: float, left: float, right: float) -> None:
        self.of = {0: upright, 1: left, 3: right}
        self.seen: list[int] = []

    def look(self, clip, sector, frames=None, quarter_turns=0):
        self.seen.append(quarter_turns)
        return look((View.A4C, self.of[quarter_turns]))


def cropped(clip, share=0.2):
    """The clip without so much of each side that its sector has no narrow end."""
    box = find_sector(clip).box
    dy, dx = round(share * box.height), round(share * box.width)
    return replace(clip, frames=clip.frames[:, box.y0 + dy : box.y1 - dy, box.x0 + dx : box.x1 - dx])


@pytest.mark.parametrize("stated", [View.UNKNOWN, View.A4C])
@pytest.mark.parametrize("better", [1, 3])
def test_what_is_apical_only_when_turned_is_refused_as_turned_whatever_is_stated(stated, better):
    clip = cropped(phantom())
    sector = find_sector(clip)
    assert sector.apex_side == ""
    model = Turnable(0.05, *((0.9, 0.1) if better == 1 else (0.1, 0.9)))
    with pytest.raises(QualityRefusal, match=r"when it is turned by 90 degrees .*Rotate the file") as met:
        view_of(model, [(clip, sector)], NAME, MeasureOptions(view=stated))
    assert met.value.code == "turned"


def test_frames_are_shown_turned_only_where_the_clip_is_refused_and_the_sector_does_not_say():
    part = cropped(phantom())
    for clip, upright, seen in ((phantom(), 0.05, [0]), (part, 0.05, [0, 1, 3]), (part, 0.5, [0])):
        model = Turnable(upright, 0.5, 0.5)
        try:
            view_of(model, [(clip, find_sector(clip))], NAME, MeasureOptions())
        except QualityRefusal as refusal:
            assert refusal.code == "not_apical"
        assert model.seen == seen


@pytest.mark.parametrize("view", [View.A4C, View.A2C])
@pytest.mark.parametrize("share", [0.0, 0.06, 0.18])
def test_of_a_phantom_however_cropped_all_that_is_turned_is_refused_and_nothing_else(view, share):
    clip = cropped(phantom(view), share)
    model = load_view_model(MeasureOptions())
    for mirrored in (False, True):
        for turns in range(4):
            frames = np.rot90(clip.frames[..., ::-1] if mirrored else clip.frames, turns, axes=(1, 2))
            turned = replace(clip, frames=np.ascontiguousarray(frames))
            sector = find_sector(turned)
            try:
                check_sector(NAME, sector)
                view_of(model, [(turned, sector)], NAME, MeasureOptions())
                code = ""
            except QualityRefusal as refusal:
                code = refusal.code
            assert code == ("turned" if turns % 2 else ""), (mirrored, turns)


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


@pytest.mark.realdata
def test_no_upright_image_of_patients_is_called_turned_and_those_that_are_turned_are():
    folder = ROOT.parent / "shared" / "data"
    files = [
        *sorted((folder / "external").glob("*.*")),
        *sorted((folder / "camus" / "database_nifti").glob("*/*_4CH_E?.nii.gz"))[::12],
        *sorted((folder / "camus" / "a2c_192").glob("*_E?.png"))[::12],
    ]
    if not files:
        pytest.skip("the images of patients are not beside the repository (../shared/data)")
    model, n_turned, missed = load_view_model(MeasureOptions()), 0, []
    for file in files:
        if file.suffix == ".md":
            continue
        clip = replace(open_clip(file), view=View.UNKNOWN)
        clip = replace(clip, frames=clip.frames[::4], times_s=clip.times_s[::4], chroma=None)
        for share in (0.0, 0.1):
            part = cropped(clip, share)
            for turns in range(2):
                turned = replace(part, frames=np.ascontiguousarray(np.rot90(part.frames, turns, axes=(1, 2))))
                sector, code = find_sector(turned), ""
                try:
                    check_sector(NAME, sector)
                    view_of(model, [(turned, sector)], NAME, MeasureOptions())
                except QualityRefusal as refusal:
                    code = refusal.code
                assert turns or code != "turned", (file.name, share)
                n_turned += turns
                if turns and code != "turned":
                    missed.append((file.name, share, code))
    assert len(missed) <= 0.01 * n_turned, missed
