from __future__ import annotations

import base64
import json
import re
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("streamlit", reason='the page needs pip install "lvef[app]"')
from streamlit.testing.v1 import AppTest

from lvef.core.records import Correction
from lvef.webapp import correction_panel
from tests.webapp import correction_app as drawn

APP = Path(__file__).with_name("correction_app.py")


def shown(kind="heart"):
    app = AppTest.from_file(str(APP), default_timeout=300)
    app.query_params["kind"] = kind
    app.run()
    assert not app.exception
    return app


def measured(app):
    assert not app.exception
    return app.session_state["returned"].measurement


def values(app):
    return " ".join(block.proto.body for block in app.get("html"))


def widget(app, kind, key):
    """The widget of a name: its key, or the key with a turn behind it."""
    return next(w for w in getattr(app, kind) if w.key == key or re.fullmatch(rf"{key}-\d+", w.key or ""))


def test_unchanged_it_gives_back_the_very_answer():
    app = shown()
    assert app.session_state["returned"] is app.session_state["made-heart"]
    assert "nothing changed yet" in values(app)


def test_another_beat_and_back():
    app = shown()
    app.selectbox[0].set_value(1).run()
    assert (measured(app).ed_frame, measured(app).es_frame) == (12, 18)
    assert measured(app).correction.changed == ("beat",)
    assert "another beat" in values(app)
    widget(app, "button", "c-reset").click().run()
    assert measured(app).correction is None


def test_another_frame_by_the_slider():
    app = shown()
    widget(app, "slider", "c--ed-frame").set_value(2).run()
    assert measured(app).ed_frame == 2
    assert measured(app).correction.changed == ("frames",)
    assert app.selectbox[0].value == -1


def test_frames_that_cannot_be_leave_the_slider_where_it_was():
    app = shown()
    widget(app, "slider", "c--es-frame").set_value(0).run()
    assert measured(app).correction is None
    assert widget(app, "slider", "c--es-frame").value == 6
    assert "cannot be ED and ES" in values(app)


def test_a_browser_that_lags_behind_changes_nothing():
    """What it shows before the answer to the last act has come in goes out again with the next message."""
    app = shown()
    box = app.selectbox[0].set_value(1)
    old = app._tree.get_widget_states()
    box.run()
    chosen = measured(app)
    app._run(old)
    assert measured(app) is chosen and chosen.correction.changed == ("beat",)
    slider = widget(app, "slider", "c--ed-frame").set_value(2)
    old = app._tree.get_widget_states()
    slider.run()
    assert app.selectbox[0].value == -1
    chosen = measured(app)
    app._run(old)
    assert measured(app) is chosen and chosen.correction.changed == ("frames",)
    old = app._tree.get_widget_states()
    widget(app, "button", "c-reset").click().run()
    app._run(old)
    assert measured(app).correction is None


def test_what_is_being_typed_is_not_written_over():
    app = shown()
    key = widget(app, "text_input", "c-reader").key
    app.selectbox[0].set_value(1).run()
    again = widget(app, "text_input", "c-reader")
    assert again.key == key and not again.proto.set_value


def test_name_and_note_stand_in_the_answer():
    app = shown()
    app.selectbox[0].set_value(1).run()
    assert "Type your name" in values(app)
    widget(app, "text_input", "c-reader").set_value("Dr. A").run()
    widget(app, "text_input", "c-note").set_value("better window").run()
    record = measured(app).correction
    assert (record.reader, record.note) == ("Dr. A", "better window")
    assert "Reader: Dr. A" in values(app) and "Type your name" not in values(app)


def test_a_pair_of_stills_has_no_frames_to_choose():
    app = shown("pair")
    assert not app.slider and not app.selectbox
    assert measured(app).ef_percent == pytest.approx(54.8, abs=0.1)


def test_a_study_has_both_views():
    app = shown("study")
    assert app.radio[0].options == ["A4C", "A2C"]
    app.radio[0].set_value("A2C").run()
    widget(app, "slider", "c-A2C-ed-frame").set_value(1).run()
    assert measured(app).correction.changed == ("A2C frames",)
    assert app.session_state["returned"].views["A2C"][0].ed_frame == 1
    app.radio[0].set_value("A4C").run()
    assert measured(app).correction.changed == ("A2C frames",)


def test_a_network_without_contours_says_so():
    app = shown("ef")
    assert "nothing" not in values(app)
    assert "There is no contour to correct" in app.info[0].value
    assert measured(app).correction is None
    assert not app.slider


