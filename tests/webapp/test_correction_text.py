from __future__ import annotations

from dataclasses import replace

from lvef.core.records import Correction
from lvef.webapp import correction_text as words
from tests.webapp import correction_app as drawn


def read(name=""):
    machine = drawn.phantom_clip().measurement
    record = Correction(name, "2026-01-01T00:00:00+00:00", ("ed_contour",), machine.ef_percent)
    return machine, replace(machine, ef_percent=machine.ef_percent + 3.04, correction=record)


def test_both_values_stand_side_by_side():
    machine, reader = read("Dr. <A>")
    html = words.values_html(machine, reader)
    assert "EF 55 %" in html and "EF 58 %" in html and "+3.0 points" in html
    assert "Dr. &lt;A&gt;" in html and "<A>" not in html


def test_without_a_change_nobody_has_read_it():
    machine, _ = read()
    assert "nothing changed yet" in words.values_html(machine, machine)
    assert words.difference_text(machine, machine) == ""
    assert "as the machine has it" in words.announcement_text(machine, machine)


def test_the_line_below_says_what_is_wrong_before_anything_else():
    machine, reader = read()
    assert "a &lt; b" in words.status_html("a < b", reader, has_name=True)
    assert "ED contour" in words.status_html("", reader, has_name=True)
    assert "name" in words.status_html("", reader, has_name=False)
    assert "Drag" in words.status_html("", machine, has_name=False)


def test_each_beat_says_what_it_is():
    machine = drawn.phantom_clip().measurement
    assert words.beat_text(0, machine.beats[0], machine).endswith("the machine's answer")
    assert words.beat_text(1, machine.beats[1], machine).endswith("not whole")
    left = replace(machine.beats[1], excluded="too short")
    assert words.beat_text(1, left, machine).endswith("left out by the machine")


def test_volume_and_ef_stand_above_a_contour():
    machine = drawn.phantom_clip().measurement
    assert words.phase_text("ed", machine, machine) == "EDV 34 ml · EF 55 %"
    assert words.phase_text("es", machine, machine) == "ESV 15 ml · EF 55 %"
    bare = drawn.phantom_clip(scale=False).measurement
    assert words.phase_text("es", bare, bare) == "EF 55 %"
