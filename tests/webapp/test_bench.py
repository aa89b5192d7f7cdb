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
from lvef.measure.outputs import Answer
from lvef.webapp import bench as benches
from lvef.webapp.bench import MOST_CLIPS, Bench, Entry, Watchman, in_background, with_person
from tests.measure.made_up import beating
from tests.webapp.page_files import named_dicom


def entry(name="a.avi", n=60):
    measurement, clip = beating(n=n)
    return Entry(name, Answer(measurement, clip), MeasureOptions())


def pictured(bench):
    return [e.name for e in bench.entries if e.pixels]


def test_the_pictures_of_the_oldest_go_when_there_are_too_many_and_its_numbers_stay():
    bench = Bench()
    gone = [name for i in range(MOST_CLIPS + 2) for name in bench.add(entry(f"{i}.avi"))]
    assert gone == ["0.avi", "1.avi"]
    assert pictured(bench) == [f"{i}.avi" for i in range(2, MOST_CLIPS + 2)]
    oldest = bench.entries[0]
    assert oldest.thinned and oldest.machine.clip is None and not oldest.machine.measurement.tracings
    assert oldest.machine.measurement.ef_percent == pytest.approx(60)


def test_the_oldest_goes_when_they_are_too_large(monkeypatch):
    one = entry("one")
    monkeypatch.setattr(benches, "MOST_PIXELS", int(1.5 * one.pixels))
    bench = Bench()
    assert bench.add(one) == []
    assert bench.add(entry("two")) == ["one"]
    monkeypatch.setattr(benches, "MOST_PIXELS", 1)
    # A single one that is too large is still shown.
    assert bench.add(entry("three")) == ["two"] and pictured(bench) == ["three"]


def test_even_answers_are_bounded(monkeypatch):
    monkeypatch.setattr(benches, "MOST_ANSWERS", 3)
    bench = Bench()
    for i in range(5):
        bench.add(entry(f"{i}"))
    assert [e.name for e in bench.entries] == ["2", "3", "4"]


def test_pixels_count_the_views_of_a_study():
    measurement, clip = beating()
    study = Entry(
        "s",
        Answer(measurement, None, {"A4C": (measurement, clip), "A2C": (measurement, clip)}),
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
        kept.once("x", make, of=first),
        kept.once("x", make, of=first),
        kept.once("x", make, of=second),
    ] == [1, 1, 2]


def test_every_picture_is_black_outside_the_fan(tmp_path):
    clip = open_clip(named_dicom(tmp_path))
    kept = Entry("a.dcm", Answer(beating()[0], clip), MeasureOptions())
    shown = kept.shown(clip)
    # The name is burned in at the top.
    assert clip.frames[:, :45].max() == 255 and shown.frames[:, :45].max() == 0
    assert shown.frames.max() > 100
    assert kept.shown(clip) is shown


def test_classes_follow_the_sex_without_measuring_again():
    measurement, clip = beating()
    answer = with_person(Answer(measurement, clip), MeasureOptions(sex=Sex.FEMALE))
    assert "ase_2015" in answer.measurement.categories
    assert answer.measurement.ef_percent == measurement.ef_percent
    nothing = replace(measurement, ef_percent=None)
    assert with_person(Answer(nothing, clip), MeasureOptions()).measurement is nothing


def test_the_bench_of_a_closed_tab_is_emptied_and_others_stay(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(benches, "time", SimpleNamespace(monotonic=lambda: clock[0], sleep=time.sleep))
    there = {"here", "gone"}
    forgotten = []
    watchman = Watchman(there.__contains__, gone_after_s=60, forget=forgotten.append)
    mine, theirs = Bench(), Bench()
    for session, bench in (("here", mine), ("gone", theirs)):
        bench.add(entry())
        watchman.watch(session, bench)
    held = theirs.entries[0]
    held.once("film", lambda: np.zeros(10))
    assert watchman.look() == []
    there.discard("gone")
    assert watchman.look() == []
    # A tab that is away for a moment may come back.
    clock[0] = 60.0
    watchman.look()
    assert forgotten == ["gone"]
    assert theirs.entries == [] and held.kept == {} and len(mine.entries) == 1


def test_a_bench_that_nobody_holds_any_more_is_forgotten():
    watchman = Watchman(lambda _: True, gone_after_s=60)
    bench = Bench()
    watchman.watch("s", bench)
    del bench
    assert watchman.look() == ["s"]
    watchman.close()


def test_a_closed_watchman_forgets_nobody():
    forgotten = []
    watchman = Watchman(lambda _: False, gone_after_s=0.0, forget=forgotten.append)
    watchman.close()
    watchman.watch("s", Bench())
    watchman.close()
    assert forgotten == []


def test_work_beside_the_page_hands_out_its_error():
    def fails():
        raise ValueError("x")

    assert in_background(lambda: 3).result() == 3
    with pytest.raises(ValueError, match="x"):
        in_background(fails).result()
