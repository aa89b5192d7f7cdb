"""Progress while a file is measured: a stuck measurement and a visitor who has gone keep nothing."""

from __future__ import annotations

import threading

import pytest

pytest.importorskip("streamlit", reason='the page needs pip install "lvef[app]"')

from lvef.measure.results import Result
from lvef.webapp import widgets
from tests.measure.made_up import beating

DONE = Result(*beating(10))


class Bar:
    """Streamlit's bar: remembers what it showed; of a visitor who has gone it raises as Streamlit does."""

    def __init__(self, visitor_gone=False):
        self.shown, self.visitor_gone = [], visitor_gone

    def progress(self, share, text):
        if self.visitor_gone:
            raise SystemExit
        self.shown.append((share, text))

    def empty(self):
        self.shown.append("empty")


@pytest.fixture
def bar(monkeypatch):
    made = Bar()
    monkeypatch.setattr(widgets.st, "progress", lambda share, text: made)
    monkeypatch.setattr(widgets, "PROGRESS_INTERVAL_S", 0.005)
    monkeypatch.setattr("lvef.core.workers._POLL_S", 0.005)
    return made


def test_what_is_reported_is_shown_and_the_answer_comes(bar):
    seen = threading.Event()
    bar.progress = lambda share, text: (bar.shown.append((share, text)), seen.set())

    def work(report):
        report("frame 3 of 9", 1.5)
        assert seen.wait(20)
        return DONE

    assert widgets.run_with_progress(work, "clip") is DONE
    assert bar.shown == [(1.0, "clip: frame 3 of 9"), "empty"]


def test_an_error_of_the_work_is_the_callers(bar):
    def work(report):
        raise ValueError("bug")

    with pytest.raises(ValueError, match="bug"):
        widgets.run_with_progress(work, "clip")
    assert bar.shown == ["empty"]


def test_a_measurement_that_is_stuck_is_named_then_given_up(bar, monkeypatch):
    monkeypatch.setattr(widgets, "MEASURE_LIMIT_S", 0.1)
    monkeypatch.setattr("lvef.core.workers.SLOW_S", 0.02)
    end = threading.Event()

    def work(report):
        report("reading", 0.1)
        end.wait(30)
        return DONE

    m = widgets.run_with_progress(work, "clip").measurement
    assert not end.is_set()
    end.set()
    assert (str(m.status), m.reason_code) == ("failed", "too_slow")
    assert "given up" in m.reason
    assert bar.shown[-2:] == [(0.1, "clip: reading (this takes unusually long)"), "empty"]


def test_the_measurement_of_a_visitor_who_has_gone_stops(bar):
    bar.visitor_gone = True
    stopped = threading.Event()

    def work(report):
        try:
            while True:
                report("frame", 0.5)
        except BaseException:
            stopped.set()
            raise

    with pytest.raises(SystemExit):
        widgets.run_with_progress(work, "clip")
    assert stopped.wait(20)
