"""The external benchmark on drawings, contours and clips made here: true values in closed form."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import math

import cv2
import numpy as np
import pytest

from lvef.core.errors import DataError
from lvef.core.records import Clip, Measurement, VolumeCurve
from lvef.core.terms import Status
from lvef.evaluation.metrics import dice_score
from lvef.geometry.tracing import trace_labels
from lvef.inference.card import read_card
from lvef.inference.catalogue import find_model
from lvef.measure.options import MeasureOptions
from studies.external.cases import PERTURBATIONS, Case, perturbed
from studies.external.drawings import BAND_OPACITY, read_beat, read_line
from studies.external.measures import (
    REGIONS,
    even_contour,
    filled,
    implausible,
    jitter,
    regional_distances,
    regions_of,
    signed_distances,
    wall_area,
)
from studies.external.predictions import Cache, Model, Prediction
from studies.external.scores import agreement_rows, cine_rows, drawn_rows, paired_rows, stability_rows
from studies.external.sheets import chosen_frames
from studies.external.tables import (
    ALL,
    Row,
    external_metrics,
    over_cases,
    to_csv,
    to_json,
    to_markdown,
    write_external,
)

SIDE = 200
CENTRE, AXES = (100, 60), (40, 100)


def ellipse(grow=0, shift=(0, 0), side=SIDE, base=110):
    """Half an ellipse, apex up, cut straight at its base: a ventricle of known border."""
    mask = np.zeros((side, side), np.uint8)
    middle = (CENTRE[0] + shift[0], base + shift[1])
    cv2.ellipse(mask, middle, (AXES[0] + grow, AXES[1] + grow), 0, 180, 360, 1, -1)
    return mask > 0


def sector(seed=0):
    """Grain in a square, as bright outside a ventricle as tissue and dark inside."""
    rng = np.random.default_rng(seed)
    grey = rng.integers(60, 140, (SIDE, SIDE))
    return np.where(ellipse(), grey // 5, grey).astype(np.uint8)


def drawn_line(grey, mask, colour=(255, 0, 0), thickness=3, open_base=False):
    rgb = np.repeat(grey[..., None], 3, axis=2)
    contour = max(
        cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0], key=len
    )
    if open_base:
        contour = contour[contour[:, 0, 1] < contour[:, 0, 1].max() - 1]
        start = int(np.argmax(np.hypot(*np.diff(contour[:, 0], axis=0, append=contour[:1, 0]).T)))
        contour = np.roll(contour, -start - 1, axis=0)
    return cv2.polylines(rgb, [contour], not open_base, colour, thickness)


@pytest.mark.parametrize("open_base", [False, True])
def test_a_line_gives_its_cavity_and_goes(open_base):
    grey, mask = sector(), ellipse()
    found = read_line(drawn_line(grey, mask, open_base=open_base))
    assert dice_score(found.cavity, mask) > 0.985
    assert np.abs(found.image.astype(int) - grey)[mask & found.cavity].mean() < 3
    assert np.ptp(found.image[np.abs(found.image.astype(int) - 76) < 2]) < 4  # no trace of red's grey value


def test_of_two_lines_the_middle_counts():
    rgb = drawn_line(sector(), ellipse(grow=-8))
    both = np.where(
        (drawn_line(sector(), ellipse(grow=8), (0, 255, 0)) == [0, 255, 0]).all(-1)[..., None],
        [0, 255, 0],
        rgb,
    )
    assert dice_score(read_line(both.astype(np.uint8)).cavity, ellipse()) > 0.97


def test_pixels_come_from_the_other_image():
    grey, mask = sector(), ellipse()
    found = read_line(drawn_line(grey, mask), drawn_line(grey, ellipse(grow=-25), (0, 255, 0)))
    assert (found.image == grey).mean() > 0.95
    alone = read_line(drawn_line(grey, mask))
    errors = [np.abs(one.image.astype(int) - grey).sum() for one in (found, alone)]
    assert errors[0] < 0.4 * errors[1]


def test_a_band_gives_its_inner_edge_and_is_computed_back():
    grey, inner, outer = sector(), ellipse(grow=-6), ellipse(grow=6)
    band = outer & ~inner & (np.arange(SIDE)[:, None] < 108)
    grey[band.nonzero()[0][::40], band.nonzero()[1][::40]] = 0  # black tissue under the band
    rgb = np.repeat(grey[..., None], 3, axis=2).astype(float)
    rgb[band] = (1 - BAND_OPACITY) * rgb[band] + BAND_OPACITY * np.array([74, 156, 182])
    [found] = read_beat([rgb.astype(np.uint8)])
    assert dice_score(found.cavity, inner) > 0.97
    deep = cv2.erode(band.astype(np.uint8), np.ones((7, 7), np.uint8)) > 0
    assert deep.sum() > 200
    assert np.abs(found.image.astype(int) - grey)[deep].max() <= 3


def test_an_image_without_a_drawing_is_refused():
    with pytest.raises(DataError, match="No drawn contour"):
        read_line(np.repeat(sector()[..., None], 3, axis=2))


@pytest.mark.parametrize("offset", [-6, -2, 3, 7])
def test_the_signed_distance_is_the_known_offset(offset):
    turns = np.linspace(0, 2 * np.pi, 400, endpoint=False)
    ring = np.stack([np.cos(turns), np.sin(turns)], axis=1)
    found = signed_distances((60 - offset) * ring + 90, 60 * ring + 90)
    assert found == pytest.approx(np.full(400, offset), abs=0.02)


def test_regions_tell_the_side_on_which_a_model_is_wrong():
    reference = trace_labels(ellipse().astype(np.uint8))
    same = regional_distances(reference, reference)
    assert all(abs(same[name]) < 0.01 for name in (*REGIONS, "all"))
    found = regional_distances(trace_labels((ellipse() & ellipse(shift=(-5, 0))).astype(np.uint8)), reference)
    assert found["lateral"] == pytest.approx(5, abs=1.0)
    assert abs(found["septal"]) < 0.3
    assert abs(found["basal"]) < 1.0
    contour = even_contour(reference.contour)
    region = regions_of(contour, reference)
    assert {REGIONS[int(r)] for r in region} == set(REGIONS)
    assert contour[region == REGIONS.index("lateral"), 0].min() > 100 > contour[region == 0, 0].max()
    assert (
        contour[region == REGIONS.index("apical"), 1].max()
        < contour[region == REGIONS.index("basal"), 1].min()
    )
    assert math.isnan(regional_distances(None, reference)["lateral"])


def labelled(cavity, wall=8):
    labels = cv2.dilate(cavity.astype(np.uint8), np.ones((2 * wall + 1,) * 2, np.uint8)) * 2
    labels[cavity] = 1
    return labels.astype(np.uint8)


def reasons(labels, tracings):
    found = implausible(labels, tracings)
    return [{name for name, frames in found.items() if frames[i]} for i in range(len(tracings))]


def broken(kind):
    labels = labelled(ellipse())
    if kind == "holes":
        labels[60:75, 90:110] = 0
    if kind == "pieces":
        labels[150:180, 20:50] = 1
    if kind == "no wall":
        labels[labels == 2] = 0
        labels[0, :5] = 2
    if kind == "untraced":
        labels[labels == 1] = 0
    return labels


@pytest.mark.parametrize("kind", ["whole", "holes", "pieces", "no wall", "untraced"])
def test_implausible_labels(kind):
    tracing = trace_labels(ellipse().astype(np.uint8))
    assert reasons(broken(kind)[None], [tracing]) == [set() if kind == "whole" else {kind}]


def test_implausible_contours():
    plain, far = (trace_labels(ellipse(grow=g).astype(np.uint8)) for g in (0, -12))
    assert reasons(None, [plain, plain, plain]) == [set()] * 3
    assert reasons(None, [plain, far, plain])[1] == {"jump"}
    assert reasons(None, [None, plain]) == [{"untraced"}, set()]
    around = trace_labels((np.hypot(*(np.mgrid[:SIDE, :SIDE] - 100)) < 50).astype(np.uint8))
    assert reasons(None, [around])[0] >= {"round"}


def moved(tracing, way):
    return dataclasses.replace(
        tracing, **{f.name: getattr(tracing, f.name) + np.array(way) for f in dataclasses.fields(tracing)}
    )


def test_jitter_and_wall_area():
    still = trace_labels(ellipse().astype(np.uint8))
    steady = [moved(still, (0.5 * i, i)) for i in range(5)]
    assert jitter(steady) == pytest.approx(0, abs=1e-9)
    length = float(np.hypot(*(still.base - still.apex)))
    shaken = [moved(still, (0, 2.0 * (i % 2))) for i in range(6)]
    assert jitter(shaken) == pytest.approx(100 * 2 / length)
    assert math.isnan(jitter(steady[:2]))
    labels = np.stack([labelled(ellipse())] * 3)
    assert wall_area(labels, 0) == (labels[0] == 2).sum()


def test_a_prediction_keeps_the_classes_of_every_frame(phantom_clip):
    clip = phantom_clip.clip
    clip = dataclasses.replace(clip, frames=clip.frames[:40], times_s=clip.times_s[:40])
    prediction = Model(MeasureOptions(), "camus-seg").predict(clip)
    assert prediction.labels.shape == (40, 128, 128)
    areas = [(labels == 1).sum() for labels in prediction.labels]
    drawn = [cv2.contourArea(t.contour.astype(np.float32)) for t in prediction.tracings]
    assert np.corrcoef(areas, drawn)[0, 1] > 0.9


def made_prediction(cavities, ef=None, curve=None, labels=None, source="made"):
    tracings = tuple(trace_labels(c.astype(np.uint8)) for c in cavities)
    status = Status.OK if ef is not None else Status.REFUSED
    measurement = Measurement(
        source, status, ef_percent=ef, n_frames=len(tracings), tracings=tracings, curve=curve
    )
    return Prediction(measurement, labels)


def made_case(cavities, name="made"):
    frames = np.stack([sector(i) for i in range(len(cavities))])
    clip = Clip(frames, np.arange(len(frames)) / 20, "made", name)
    return Case(name, clip, dict(enumerate(cavities)))


def value(rows, metric, group=ALL, case=ALL):
    [found] = [r for r in rows if (r.metric, r.group, r.case) == (metric, group, case)]
    return found.value


def test_drawn_suite_of_a_perfect_model_and_of_a_small_one():
    case = made_case([ellipse()])
    perfect = drawn_rows("m", [case], {"made": made_prediction([ellipse()])})
    assert value(perfect, "dice") > 0.99
    assert abs(value(perfect, "border")) < 0.3
    small = drawn_rows("m", [case], {"made": made_prediction([ellipse(grow=-6)])})
    assert value(small, "border", "lateral") == pytest.approx(100 * 6 / SIDE, abs=0.5)
    refused = drawn_rows("m", [case], {"made": Prediction(Measurement("made", Status.REFUSED), None)})
    assert value(refused, "dice", case="made") == 0
    ef_alone = {"made": Prediction(Measurement("made", Status.OK, ef_percent=50.0), None)}
    assert drawn_rows("m", [case], ef_alone) == []
    assert not [
        row for row in cine_rows("m", [case], ef_alone) if (row.case, row.metric) == (ALL, "implausible")
    ]


def test_ef_of_the_beat_is_that_of_the_contours():
    cavities = [ellipse(), ellipse(grow=-15)]
    case = made_case(cavities, "echoxflow-beat")
    volume = np.array([100.0, 40.0])
    curve = VolumeCurve(np.array([0.0, 0.1]), volume, volume, calibrated=False)
    rows = drawn_rows("m", [case], {"echoxflow-beat": made_prediction(cavities, 55.0, curve)})
    assert value(rows, "ef_same_frames", case="echoxflow-beat") == pytest.approx(60.0)
    drawn = value(rows, "ef_drawn", case="echoxflow-beat")
    assert value(rows, "ef_error", "echoxflow-beat") == pytest.approx(55.0 - drawn)


def test_cines_stability_and_agreement():
    cavities = [ellipse()] * 3
    case = made_case(cavities)
    labels = np.stack([labelled(c) for c in cavities])
    plain = {"made": made_prediction(cavities, 60.0, labels=labels)}
    rows = cine_rows("m", [case], plain)
    assert value(rows, "implausible") == 0
    assert value(rows, "answered") == 1
    lost = cine_rows("m", [case], {"made": Prediction(Measurement("made", Status.REFUSED), None)})
    assert (value(lost, "implausible"), value(lost, "answered")) == (1, 0)
    changed = {
        "gamma 2": {"made": made_prediction(cavities, 57.0)},
        "blur 1.5 px": {"made": made_prediction(cavities)},
    }
    rows = stability_rows("m", plain, changed)
    assert value(rows, "ef_change", "gamma 2") == -3
    assert value(rows, "ef_lost", "blur 1.5 px") == 1
    assert value(rows, "ef_change_size") == 3
    other = {"made": made_prediction([ellipse(grow=-10)] * 3, 50.0)}
    rows = agreement_rows("cines", [case], {"m": plain, "k": other})
    assert value(rows, "agreement_ef", "k") == 10
    shape = (SIDE, SIDE)
    first, second = plain["made"].tracings[0], other["made"].tracings[0]
    assert value(rows, "agreement_dice", "k") == pytest.approx(
        dice_score(filled(first, shape), filled(second, shape))
    )


def test_errors_are_compared_on_the_clips_that_both_answer():
    true = {"a": 50.0, "b": 60.0, "c": 40.0, "d": 30.0, "e": 20.0, "f": 70.0}
    efs = {
        "old": {"a": 40.0, "b": 50.0, "c": 50.0, "d": 30.0, "e": 24.0, "f": math.nan},
        "new": {"a": 45.0, "b": 65.0, "c": 45.0, "d": 30.0, "e": 23.0, "f": 70.0},
    }
    rows = [
        Row(model, "phantoms", case, ALL, metric, number)
        for model, found in efs.items()
        for case, ef in found.items()
        for metric, number in (("ef", ef), ("ef_true", true[case]))
    ]
    [row] = paired_rows(rows)
    assert (row.model, row.group, row.n, row.unit) == ("new", "old", 5, "EF points")
    assert row.value == pytest.approx((-5 - 5 - 5 + 0 - 1) / 5)
    assert row.low < row.value < row.high <= 0
    assert paired_rows([row for row in rows if row.model == "old"]) == []
    assert external_metrics([row], {}) == ()


@pytest.mark.parametrize("change", PERTURBATIONS)
def test_every_perturbation_takes_a_cine(change):
    clip = Clip(np.stack([sector(i) for i in range(3)]), np.arange(3) / 20, "made", "made")
    found = perturbed(clip, change)
    assert len(found.frames) == 3
    assert not np.array_equal(found.frames, clip.frames)


def test_predictions_come_back_from_the_disk(tmp_path):
    cavities = [ellipse(), ellipse(grow=-9)]
    volume = np.array([3.0, np.nan])
    curve = VolumeCurve(np.array([0.0, 0.1]), volume, volume, calibrated=False)
    made = made_prediction(cavities, 51.5, curve, np.stack([labelled(c) for c in cavities]))
    made = Prediction(dataclasses.replace(made.measurement, tracings=(*made.tracings[:1], None)), made.labels)
    calls = []

    class Fake:
        label, key = "fake", "1"

        def predict(self, clip):
            calls.append(clip)
            return made

    clip = made_case(cavities).clip
    cache = Cache(tmp_path)
    for _ in range(2):
        again = cache.predict(Fake(), clip, "made")
        assert again.ef_percent == 51.5
        assert np.array_equal(again.labels, made.labels)
        assert again.tracings[1] is None
        assert np.array_equal(again.tracings[0].chords, made.tracings[0].chords)
        assert np.array_equal(again.measurement.curve.volume, volume, equal_nan=True)
    assert len(calls) == 1
    cache.predict(Fake(), dataclasses.replace(clip, frames=255 - clip.frames), "made")
    assert len(calls) == 2


def test_chosen_frames_hold_ed_and_es():
    prediction = Prediction(Measurement("m", Status.OK, ed_frame=3, es_frame=11), None)
    frames = chosen_frames(60, prediction)
    assert {3, 11} <= set(frames)
    assert len(frames) == 8
    assert chosen_frames(1, prediction)[0] in (0, 3, 11)


def rows_of_two():
    over = over_cases(
        [Row("m", "phantoms", ALL, ALL, "ef_mae", math.nan, unit="EF points", baseline=9.0)], range(10)
    )
    return [
        *over,
        Row("m", "phantoms", "p1", ALL, "ef", 50.0),
        Row("k", "phantoms", ALL, "apical", "border_ed", 1.25),
    ]


def test_tables():
    rows = rows_of_two()
    assert rows[0].value == 4.5
    assert rows[0].low < 4.5 < rows[0].high
    assert math.isnan(over_cases([Row("m", "s", ALL, ALL, "x", 0.0)], [1, 2, math.nan])[0].low)
    assert over_cases([Row("m", "s", ALL, ALL, "x", 0.0)], [math.nan]) == []
    table = list(csv.DictReader(io.StringIO(to_csv(rows))))
    assert [line["metric"] for line in table] == ["ef_mae", "ef", "border_ed"]
    assert table[1]["low"] == ""
    assert json.loads(to_json(rows))[1]["low"] is None
    text = to_markdown(rows)
    assert "| phantoms | ef_mae |" in text
    assert "| phantoms | border_ed | apical |" in text
    assert "p1" not in text


def test_the_card_carries_the_block(tmp_path):
    entry = find_model("volume-trace-tuned")
    folder = tmp_path / "candidate"
    folder.mkdir()
    (folder / "card.json").write_bytes((entry.folder / "card.json").read_bytes())
    write_external(folder, rows_of_two(), {"phantoms": "phantoms, seed 7"})
    write_external(folder, rows_of_two(), {"phantoms": "phantoms, seed 7"})
    card = read_card(folder)
    others = entry.card.external
    assert others
    assert card.external[: len(others)] == others, "what another hospital's clips said stays, and in front"
    written = card.external[len(others) :]
    assert [(f.name, f.split, f.value) for f in written] == [
        ("ef_mae", "phantoms, seed 7", 4.5),
        ("border_ed_apical", "phantoms, seed 7", 1.25),
    ]
    assert written[0].trivial == 9.0
    assert dataclasses.replace(card, external=()) == dataclasses.replace(entry.card, external=())
    assert external_metrics([Row("m", "s", ALL, ALL, "x", math.nan)], {}) == ()
    assert external_metrics([Row("m", "cines", ALL, "other", "agreement_dice", 0.9)], {}) == ()
    [walls] = external_metrics([Row("m", "cines", ALL, ALL, "wall_ratio", 0.9, baseline=0.968)], {})
    assert walls.trivial is None, "what experts have is no constant median"
