"""Drawings in SVG on the page: a component, because Streamlit's own HTML drops SVG."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st


def show_drawing(svg: str, key: str) -> None:
    """Show a drawing in the colours of the page.

    Args:
        svg: From `lvef.report.canvas.SvgCanvas.document`.
        key: Of the component.
    """
    _component()(key=key, data={"svg": svg})


@cache
def _component() -> Any:  # noqa: ANN401
    return st.components.v2.component(
        "lvef_drawing",
        html='<div class="drawing"></div>',
        css=Path(__file__).with_name("drawing.css").read_text(encoding="utf-8"),
        js="export default ({ data, parentElement }) => { parentElement.querySelector('.drawing').innerHTML = data.svg; };",
    )
