"""A contour on a frame whose points a reader drags: a Streamlit component in SVG and plain JavaScript.

The browser draws and drags; Python computes volumes. Each action of the reader is a numbered `EditAction`. The browser
sends all actions that Python has not confirmed yet, so that none is lost and none counts twice however script runs overlap.
`read_actions` validates them; nothing that a browser sends is trusted.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import streamlit as st

from lvef.core.errors import GeometryError
from lvef.core.records import FloatArray, FrameArray
from lvef.geometry.control_points import N_CONTROL_POINTS

ED_COLOUR = "#56b4e9"
"""End-diastole, as in `lvef.report.overlay`. Source of both: Okabe and Ito, 2008."""

ES_COLOUR = "#f0a01e"
"""End-systole."""

LONGEST_SIDE_PX = 1024
"""Larger pictures are made smaller on their way to the browser; points stay in pixels of the clip."""

LOSSLESS_SIDE_PX = 256
"""Pictures whose longest side is at most this long go as PNG: they are small, and enlarged JPEG shows its blocks."""

JPEG_QUALITY = 92
"""Of larger pictures."""

MAX_ACTIONS = 64
"""More acts than this in one message are none of our browser code's."""

Kind = Literal["move", "undo", "redo", "reset", "step"]
_KINDS: tuple[Kind, ...] = ("move", "undo", "redo", "reset", "step")


@dataclass(frozen=True, slots=True, eq=False)
class EditAction:
    """One act of the reader.

    Attributes:
        seq: Its number, counted by the browser from 1.
        epoch: Of which answer the picture was.
        frame: Which frame was shown.
        kind: ``move`` (of a point), ``undo``, ``redo``, ``reset`` (to the machine's contour), ``step`` (to another frame).
        points: After a move, ``(15, 2)`` pixels of the picture.
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
    """What an editor shows.

    Attributes:
        label: ``ED`` or ``ES``.
        colour: Of contour and points, CSS.
        picture: From `image_data_url`.
        width: Of the clip's picture in pixels.
        height: Likewise.
        aspect: Pixel height over pixel width.
        points: ``(15, 2)`` pixels of the picture, or None where no ventricle was traced.
        machine: The machine's contour on this frame, ``(k, 2)``, drawn dotted once the reader's differs; or None.
        frame: Frame shown, from 0.
        frames: How many the clip has.
        time_s: Time of the frame, or None for a still.
        edited: Whether the reader moved the contour.
        epoch: Changes with the answer that is shown.
        seq: Number of the last act that Python knows.
        undo: Whether there is something to undo.
        redo: Whether there is something to redo.
        value: What the contour is worth, in a few words above the picture.
        message: A sentence on the picture, for example why the last act was not taken; empty for none.
        spoken: What a screen reader says when it changes.
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


def contour_editor(scene: EditorState, *, key: str, on_action: Callable[[], None]) -> None:
    """Show an editor.

    Args:
        scene: What it shows.
        key: Streamlit's key; `read_actions` takes the same.
        on_action: Called before the page (or the fragment) runs again because the reader did something.
    """
    _component()(
        key=key,
        data={
            "label": scene.label,
            "colour": scene.colour,
            "picture": scene.picture,
            "width": scene.width,
            "height": scene.height,
            "aspect": scene.aspect,
            "points": _listed(scene.points),
            "ghost": _listed(scene.machine),
            "frame": scene.frame,
            "frames": scene.frames,
            "time": scene.time_s,
            "edited": scene.edited,
            "epoch": scene.epoch,
            "seq": scene.seq,
            "undo": scene.undo,
            "redo": scene.redo,
            "value": scene.value,
            "message": scene.message,
            "spoken": scene.spoken,
            # Streamlit sends a large message that the browser holds as a reference; where runs follow each other quickly
            # (undo, undo, undo) the browser may have dropped it meanwhile, and the page stops. So no two are the same.
            "turn": secrets.token_hex(4),
        },
        on_ops_change=on_action,
    )


def read_actions(key: str) -> list[EditAction]:
    """What the reader did in an editor, oldest first; anything malformed is left out.

    Args:
        key: As given to `contour_editor`.
    """
    held = st.session_state.get(key)
    found = held.get("ops") if hasattr(held, "get") else None
    return parse_actions(found)


def parse_actions(found: Any) -> list[EditAction]:  # noqa: ANN401
    """Acts from what a browser sent.

    Args:
        found: Anything.
    """
    if not isinstance(found, list):
        return []
    actions = [action for item in found[-MAX_ACTIONS:] if (action := _parse_action(item)) is not None]
    return sorted(actions, key=lambda action: action.seq)


def image_data_url(frame: FrameArray) -> str:
    """A grey picture for the browser, as a ``data:`` address: it lies in no file and under no other address.

    Args:
        frame: ``(height, width)`` uint8, already black outside the fan.
    """
    longest = max(frame.shape)
    if longest > LONGEST_SIDE_PX:
        size = tuple(max(1, round(side * LONGEST_SIDE_PX / longest)) for side in frame.shape[::-1])
        frame = np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    kind = "png" if longest <= LOSSLESS_SIDE_PX else "jpeg"
    made, code = cv2.imencode(
        f".{kind}", frame, [] if kind == "png" else [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    )
    if not made:
        raise GeometryError(f"A picture of {frame.shape[1]} x {frame.shape[0]} pixels cannot be shown.")
    return f"data:image/{kind};base64,{base64.b64encode(code.tobytes()).decode('ascii')}"


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
