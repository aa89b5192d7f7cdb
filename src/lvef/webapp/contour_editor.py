"""A contour on a frame whose points a reader drags: a Streamlit component in SVG and plain JavaScript.

The browser draws and drags; Python computes volumes. Each action of the reader is a numbered `EditAction`. The browser
sends all actions that Python has not confirmed yet, so that none is lost and none counts twice however script runs overlap.
`read_actions` validates them; nothing that a browser sends is trusted.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import streamlit as st

from lvef.core.records import FloatArray
from lvef.geometry.control_points import N_CONTROL_POINTS

MAX_ACTIONS = 64
"""Most actions in one message."""

Kind = Literal["move", "undo", "redo", "reset", "step"]
_KINDS: tuple[Kind, ...] = ("move", "undo", "redo", "reset", "step")


@dataclass(frozen=True, slots=True, eq=False)
class EditAction:
    """One action of the reader.

    Attributes:
        seq: Its number, counted by the browser from 1.
        epoch: Of the result that was shown.
        frame: Which frame was shown.
        kind: ``move`` (of a point), ``undo``, ``redo``, ``reset`` (to the model's contour), ``step`` (to another frame).
        points: After a move, ``(15, 2)`` pixels of the image.
        by: Frames to go, -1 or 1.
    """

    seq: int
    epoch: str
    frame: int
    kind: Kind
    points: FloatArray | None = None
    by: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class EditorState:
    """What an editor shows; its fields are the data of the component.

    Attributes:
        label: ``ED`` or ``ES``.
        colour: Of contour and points, CSS.
        picture: From `image_data_url`.
        width: Of the clip's image in pixels.
        height: Likewise.
        aspect: Pixel height over pixel width.
        points: ``(15, 2)`` pixels of the image, or None where no ventricle was traced.
        machine: The model's contour on this frame, ``(k, 2)``, drawn dotted once the reader's differs; or None.
        frame: Frame shown, from 0.
        frames: How many the clip has.
        time_s: Time of the frame, or None for a still.
        edited: Whether the reader moved the contour.
        epoch: Changes with the result that is shown.
        seq: Number of the last action that Python has processed.
        undo: Whether there is something to undo.
        redo: Whether there is something to redo.
        value: Volume and EF, shown above the image.
        message: A sentence on the image, for example why the last action was rejected; empty for none.
        spoken: Announced by screen readers when it changes.
    """

    label: str
    colour: str
    picture: str
    width: int
    height: int
    aspect: float
    points: FloatArray | None
    machine: FloatArray | None
    frame: int
    frames: int
    time_s: float | None
    edited: bool
    epoch: str
    seq: int
    undo: bool
    redo: bool
    value: str = ""
    message: str = ""
    spoken: str = ""


def contour_editor(state: EditorState, *, key: str, on_action: Callable[[], None]) -> None:
    """Show an editor.

    Args:
        state: What it shows.
        key: Streamlit's key; `read_actions` takes the same.
        on_action: Called after an action, before the page (or the fragment) runs again.
    """
    data = {f.name: getattr(state, f.name) for f in fields(state)}
    data |= {"points": _listed(state.points), "machine": _listed(state.machine)}
    # Streamlit sends a large message that the browser holds as a reference; where runs follow each other quickly (undo,
    # undo) the browser may have dropped it meanwhile, and the page stops. So no two messages are the same.
    _component()(key=key, data=data | {"turn": secrets.token_hex(4)}, on_ops_change=on_action)


def read_actions(key: str) -> list[EditAction]:
    """The reader's actions in an editor, oldest first; malformed ones are dropped.

    Args:
        key: As given to `contour_editor`.
    """
    held = st.session_state.get(key)
    found = held.get("ops") if hasattr(held, "get") else None
    return parse_actions(found)


def parse_actions(found: Any) -> list[EditAction]:  # noqa: ANN401
    """Validate the actions that a browser sent.

    Args:
        found: Anything.
    """
    if not isinstance(found, list):
        return []
    actions = [action for item in found[-MAX_ACTIONS:] if (action := _parse_action(item)) is not None]
    return sorted(actions, key=lambda action: action.seq)


@cache
def _component() -> Any:  # noqa: ANN401
    """The component, registered once; its three files are sent inline, so that nothing is fetched from anywhere."""
    html, css, js = (
        Path(__file__).with_name(f"contour_editor.{kind}").read_text(encoding="utf-8")
        for kind in ("html", "css", "js")
    )
    return st.components.v2.component("lvef_contour_editor", html=html, css=css, js=js)


def _listed(points: FloatArray | None) -> list[list[float]] | None:
    return None if points is None else np.round(points, 3).tolist()


def _parse_action(item: Any) -> EditAction | None:  # noqa: ANN401
    if not isinstance(item, dict) or item.get("kind") not in _KINDS or not isinstance(item.get("epoch"), str):
        return None
    numbers = [item.get("seq"), item.get("frame"), item.get("by", 0)]
    if any(isinstance(n, bool) or not isinstance(n, int) or abs(n) > 2**31 for n in numbers):
        return None
    points = None
    if item["kind"] == "move":
        try:
            points = np.asarray(item.get("points"), dtype=np.float64)
        except (TypeError, ValueError, OverflowError):
            return None
        if (
            points.shape != (N_CONTROL_POINTS, 2)
            or not np.isfinite(points).all()
            or np.abs(points).max() > 1e5
        ):
            return None
    return EditAction(item["seq"], item["epoch"], item["frame"], item["kind"], points, item.get("by", 0))
