"""What all pages share: the navigation, the style, the foot, the visitor's bench, and sentences instead of tracebacks."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from functools import cache, wraps
from html import escape
from pathlib import Path

import streamlit as st
from streamlit import runtime
from streamlit.runtime.fragment import FragmentStorage
from streamlit.runtime.scriptrunner import get_script_run_ctx

import lvef
from lvef.core.errors import LvefError
from lvef.core.memory import release_free_memory
from lvef.core.wording import DISCLAIMER, note_text
from lvef.webapp.measuring import bug_message
from lvef.webapp.session import SessionMonitor, SessionState

HERE = Path(__file__).parent
"""Folder of the page's files."""

PRIVACY = "Files stay on the machine that runs this page and are forgotten when you close it."
"""Stands in the foot of each page."""

_loop: asyncio.AbstractEventLoop | None = None
_fragments: dict[str, FragmentStorage] = {}


def run() -> None:
    """The whole page, once for each thing a visitor does."""
    from lvef.webapp import page_about, page_compare, page_stills, page_study, page_video

    st.set_page_config(
        page_title="lvef",
        page_icon=str(HERE / "icon.svg"),
        layout="wide",
        menu_items={"About": f"lvef {lvef.__version__}. {DISCLAIMER}"},
    )
    style = (HERE / "style.css").read_text(encoding="utf-8")
    st.html(f"<style>{style}</style>")
    pages = [
        st.Page(page_video.page, title="Video", url_path="video", default=True),
        st.Page(page_stills.page, title="ED / ES images", url_path="images"),
        st.Page(page_study.page, title="Study", url_path="study"),
        st.Page(page_compare.page, title="Compare models", url_path="compare"),
        st.Page(page_about.page, title="About", url_path="about"),
    ]
    st.navigation(pages, position="top").run()
    st.html(f'<footer class="lvef-foot"><p>{escape(DISCLAIMER)}</p><p>{escape(PRIVACY)}</p></footer>')


def show_errors(page: Callable[[], None]) -> Callable[[], None]:
    """Show an error of a page as a sentence, never as a traceback; nothing of it is logged."""

    @wraps(page)
    def wrapped() -> None:
        try:
            page()
        except LvefError as error:
            show_error(note_text(str(error)))
        except Exception as error:  # noqa: BLE001  a visitor must get a sentence, whatever went wrong
            show_error(note_text(bug_message(error)))

    return wrapped


def show_heading(title: str, lead: str) -> None:
    """The heading of a page."""
    st.html(f'<header class="lvef-head"><h1>{escape(title)}</h1><p>{escape(lead)}</p></header>')


def show_error(sentence: str, title: str = "That did not work") -> None:
    """A sentence that a visitor must read. It may hold a file's name, so it is shown as it stands, never as Markdown."""
    st.html(
        f'<section class="lvef-answer lvef-none" role="alert"><p class="lvef-label">{escape(title)}</p>'
        f'<p class="lvef-reason">{escape(sentence)}</p></section>'
    )


def show_section(title: str, lead: str = "") -> None:
    """The heading of a part of a page."""
    words = f'<p class="lvef-lead">{escape(lead)}</p>' if lead else ""
    st.html(f'<h2 class="lvef-section">{escape(title)}</h2>{words}')


def current_session() -> SessionState:
    """This visitor's bench: it lives and ends with the browser tab."""
    if "bench" not in st.session_state:
        st.session_state["bench"] = session = SessionState()
        context = get_script_run_ctx()
        if context is not None and runtime.exists():
            _fragments[context.session_id] = context.fragment_storage
            _session_monitor().watch(context.session_id, session)
    found: SessionState = st.session_state["bench"]
    return found


def session_is_there(session: str) -> bool:
    """Whether a session has an open tab."""
    return runtime.exists() and runtime.get_instance().is_active_session(session)


def set_event_loop(loop: asyncio.AbstractEventLoop) -> None:
    """Tell on which loop Streamlit runs: sessions may be ended there alone."""
    global _loop
    _loop = loop


def forget_session(session: str) -> None:
    """End a session and let go of all that it holds: uploads, answers, corrections."""
    if runtime.exists() and _loop is not None:
        _loop.call_soon_threadsafe(_end, session)


def _end(session: str) -> None:
    if session_is_there(session):
        return
    runtime.get_instance().close_session(session)
    # Streamlit's loop keeps hold of the last session, and that of its fragments with the clips that they show; and sessions
    # point at themselves. Without this, pictures would stay in memory until somebody else has come by.
    _fragments.pop(session).clear()
    gc.collect()
    release_free_memory()


@cache
def _session_monitor() -> SessionMonitor:
    return SessionMonitor(session_is_there, on_close=forget_session)
