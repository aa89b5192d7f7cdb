"""A visitor's bench: bounded, and let go when the tab is closed."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("streamlit", reason='the page needs pip install "lvef[app]"')

from streamlit.runtime.fragment import MemoryFragmentStorage

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
    return [e.name for e in session.items if e.pixels]


def test_the_images_of_the_oldest_go_when_there_are_too_many_and_its_numbers_stay():
    session = SessionState()
    gone = [name for i in range(MAX_CLIPS + 2) for name in session.add(entry(f"{i}.avi"))]
    assert gone == ["0.avi", "1.avi"]
    assert pictured(session) == [f"{i}.avi" for i in range(2, MAX_CLIPS + 2)]
    oldest = session.items[0]
    assert oldest.frames_dropped and oldest.result.clip is None and not oldest.result.measurement.tracings
    assert oldest.result.measurement.ef_percent == pytest.approx(60)


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
    assert [e.name for e in session.items] == ["2", "3", "4"]


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


def test_every_image_is_black_outside_the_fan(tmp_path):
    clip = open_clip(named_dicom(tmp_path))
    kept = SessionResult("a.dcm", Result(beating()[0], clip), MeasureOptions())
    shown = kept.masked(clip)
    # The name is burned in at the top.
    assert clip.frames[:, :45].max() == 255 and shown.frames[:, :45].max() == 0
    assert shown.frames.max() > 100
    assert kept.masked(clip) is shown


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
    held = theirs.items[0]
    held.cached("film", lambda: np.zeros(10))
    assert monitor.check() == []
    there.discard("gone")
    assert monitor.check() == []
    # A tab that is away for a moment may come back.
    clock[0] = 60.0
    monitor.check()
    assert forgotten == ["gone"]
    assert theirs.items == [] and held.cache == {} and len(mine.items) == 1


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


class Runtime:
    """The methods of Streamlit's runtime that are used."""

    def __init__(self, open_tabs=()):
        self.open_tabs, self.closed = set(open_tabs), []

    def is_active_session(self, session):
        return session in self.open_tabs

    def close_session(self, session):
        self.closed.append(session)


@pytest.fixture
def storage(monkeypatch):
    fragments = MemoryFragmentStorage()
    fragments._fragments["film"] = lambda: None
    monkeypatch.setitem(sessions._fragments, "gone", fragments)
    return fragments


def end(runtime, monkeypatch, session_id):
    monkeypatch.setattr(sessions.runtime, "exists", lambda: True)
    monkeypatch.setattr(sessions.runtime, "get_instance", lambda: runtime)

    async def main():
        monkeypatch.setattr(sessions, "_loop", None)
        sessions.set_event_loop(asyncio.get_running_loop())
        # From another thread, as the monitor calls it.
        await asyncio.to_thread(sessions.end_session, session_id)
        await asyncio.sleep(0)

    asyncio.run(main())


def test_a_closed_tab_is_ended_with_its_fragments(monkeypatch, storage):
    runtime = Runtime()
    end(runtime, monkeypatch, "gone")
    assert runtime.closed == ["gone"]
    assert not storage.contains("film")
    assert "gone" not in sessions._fragments


def test_a_tab_that_came_back_is_left_alone(monkeypatch, storage):
    runtime = Runtime({"gone"})
    end(runtime, monkeypatch, "gone")
    assert not runtime.closed
    assert storage.contains("film")


def test_without_a_server_nothing_is_asked(monkeypatch):
    monkeypatch.setattr(sessions, "_loop", None)
    sessions.end_session("gone")
