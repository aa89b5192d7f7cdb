"""What the report says: one place decides it, and it tells no more than it should."""

from __future__ import annotations

import itertools
from dataclasses import replace

import cv2
import numpy as np
import pytest

from lvef.core.records import CodedWarning, PixelSpacing
from lvef.core.wording import DISCLAIMER
from lvef.measure.correction import Edit
from lvef.measure.correction import corrected as corrected_measurement
from lvef.measure.interval import OF_MODEL_ONLY
from lvef.measure.options import MeasureOptions
from lvef.measure.results import Result
from lvef.report.charts import chart_of, ticks
from lvef.report.content import MOST_WARNINGS, NO_CLIP, NO_CONTOUR, NO_SECTOR, content_of
from lvef.report.images import IMAGE_HEIGHT_PX, images_of
from tests.measure.made_up import assessed, beating, failed, refused
from tests.report.cases import (
    CORRECTION,
    NOW,
    cases,
    corrected,
    crowded,
    of_ef_network,
    pair,
    plain,
    study,
    withheld,
)


def words(value) -> list[str]:
    """All strings of a page, however deep."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, tuple | list):
        return [word for inner in value for word in words(inner)]
    fields = getattr(value, "__dataclass_fields__", None)
    return [word for name in fields for word in words(getattr(value, name))] if fields else []


@pytest.mark.parametrize("answer", [a for _, a in cases()], ids=[n for n, _ in cases()])
def test_every_answer_has_its_words_on_one_line_each(answer):
    page = content_of(answer, NOW)
    said = words(page)
    assert all(word.isprintable() for word in said)
    assert sum(DISCLAIMER in word for word in said) == 1
    assert dict(page.method)["Report"] == "made 2026-01-31 14:05 UTC"
    assert (page.ef == "No EF") == (answer.measurement.ef_percent is None)


def test_a_plain_answer():
    page = content_of(plain(), NOW)
    assert (page.title, page.ef, page.label) == ("clip.avi", "60 %", "Ejection fraction")
    assert page.status == "mean of 4 beats"
    assert page.volumes[:3] == (
        ("Mean EDV", "120 ml"),
        ("Mean ESV", "48 ml"),
        ("Mean stroke volume", "72 ml"),
    )
    values = dict(page.values)
    assert values["Spread over beats"] == "SD 0.0 points, 60.0 to 60.0 %"
    assert values["Beat shown"] == "beat 1, EF 60.0 %, EDV 120 ml, ESV 48 ml"
    assert values["Heart rate"] == "75/min (from the beats)"
    assert values["Heart-failure range"] == "preserved (50 or more)"
    assert page.facts == "A4C · 175 frames · 50 frames/s (container) · 3.48 s"
    made = dict(page.method)
    assert made["Model"] == "camus-seg 1, SHA-256 abababababab, CC-BY-NC-SA-4.0"
    assert made["Software"] == "lvef 0.1.0, openvino, precision bf16, Test CPU"
    assert made["Method"] == "disks single plane, A4C"
    assert page.correction is None
    assert page.image_note == ""
    (view,) = page.views
    assert [(p.phase, p.caption) for p in view.images] == [
        ("ED", "frame 0  ·  0.00 s"), ("ES", "frame 16  ·  0.32 s"),
    ]  # fmt: skip
    assert view.beats.rows[0] == ("1", "0", "16", "0.00", "120", "48", "60", "0.80", "yes, shown")
    assert view.beats.strong == 0


@pytest.mark.parametrize(
    ("source", "title"),
    [
        ("a/b/clip.avi", "clip.avi"),
        ("C:\\echo\\clip.avi", "clip.avi"),
        ("a/x + y.avi", "x + y.avi"),
        ("a\nb\x1b\u202egp.avi", "a b□□gp.avi"),
        ("\udce9cho.avi", "\ufffdcho.avi"),
    ],
)
def test_the_title_is_the_name_of_the_file_as_it_can_be_printed(source, title):
    assert content_of(plain(source=source), NOW).title == title


def test_a_pair_and_a_study_name_both_files_without_folders():
    assert content_of(pair(), NOW).title == "ed.png + es.png"
    assert content_of(study(), NOW).title == "four.dcm + two.dcm"


def test_folders_stand_in_no_sentence():
    m = replace(
        failed("secret/broken.avi"),
        reason="secret/broken.avi is empty; so is secret/broken.avi.",
        notices=(CodedWarning("n", "secret/broken.avi: odd"), CodedWarning("m", "see secret/broken.avi")),
    )
    page = content_of(Result(m, None), NOW)
    assert not any("secret" in word for word in words(page))
    assert page.warnings == ("broken.avi: odd.", "See broken.avi.")
    assert page.reason == "broken.avi is empty; so is broken.avi."
    both = replace(study().measurement, reason="No biplane EF, the A4C has none: a/four.dcm: black.")
    assert "a/" not in content_of(replace(study(), measurement=both), NOW).reason


def test_a_study_shows_both_views():
    page = content_of(study(), NOW)
    assert [view.name for view in page.views] == ["A4C", "A2C"]
    assert [p.title for view in page.views for p in view.images] == ["A4C ED", "A4C ES", "A2C ED", "A2C ES"]
    assert ("A4C alone", "58 %") in page.values
    assert "A4C: 100 frames" in page.facts


def test_a_study_says_the_warnings_of_its_views_once():
    answer = study()
    said = (CodedWarning("s", "The study."), CodedWarning("o", "A4C: Only the view."))
    parts = {
        view: (replace(m, notices=(CodedWarning("o", "Only the view."),)), clip)
        for view, (m, clip) in answer.views.items()
    }
    answer = replace(answer, measurement=replace(answer.measurement, notices=said), views=parts)
    assert content_of(answer, NOW).warnings == ("The study.", "A4C: Only the view.")


def test_a_correction_shows_both_answers():
    page = content_of(corrected(), NOW)
    assert page.label == "Ejection fraction, corrected by Dr. A. Müller"
    assert (page.status, page.is_alert) == ("from the reader's ED and ES", False)
    assert "Beats" not in dict(page.values)
    table = page.correction.table
    assert table.header == ("", "EF", "EDV", "ESV", "ED frame", "ES frame")
    assert table.rows == (
        ("Reader", "60 %", "120 ml", "48 ml", "0", "16"),
        ("Model", "51 %", "131 ml", "64 ml", "3", "19"),
    )
    assert table.strong == 0
    for part in ("by Dr. A. Müller", "2026-01-30 09:15 UTC", "other frames, contour at ES", "the model's"):
        assert part in page.correction.sentence
    assert page.correction.note == "Note: Trabeculae left out."


def test_a_correction_without_name_or_note():
    page = content_of(plain(correction=replace(CORRECTION, reader=" ", note="", changed=("beat",))), NOW)
    assert page.label == "Ejection fraction, corrected by a reader"
    assert page.correction.note == ""
    assert page.correction.sentence == (
        "Changed by a reader on 2026-01-30 09:15 UTC: another beat. The curve is the model's."
    )


def test_a_corrected_study_shows_the_view_that_was_corrected():
    page = content_of(
        study(replace(CORRECTION, machine_ed_frame=None, machine_es_frame=None, changed=("A4C frames",))), NOW
    )
    table = page.correction.table
    assert table.header == ("", "EF", "EDV", "ESV", "A4C EF", "A4C ED, ES")
    assert table.rows[0][-2:] == ("58 %", "0, 16")
    assert table.rows[1][-2:] == ("51 %", "3, 19")
    assert "other frames (A4C)" in page.correction.sentence


def test_the_curve_keeps_its_gaps_and_its_beats():
    m, _ = beating(175)
    volume = m.curve.volume.copy()
    volume[[0, 50, 51]] = np.nan
    beats = (*m.beats[:2], replace(m.beats[2], excluded="ectopic"))
    curve = chart_of(replace(m, beats=beats, curve=replace(m.curve, volume=volume)))
    assert [len(piece) for piece in curve.pieces] == [49, 123]
    assert [(s.kind, s.label) for s in curve.spans] == [
        ("shown", "60 %"), ("counted", "60 %"), ("excluded", "excluded"),
    ]  # fmt: skip
    assert all(time != m.curve.times_s[m.beats[2].es_frame] for _, time, _ in curve.marks)


def test_without_a_scale_the_curve_is_in_per_cent():
    m, _ = beating(60, calibrated=False)
    curve = chart_of(m)
    assert curve.unit == "LV volume (% of ED)"
    assert np.concatenate(curve.pieces)[:, 1].max() == pytest.approx(100)
    assert (
        content_of(Result(m, None), NOW).volume_note
        == "The file has no scale, so volumes cannot be given in ml."
    )


def test_much_is_cut_and_the_answer_kept():
    page = content_of(crowded(), NOW)
    table = page.views[0].beats
    assert len(table.rows) == 7
    assert table.rows[table.strong][0] == "31"
    assert table.hidden == 33
    assert len(page.warnings) == MOST_WARNINGS
    assert page.hidden_warnings == 12
    assert len(page.title) <= 160
    assert page.title.endswith(".avi")


@pytest.mark.parametrize(
    ("answer", "note"),
    [
        (of_ef_network(), NO_CONTOUR),
        (replace(plain(), clip=None), NO_CLIP),
        (Result(refused(), replace(beating(20)[1], frames=np.zeros((20, 64, 64), np.uint8))), NO_SECTOR),
        (Result(failed(), None), ""),
    ],
    ids=["ef network", "no film", "no fan", "failed"],
)
def test_what_is_to_be_known_of_the_images(answer, note):
    page = content_of(answer, NOW)
    assert page.image_note == note
    assert bool(page.views[0].images) == (note == NO_CONTOUR)


def test_images_of_an_ef_network_have_no_contour():
    pictures = content_of(of_ef_network(), NOW).views[0].images
    assert [p.caption for p in pictures] == ["frame 20  ·  0.40 s", "frame 40  ·  0.80 s"]
    assert all(p.tracing is None and "without a contour" in p.alt for p in pictures)


def test_what_lies_outside_the_fan_is_in_no_image():
    m, clip = beating(60, (240, 240), tracings=())
    frames = clip.frames.copy()
    for frame in frames:
        cv2.putText(frame, "DOE", (4, 236), cv2.FONT_HERSHEY_SIMPLEX, 0.5, 255)
    assert frames[:, 220:].max() == 255
    shown = images_of(m, replace(clip, frames=frames), "", 1.0)
    assert shown
    for picture in shown:
        assert picture.pixels.shape == (IMAGE_HEIGHT_PX, IMAGE_HEIGHT_PX)
        # A burned-in name is brighter than any tissue of this made-up heart.
        assert picture.pixels.max() < 200


def test_a_contour_lies_on_the_image_where_it_lies_on_the_clip():
    frames = np.full((60, 112, 112), 20, np.uint8)
    frames[:, 49:53, 54:58] = 255
    m, clip = beating(60, frames=frames)
    picture = images_of(m, clip, "", 1.28)[0]
    bright = np.argwhere(picture.pixels > 128).mean(axis=0)[::-1]
    middle = (bright + 0.5) / picture.pixels.shape[::-1]
    # The axis of the made-up ventricle runs down at x = 56 through this spot of its fan.
    apex, base = picture.tracing.axis
    assert apex[0] == pytest.approx(base[0])
    assert middle[0] == pytest.approx(apex[0], abs=0.01)
    assert apex[1] < middle[1] < base[1]


def test_pixels_that_are_not_square_are_shown_true():
    m, clip = beating(60, (100, 200))

    def shape(spacing):
        contour = images_of(m, replace(clip, spacing=spacing), "", 1.0)[0].tracing.contour
        return np.ptp(contour[:, 1]) / np.ptp(contour[:, 0])

    assert shape(PixelSpacing(0.154, 0.308, "header")) == pytest.approx(2 * shape(None), rel=0.01)


@pytest.mark.parametrize("span", [(0.0, 3.0), (40.2, 41.1), (0.0, 1e-3), (17.0, 1700.0)])
def test_ticks_are_round_and_inside(span):
    found = ticks(*span, 8)
    assert 3 <= len(found) <= 9
    assert span[0] <= found[0] < found[-1] <= span[1] + 1e-9
    assert len({round(b - a, 9) for a, b in itertools.pairwise(found)}) == 1


def test_an_assessed_answer_has_interval_decision_quality_and_second_opinion():
    content = content_of(plain(**assessed()), NOW)
    assert content.interval == (("90 % prediction interval", "48 to 66 %"),)
    assert content.bar.interval_percent == (47.6, 66.4) and content.is_apart
    assert content.decision == ("caution", "Check the contours before you use the EF.")
    quality = content.views[0].quality
    assert quality.text == "fair, 0.52 of 1" and len(quality.advice) == 2
    assert ("Sector width", "75 °") in quality.parts
    labels = [label for label, _ in content.values]
    # What stands beside the EF does not stand below it again.
    assert {"View", "Range probabilities"} <= set(labels)
    assert not {"Decision", "Second opinion", "Image quality"} & set(labels)


def test_a_withheld_ef_stands_nowhere_and_its_curve_does():
    content = content_of(withheld(), NOW)
    assert content.decision == ("refused", "") and content.status == "not measured" and content.bar is None
    view = content.views[0]
    assert view.chart is not None and all(span.label == "" for span in view.chart.spans)
    assert {row[view.beats.header.index("EF %")] for row in view.beats.rows} == {"-"}
    assert "Beat shown" not in dict(content.values)
    assert view.quality is not None


def test_a_corrected_ef_has_no_interval_of_the_model():
    machine, _ = beating(175, **assessed())
    reader = corrected_measurement(machine, Edit(es_frame=20), MeasureOptions(), now=NOW)
    assert reader.ef_low_percent is None and reader.decision == "" and not reader.category_probabilities
    assert content_of(Result(reader, None), NOW).interval == (("Prediction interval", OF_MODEL_ONLY),)
    assert reader.second_opinion.difference_points == pytest.approx(71.2 - reader.ef_percent)
