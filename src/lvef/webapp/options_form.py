"""Settings that a visitor chooses; they hold on all pages of that visitor."""

from __future__ import annotations

from typing import Any

import streamlit as st

from lvef.core.errors import GeometryError
from lvef.core.terms import Sex, View
from lvef.geometry.ejection import body_surface_area
from lvef.inference.catalogue import display_name_of, list_models
from lvef.measure.options import MeasureOptions
from lvef.webapp import settings

SEX_WORDS = {None: "not given", Sex.FEMALE: "female", Sex.MALE: "male"}
"""Sex as it is offered."""

VIEW_WORDS = {View.UNKNOWN: "as the file says", View.A4C: "A4C", View.A2C: "A2C"}
"""Views as they are offered."""

_KEPT = "choices"


def show_options_form(*, view: bool = True, clock: bool = True, network: bool = True) -> MeasureOptions:
    """Show the settings, folded away, and give what is chosen.

    Args:
        view: Offer the view.
        clock: Offer a frame rate.
        network: Offer another network.
    """
    kept = st.session_state.setdefault(_KEPT, {})
    more = [
        word for word, offered in (("view", view), ("frame rate", clock), ("network", network)) if offered
    ]
    with st.expander(f"Settings: {', '.join(['sex', 'body size', *more])}"):
        first = st.columns(3, gap="medium")
        with first[0]:
            sexes = list(SEX_WORDS)
            sex = st.radio(
                "Sex (for the ASE/EACVI classes)",
                sexes,
                index=sexes.index(kept.get("sex")),
                format_func=SEX_WORDS.__getitem__,
                horizontal=True,
                key="choice-sex",
            )
        with first[1]:
            height = _number("Height (cm)", "height_cm", kept, 40.0, 250.0, "For values per body surface.")
        with first[2]:
            weight = _number("Weight (kg)", "weight_kg", kept, 2.0, 400.0, "For values per body surface.")
        second = st.columns(3, gap="medium")
        with second[0]:
            names = [entry.name for entry in list_models()] if network else []
            own = settings.current().weights
            names = names if own in names else [own, *names]
            weights = (
                st.selectbox(
                    "Network",
                    names,
                    index=names.index(kept.get("weights", own)) if kept.get("weights", own) in names else 0,
                    format_func={name: display_name_of(name) for name in names}.__getitem__,
                    help="Compare models shows them side by side; About tells what each is good for.",
                    key="choice-weights",
                )
                if network
                else own
            )
        with second[1]:
            views = list(VIEW_WORDS)
            chosen_view = (
                st.selectbox(
                    "View",
                    views,
                    index=views.index(kept.get("view", View.UNKNOWN)),
                    format_func=VIEW_WORDS.__getitem__,
                    key="choice-view",
                )
                if view
                else View.UNKNOWN
            )
        with second[2]:
            rate = (
                _number(
                    "Frames a second",
                    "frame_rate_hz",
                    kept,
                    1.0,
                    1000.0,
                    "Only where the file tells none, or a wrong one.",
                )
                if clock
                else None
            )
        kept |= {"sex": sex}
        kept |= {"weights": weights} if network else {}
        kept |= {"view": chosen_view} if view else {}
        fault = _body_fault(height, weight)
        if fault:
            st.warning(fault)
            height = weight = None
    return MeasureOptions(
        weights=weights, view=chosen_view, sex=sex, height_cm=height, weight_kg=weight, frame_rate_hz=rate
    )


def same_measurement(one: MeasureOptions, other: MeasureOptions) -> bool:
    """Whether two settings give the same measurement; sex, height and weight only change what is said of it."""
    return (one.weights, one.view, one.frame_rate_hz) == (other.weights, other.view, other.frame_rate_hz)


def _number(label: str, name: str, kept: dict[str, Any], low: float, high: float, words: str) -> float | None:
    value: float | None = st.number_input(
        label,
        min_value=low,
        max_value=high,
        value=kept.get(name),
        step=1.0,
        format="%.1f",
        placeholder="not given",
        help=words,
        key=f"choice-{name}",
    )
    kept[name] = value
    return value


def _body_fault(height_cm: float | None, weight_kg: float | None) -> str:
    if (height_cm is None) != (weight_kg is None):
        return "Height and weight go together: give both."
    if height_cm is not None and weight_kg is not None:
        try:
            body_surface_area(height_cm, weight_kg)
        except GeometryError as error:
            return str(error)
    return ""