def test_what_lies_below_follows_the_answer():
    app = shown()
    first = next(t.value for t in app.text if t.value.startswith("below"))
    app.selectbox[0].set_value(1).run()
    second = next(t.value for t in app.text if t.value.startswith("below"))
    assert f"EF {measured(app).ef_percent:.4f}" in second and first != second


def test_two_sessions_share_nothing():
    one, other = shown(), shown()
    one.selectbox[0].set_value(1).run()
    other.run()
    assert measured(one).correction is not None and measured(other).correction is None


def test_no_message_to_an_editor_is_sent_twice():
    """Streamlit would send a reference, for which quick undo and redo are too quick: the browser drops what it holds."""
    app = shown()
    first = [part.proto.json for part in app.get("bidi_component")]
    app.run()
    second = [part.proto.json for part in app.get("bidi_component")]
    assert len(first) == len(second) == 2
    assert not set(first) & set(second)


def pictures(app):
    """What the editors were given to show, ED and ES, ``(height, width)`` each."""
    found = []
    for part in app.get("bidi_component"):
        url = json.loads(part.proto.json)["picture"]
        data = np.frombuffer(base64.b64decode(url.partition(",")[2]), np.uint8)
        found.append(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE))
    return found


def test_a_name_burned_in_beside_the_fan_is_not_shown():
    app = AppTest.from_file(str(APP), default_timeout=300)
    answer = drawn.phantom_clip()
    for frame in answer.clip.frames:
        cv2.putText(frame, "DOE", (2, 16), cv2.FONT_HERSHEY_PLAIN, 1, 255)
    assert answer.clip.frames[:, :24, :44].any()
    app.session_state["made-heart"] = answer
    app.run()
    shown_now = pictures(app)
    assert len(shown_now) == 2
    for picture, frame in zip(shown_now, (drawn.ED, drawn.ES), strict=True):
        assert not picture[:24, :44].any()
        inside = (slice(60, 200), slice(90, 130))
        assert np.abs(picture[inside].astype(int) - answer.clip.frames[frame][inside]).mean() < 3


def test_a_slider_that_was_moved_is_the_same_slider():
    """It keeps the keyboard; and where it stands is its default, which stands in every run."""
    app = shown()
    before = widget(app, "slider", "c--ed-frame")
    before.set_value(2).run()
    after = widget(app, "slider", "c--ed-frame")
    assert (after.id, list(after.proto.default)) == (before.id, [2.0])
    app.selectbox[0].set_value(1).run()
    fresh = widget(app, "slider", "c--ed-frame")
    assert fresh.id != after.id and (list(fresh.proto.default), fresh.value) == ([12.0], 12)


def read(name=""):
    machine = drawn.phantom_clip().measurement
    record = Correction(name, "2026-01-01T00:00:00+00:00", ("ed_contour",), machine.ef_percent)
    return machine, replace(machine, ef_percent=machine.ef_percent + 3.04, correction=record)


def test_both_values_stand_side_by_side():
    machine, reader = read("Dr. <A>")
    html = correction_panel.comparison_html(machine, reader)
    assert "EF 55 %" in html and "EF 58 %" in html and "+3.0 points" in html
    assert "Dr. &lt;A&gt;" in html and "<A>" not in html


def test_without_a_change_nobody_has_read_it():
    machine, _ = read()
    assert "nothing changed yet" in correction_panel.comparison_html(machine, machine)
    assert correction_panel.difference_text(machine, machine) == ""
    assert "as the model measured it" in correction_panel.announcement_text(machine, machine)


def test_the_line_below_says_what_is_wrong_before_anything_else():
    machine, reader = read()
    assert "a &lt; b" in correction_panel.status_html("a < b", reader, has_name=True)
    assert "ED contour" in correction_panel.status_html("", reader, has_name=True)
    assert "name" in correction_panel.status_html("", reader, has_name=False)
    assert "Drag" in correction_panel.status_html("", machine, has_name=False)


def test_each_beat_says_what_it_is():
    machine = drawn.phantom_clip().measurement
    assert correction_panel.beat_text(0, machine.beats[0], machine).endswith("the model's result")
    assert correction_panel.beat_text(1, machine.beats[1], machine).endswith("incomplete")
    left = replace(machine.beats[1], excluded="too short")
    assert correction_panel.beat_text(1, left, machine).endswith("excluded by the model")


def test_volume_and_ef_stand_above_a_contour():
    machine = drawn.phantom_clip().measurement
    assert correction_panel.phase_text("ed", machine, machine) == "EDV 34 ml · EF 55 %"
    assert correction_panel.phase_text("es", machine, machine) == "ESV 15 ml · EF 55 %"
    bare = drawn.phantom_clip(scale=False).measurement
    assert correction_panel.phase_text("es", bare, bare) == "EF 55 %"
