"""Options of a measurement that a visitor chooses; they hold on all pages of the session."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import streamlit as st

from lvef.core.errors import GeometryError
from lvef.core.terms import Sex, View
from lvef.geometry.ejection import body_surface_area
from lvef.inference.catalogue import display_name_of, measuring_models
from lvef.measure.options import AUTO, MeasureOptions
from lvef.webapp import settings

SEX_TEXTS = {None: "not given", Sex.FEMALE: "female", Sex.MALE: "male"}
"""Sex as it is offered."""

VIEW_TEXTS = {View.UNKNOWN: "as stated in the file", View.A4C: "A4C", View.A2C: "A2C"}
"""Views as they are offered."""

_STATE_KEY = "options"


def show_options_form(
    *, view: bool = True, clock: bool = True, model: bool = True, opinion: bool = True
) -> MeasureOptions:
    """Show the options, collapsed, and return what is chosen.

    Args:
        view: Offer the view.
        clock: Offer a frame rate.
        model: Offer another model.
        opinion: Offer the second opinion.
    """
    # Widgets that a page does not show lose their values, so these are kept apart from the widgets.
    kept: dict[str, Any] = st.session_state.setdefault(_STATE_KEY, {})
    own = settings.current().weights
    offered = [
        name for name, is_shown in (("view", view), ("frame rate", clock), ("model", model)) if is_shown
    ]
    with st.expander(f"Settings: {', '.join(['sex', 'body size', *offered])}"):
        first, second = st.columns(3, gap="medium"), st.columns(3, gap="medium")
        sexes = list(SEX_TEXTS)
        kept["sex"] = first[0].radio(
            "Sex (for the ASE/EACVI categories)",
            sexes,
            index=sexes.index(kept.get("sex")),
            format_func=SEX_TEXTS.__getitem__,
            horizontal=True,
            key="choice-sex",
        )
        with first[1]:
            height = _number(
                "Height (cm)", "height_cm", kept, 40.0, 250.0, "For values per body surface area."
            )
        with first[2]:
            weight = _number(
                "Weight (kg)", "weight_kg", kept, 2.0, 400.0, "For values per body surface area."
            )
        if model:
            names = [entry.name for entry in measuring_models()]
            names = names if own in names else [own, *names]
            kept["weights"] = second[0].selectbox(
                "Model",
                names,
                index=names.index(kept["weights"] if kept.get("weights") in names else own),
                format_func={name: display_name_of(name) for name in names}.__getitem__,
                help="Compare models shows all of them; About states their metrics.",
                key="choice-weights",
            )
        if view:
            views = list(VIEW_TEXTS)
            kept["view"] = second[1].selectbox(
                "View",
                views,
                index=views.index(kept.get("view", View.UNKNOWN)),
                format_func=VIEW_TEXTS.__getitem__,
                key="choice-view",
            )
        rate = None
        if clock:
            help_text = "Only where the file states none, or a wrong one."
            with second[2]:
                rate = _number("Frames per second", "frame_rate_hz", kept, 1.0, 1000.0, help_text)
        if opinion:
            kept["second"] = st.checkbox(
                "Second opinion",
                kept.get("second", False),
                help="Measures with a model of another kind too, and states the difference between the two EFs. The EF "
                "itself never changes.",
                key="choice-second",
            )
        error = _body_size_error(height, weight)
        if error:
            st.warning(error)
            height = weight = None
    return MeasureOptions(
        weights=kept["weights"] if model else own,
        view=kept["view"] if view else View.UNKNOWN,
        sex=kept["sex"],
        height_cm=height,
        weight_kg=weight,
        frame_rate_hz=rate,
        second_opinion=AUTO if opinion and kept["second"] else "",
    )


def same_measurement(one: MeasureOptions, other: MeasureOptions) -> bool:
    """Whether two options give the same measurement; sex, height and weight only change its categories."""
    return replace(one, sex=None, height_cm=None, weight_kg=None) == replace(
        other, sex=None, height_cm=None, weight_kg=None
    )


def _number(
    label: str, name: str, kept: dict[str, Any], low: float, high: float, help_text: str
) -> float | None:
    value: float | None = st.number_input(
        label,
        min_value=low,
        max_value=high,
        value=kept.get(name),
        step=1.0,
        format="%.1f",
        placeholder="not given",
        help=help_text,
        key=f"choice-{name}",
    )
    kept[name] = value
    return value


def _body_size_error(height_cm: float | None, weight_kg: float | None) -> str:
    if (height_cm is None) != (weight_kg is None):
        return "Height and weight go together: give both."
    if height_cm is not None and weight_kg is not None:
        try:
            body_surface_area(height_cm, weight_kg)
        except GeometryError as error:
            return str(error)
    return ""
