"""The correction on the page: ED and ES contour side by side, other beats and frames, the reader's EF beside the machine's.

The panel is a fragment: what the reader does runs the panel again, not the page. What is changed lies in the visitor's own
session and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import PurePath

import numpy as np
import streamlit as st

from lvef.core.errors import QualityRefusal
from lvef.core.records import Clip
from lvef.core.wording import reads_clips
from lvef.measure.options import MeasureOptions
from lvef.measure.results import Result
from lvef.transforms.sector import Sector, find_sector, keep_sector
from lvef.webapp.contour_editor import (
    ED_COLOUR,
    ES_COLOUR,
    EditorState,
    contour_editor,
    image_data_url,
    read_actions,
)
from lvef.webapp.correction_state import FILE, PHASES, CorrectionState, Phase
from lvef.webapp.correction_text import (
    NO_TRACING,
    NOTHING_TO_CORRECT,
    announcement_text,
    beat_text,
    phase_text,
    status_html,
    values_html,
)
from lvef.webapp.widget_keys import current_key, is_current_key, key_for_value, reset_widget

RenderBelow = Callable[[Result], None]
"""Draws something that follows from the answer, inside the panel."""

_BY_HAND = -1
_COLOURS: dict[Phase, str] = {"ed": ED_COLOUR, "es": ES_COLOUR}
_KEPT_PICTURES = 24


def correction_panel(
    answer: Result, options: MeasureOptions, key: str, below: RenderBelow | None = None
) -> Result:
    """Show the correction of an answer.

    Args:
        answer: As the machine gave it: of a clip, a pair of stills, or a study of two views.
        options: Settings of the measurement; sex, height and weight count.
        key: Names this panel among others of the page.
        below: Draws below the panel what follows from the answer (downloads, for example). It is called again after each
            change, which the rest of the page is not.

    Returns:
        The answer as the reader has it; the machine's own where nothing is changed. It is never written over: the machine's
        values stand in ``measurement.correction``.
    """
    state = _state_of(answer, key)
    if any(state.can_correct(view) for view in state.views):
        _panel(state, options, key, below)
    else:
        st.info(NOTHING_TO_CORRECT if reads_clips(answer.measurement) else NO_TRACING)
        if below is not None:
            below(answer)
    return state.answer(options)


def current_answer(answer: Result, options: MeasureOptions, key: str) -> Result:
    """The answer as the reader has it, without showing the panel.

    Args:
        answer: As given to `correction_panel`.
        options: Likewise.
        key: Likewise.
    """
    state = st.session_state.get(f"{key}-state")
    return state.answer(options) if isinstance(state, CorrectionState) and state.same(answer) else answer


@st.fragment
def _panel(state: CorrectionState, options: MeasureOptions, key: str, below: RenderBelow | None) -> None:
    view = _view(state, key)
    answer, machine = state.answer(options), state.machine.measurement
    # What concerns one contour stands on its picture, and what concerns a file beside it.
    here = state.message.phase is None and state.message.view != FILE
    wrong = state.message.text if here else ""
    said = status_html(wrong, answer.measurement, has_name=bool(state.reader))
    st.html(values_html(machine, answer.measurement) + said)
    _choices(state, options, view, key)
    if state.frame(view, "ed") is None or state.frame(view, "es") is None:
        st.button(
            "Choose the frames by hand",
            key=f"{key}-{view}-begin",
            on_click=partial(state.start_from_extremes, view, options),
            help="Begins with the frames of the largest and the smallest volume.",
        )
    else:
        for phase, column in zip(PHASES, st.columns(2, gap="medium"), strict=True):
            with column:
                _editor(state, options, view, phase, key)
        st.caption(
            "Drag the points: round ones move the wall, square ones the apex and the hinges of the valve, and with them the "
            "long axis. Tab and arrow keys do the same. H hides the contour. Dotted: the machine's contour. EF and "
            "volumes are those of the two contours as shown."
        )
    _signature(state, options, key)
    _files(state, options, key)
    if below is not None:
        below(answer)


def _view(state: CorrectionState, key: str) -> str:
    views = [view for view in state.views if state.can_correct(view)]
    if len(state.views) == 1:
        return views[0]
    name = f"{key}-view"
    if st.session_state.get(name) not in views:
        st.session_state[name] = views[0]
    return str(st.radio("View to correct", views, key=name, horizontal=True))


def _choices(state: CorrectionState, options: MeasureOptions, view: str, key: str) -> None:
    """The beats, where there is more than one choice."""
    machine = state.measurement(view)
    beats, name = machine.beats, f"{key}-{view}-beat"
    shown = state.frame(view, "ed"), state.frame(view, "es")
    own = next((i for i, b in enumerate(beats) if (b.ed_frame, b.es_frame) == shown), _BY_HAND)
    if len(beats) > 1 or (beats and own == _BY_HAND):
        box = key_for_value(name, own)

        def taken() -> None:
            index = st.session_state[box]
            if is_current_key(name, box) and index != _BY_HAND:
                state.choose(view, options, ed=beats[index].ed_frame, es=beats[index].es_frame)

        choices = [*([_BY_HAND] if own == _BY_HAND else []), *range(len(beats))]
        st.selectbox(
            "Beat",
            choices,
            index=choices.index(own),
            key=box,
            on_change=taken,
            format_func=lambda i: (
                "Frames chosen by hand" if i == _BY_HAND else beat_text(i, beats[i], machine)
            ),
        )


def _editor(state: CorrectionState, options: MeasureOptions, view: str, phase: Phase, key: str) -> None:
    clip, frame = state.clip(view), state.frame(view, phase)
    if clip is None or frame is None:
        return
    n, height, width = clip.frames.shape
    name, label = f"{key}-{view}-{phase}", phase.upper()
    message, answer = state.message, state.answer(options)
    part = answer.parts[view][0] if answer.parts else answer.measurement
    contour_editor(
        EditorState(
            label=label,
            colour=_COLOURS[phase],
            picture=_picture(clip, frame, f"{key}-{view}-pictures"),
            width=width,
            height=height,
            aspect=clip.pixel_aspect,
            points=state.points(view, phase),
            machine=state.machine_contour(view, phase),
            frame=frame,
            frames=n,
            time_s=float(clip.times_s[frame]) if n > 2 else None,
            edited=state.moved(view, phase),
            value=phase_text(phase, part, answer.measurement),
            epoch=state.epoch,
            seq=state.seen.get((view, phase), 0),
            undo=bool(state.past),
            redo=bool(state.future),
            message=message.text if (message.view, message.phase) == (view, phase) else "",
            spoken=announcement_text(state.machine.measurement, answer.measurement),
        ),
        key=name,
        on_action=lambda: state.apply_actions(view, phase, read_actions(name), options),
    )
    if n > 2:
        slider = key_for_value(f"{name}-frame", frame)

        def chosen() -> None:
            if not is_current_key(f"{name}-frame", slider):
                return
            frames: dict[str, int | None] = {p: state.frame(view, p) for p in PHASES}
            frames[phase] = int(st.session_state[slider])
            state.choose(view, options, ed=frames["ed"], es=frames["es"])

        st.slider(f"{label} frame", 0, n - 1, frame, key=slider, on_change=chosen)


def _signature(state: CorrectionState, options: MeasureOptions, key: str) -> None:
    names = f"{key}-reader", f"{key}-note"
    reader, note = key_for_value(names[0], state.reader), key_for_value(names[1], state.note)

    def typed() -> None:
        if is_current_key(names[0], reader) and is_current_key(names[1], note):
            state.set_reader(st.session_state[reader], st.session_state[note], options)

    left, right = st.columns([1, 2])
    left.text_input(
        "Reader's name", state.reader, key=reader, max_chars=100, on_change=typed, placeholder="Who corrects"
    )
    right.text_input(
        "Note", state.note, key=note, max_chars=500, on_change=typed, placeholder="Why, in a few words"
    )


def _files(state: CorrectionState, options: MeasureOptions, key: str) -> None:
    back, left, right = st.columns(3)
    back.button(
        "Reset all",
        key=f"{key}-reset",
        on_click=partial(state.reset, options),
        disabled=not state.changed,
        help="Back to the machine's answer, in both contours. This can be undone.",
        width="stretch",
    )
    stem = PurePath(state.machine.measurement.source.partition(" + ")[0].replace("\\", "/")).stem or "echo"
    left.download_button(
        "Save the correction",
        state.to_json(),
        f"{stem}.correction.json",
        "application/json",
        key=f"{key}-save",
        on_click="ignore",
        disabled=not state.changed,
        help="A file for `lvef report --correction FILE`; it can be loaded here again.",
        width="stretch",
    )
    # A new uploader after each file, so that the same file can be given again.
    name = current_key(f"{key}-load")

    def given() -> None:
        file = st.session_state[name]
        if file is not None:
            state.load(file.getvalue(), file.name, options)
            reset_widget(f"{key}-load")

    with right.popover("Load a correction", width="stretch"):
        st.file_uploader("A file that was saved here", type="json", key=name, on_change=given)
        if state.message.view == FILE:
            st.error(state.message.text)


def _state_of(answer: Result, key: str) -> CorrectionState:
    name = f"{key}-state"
    state = st.session_state.get(name)
    if not isinstance(state, CorrectionState) or not state.same(answer):
        state = CorrectionState(answer)
        st.session_state[name] = state
        for view in state.views:
            st.session_state.pop(f"{key}-{view}-pictures", None)
    state.rebase(answer)
    return state


def _picture(clip: Clip, frame: int, key: str) -> str:
    """A frame for the browser, black outside the fan: names burned into the picture must not be shown."""
    held: dict[int | str, object] = st.session_state.setdefault(key, {})
    if "fan" not in held:
        held["fan"] = _fan(clip)
    if frame not in held:
        while len(held) > _KEPT_PICTURES:
            del held[next(number for number in held if number != "fan")]
        fan, alone = held["fan"], clip.frames[frame : frame + 1]
        shown = (
            keep_sector(_still(clip, frame), fan).frames[0]
            if isinstance(fan, Sector)
            else np.zeros_like(alone[0])
        )
        held[frame] = image_data_url(shown)
    return str(held[frame])


def _fan(clip: Clip) -> Sector | None:
    try:
        return find_sector(clip)
    except QualityRefusal:
        return None


def _still(clip: Clip, frame: int) -> Clip:
    return Clip(clip.frames[frame : frame + 1], clip.times_s[:1], clip.timing, clip.source)
