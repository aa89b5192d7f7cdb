"""Sessions that are gone are ended, with all that Streamlit would keep of them."""

from __future__ import annotations

import asyncio

import pytest

pytest.importorskip("streamlit", reason='the page needs pip install "lvef[app]"')

from streamlit.runtime.fragment import MemoryFragmentStorage

from lvef.webapp import layout


class Runtime:
    """What of Streamlit's runtime is asked."""

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
    monkeypatch.setitem(layout._fragments, "gone", fragments)
    return fragments


def forget(runtime, monkeypatch, session):
    monkeypatch.setattr(layout.runtime, "exists", lambda: True)
    monkeypatch.setattr(layout.runtime, "get_instance", lambda: runtime)

    async def main():
        monkeypatch.setattr(layout, "_loop", None)
        layout.set_event_loop(asyncio.get_running_loop())
        # From another thread, as the watchdog calls it.
        await asyncio.to_thread(layout.forget_session, session)
        await asyncio.sleep(0)

    asyncio.run(main())


def test_a_closed_tab_is_ended_with_its_fragments(monkeypatch, storage):
    runtime = Runtime()
    forget(runtime, monkeypatch, "gone")
    assert runtime.closed == ["gone"]
    assert not storage.contains("film")
    assert "gone" not in layout._fragments


def test_a_tab_that_came_back_is_left_alone(monkeypatch, storage):
    runtime = Runtime({"gone"})
    forget(runtime, monkeypatch, "gone")
    assert not runtime.closed
    assert storage.contains("film")


def test_without_a_server_nothing_is_asked(monkeypatch):
    monkeypatch.setattr(layout, "_loop", None)
    layout.forget_session("gone")
