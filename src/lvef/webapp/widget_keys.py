"""Widgets that become new ones: drop zones that were emptied, and widgets that show a value which something else may change.

Such a value is a beat, a frame or a name: undo or a file that was loaded changes it too. A browser tells the values of all
its widgets with each message, also with one that leaves by itself (while a film is drawn, for example). One that leaves
before the answer to the last change has come in tells values of the past, and they would be taken for the visitor's wish. So
a widget whose value was changed by anything but itself is a new widget under a new key, and what comes of the old one is
nobody's.

The new one is given its value as its default, not through the session's state: a browser that is told of two runs at once
draws the last alone, and only a default stands in every run.
"""

from __future__ import annotations

from typing import Any

import streamlit as st


def current_key(name: str) -> str:
    """The key of a widget until `reset_widget` makes it a new one.

    Args:
        name: Of the widget, on the page.
    """
    return f"{name}-{st.session_state.setdefault(_turns(name), 0)}"


def reset_widget(name: str) -> None:
    """Make a widget a new one, empty or with its default, from the next run on.

    Args:
        name: As given to `current_key`.
    """
    st.session_state[_turns(name)] = st.session_state.get(_turns(name), 0) + 1


def key_for_value(name: str, value: Any) -> str:  # noqa: ANN401
    """The key of a widget that shows a value; give the widget that value as its default too.

    Args:
        name: Of the widget, on the page.
        value: What it is to show.

    Returns:
        The key as long as the widget shows that value already, so that what is being typed stays; else a new one.
    """
    key = current_key(name)
    if key in st.session_state and st.session_state[key] != value:
        reset_widget(name)
    return current_key(name)


def is_current_key(name: str, key: str) -> bool:
    """Whether a widget's key is still the one on the page.

    Args:
        name: As given to `key_for_value`.
        key: As it was returned.
    """
    return key == current_key(name)


def _turns(name: str) -> str:
    return f"{name}-turn"
