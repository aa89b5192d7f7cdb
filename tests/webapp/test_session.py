"""A visitor's bench: bounded, and let go when the tab is closed."""

from __future__ import annotations

import time
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("streamlit", reason='the page needs pip install "lvef[app]"')

from lvef.core.terms import Sex
from lvef.io.open import open_clip
from lvef.measure.options import MeasureOptions
from lvef.measure.results import Result
from lvef.webapp import session as sessions
from lvef.webapp.session import (
    MAX_CLIPS,
    SessionMonitor,
    SessionResult,
    SessionState,
    in_background,
    with_patient_data,
)
from tests.measure.made_up import beating
from tests.webapp.page_files import named_dicom


def entry(name="a.avi", n=60):
    measurement, clip = beating(n=n)
    return SessionResult(name, Result(measurement, clip), MeasureOptions())


def pictured(session):
    return [e.name for e in session.entries if e.pixels]


def test_the_pictures_of_the_oldest_go_when_there_are_too_many_and_its_numbers_stay():
    session = SessionState()
    gone = [name for i in range(MAX_CLIPS + 2) for name in session.add(entry(f"{i}.avi"))]
    assert gone == ["0.avi", "1.avi"]
    assert pictured(session) == [f"{i}.avi" for i in range(2, MAX_CLIPS + 2)]
    oldest = session.entries[0]
    assert oldest.frames_dropped and oldest.machine.clip is None and not oldest.machine.measurement.tracings
    assert oldest.machine.measurement.ef_percent == pytest.approx(60)


def test_the_oldest_goes_when_they_are_too_large(monkeypatch):
    one = entry("one")
    monkeypatch.setattr(sessions, "MAX_PIXELS", int(1.5 * one.pixels))
    session = SessionState()
    assert session.add(one) == []
    assert session.add(entry("two")) == ["one"]
    monkeypatch.setattr(sessions, "MAX_PIXELS", 1)
    # A single one that is too large is still shown.
    assert session.add(entry("three")) == ["two"] and pictured(session) == ["three"]


def test_even_answers_are_bounded(monkeypatch):
    monkeypatch.setattr(sessions, "MAX_RESULTS", 3)
    session = SessionState()
    for i in range(5):
        session.add(entry(f"{i}"))
    assert [e.name for e in session.entries] == ["2", "3", "4"]


def test_pixels_count_the_views_of_a_study():
    measurement, clip = beating()
    study = SessionResult(
        "s",
        Result(measurement, None, {"A4C": (measurement, clip), "A2C": (measurement, clip)}),
        MeasureOptions(),
    )
    assert study.pixels == 2 * clip.frames.nbytes


def test_what_takes_time_is_made_once_for_the_same_thing():
    kept, made = entry(), []
    first, second = object(), object()

    def make():
        made.append(1)
        return len(made)

    assert [
        kept.cached("x", make, of=first),
        kept.cached("x", make, of=first),
        kept.cached("x", make, of=second),
    ] == [1, 1, 2]


def test_every_picture_is_black_outside_the_fan(tmp_path):
    clip = open_clip(named_dicom(tmp_path))
    kept = SessionResult("a.dcm", Result(beating()[0], clip), MeasureOptions())
    shown = kept.shown(clip)
    # The name is burned in at the top.
    assert clip.frames[:, :45].max() == 255 and shown.frames[:, :45].max() == 0
    assert shown.frames.max() > 100
    assert kept.shown(clip) is shown


def test_classes_follow_the_sex_without_measuring_again():
    measurement, clip = beating()
    answer = with_patient_data(Result(measurement, clip), MeasureOptions(sex=Sex.FEMALE))
    assert "ase_2015" in answer.measurement.categories
    assert answer.measurement.ef_percent == measurement.ef_percent
    nothing = replace(measurement, ef_percent=None)
    assert with_patient_data(Result(nothing, clip), MeasureOptions()).measurement is nothing


def test_the_session_of_a_closed_tab_is_cleared_and_others_stay(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(sessions, "time", SimpleNamespace(monotonic=lambda: clock[0], sleep=time.sleep))
    there = {"here", "gone"}
    forgotten = []
    monitor = SessionMonitor(there.__contains__, timeout_s=60, on_close=forgotten.append)
    mine, theirs = SessionState(), SessionState()
    for session_id, session in (("here", mine), ("gone", theirs)):
        session.add(entry())
        monitor.watch(session_id, session)
    held = theirs.entries[0]
    held.cached("film", lambda: np.zeros(10))
    assert monitor.check() == []
    there.discard("gone")
    assert monitor.check() == []
    # A tab that is away for a moment may come back.
    clock[0] = 60.0
    monitor.check()
    assert forgotten == ["gone"]
    assert theirs.entries == [] and held.kept == {} and len(mine.entries) == 1


def test_a_session_without_references_is_closed():
    monitor = SessionMonitor(lambda _: True, timeout_s=60)
    session = SessionState()
    monitor.watch("s", session)
    del session
    assert monitor.check() == ["s"]
    monitor.close()


def test_a_closed_monitor_clears_nothing():
    forgotten = []
    monitor = SessionMonitor(lambda _: False, timeout_s=0.0, on_close=forgotten.append)
    monitor.close()
    monitor.watch("s", SessionState())
    monitor.close()
    assert forgotten == []


def test_work_beside_the_page_hands_out_its_error():
    def fails():
        raise ValueError("x")

    assert in_background(lambda: 3).result() == 3
    with pytest.raises(ValueError, match="x"):
        in_background(fails).result()
