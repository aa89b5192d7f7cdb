"""Widgets that show a value which something else may change too (undo, another beat, a file that was loaded).

A browser tells the values of all its widgets with each message, also with one that leaves by itself (while a film is drawn,
for example). One that leaves before the answer to the last change has come in tells values of the past, and they would be
taken for the visitor's wish. So a widget whose value was changed by anything but itself is a new widget under a new key, and
what comes of the old one is nobody's.

The new one is given its value as its default, not through the session's state: a browser that is told of two runs at once
draws the last alone, and only a default stands in every run.
"""

from __future__ import annotations

from typing import Any

import streamlit as st


def key_showing(name: str, value: Any) -> str:  # noqa: ANN401
    """The key of a widget that shows a value; give the widget that value as its default too.

    Args:
        name: Of the widget, on the page.
        value: What it is to show.

    Returns:
        The key as long as the widget shows that value already, so that what is being typed stays; else a new one.
    """
    key = _key(name)
    if key in st.session_state:
        if st.session_state[key] == value:
            return key
        st.session_state[_turns(name)] += 1
    return _key(name)


def is_of_now(name: str, key: str) -> bool:
    """Whether a widget's key is still the one on the page.

    Args:
        name: As given to `key_showing`.
        key: As it was returned.
    """
    return key == _key(name)


def _turns(name: str) -> str:
    return f"{name}-turn"


def _key(name: str) -> str:
    return f"{name}-{st.session_state.setdefault(_turns(name), 0)}"
