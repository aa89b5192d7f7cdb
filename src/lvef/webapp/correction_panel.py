"""The correction on the page: ED and ES contour side by side, other beats and frames, the reader's EF beside the model's.

The panel is a fragment: what the reader does runs the panel again, not the page. Changes are kept in the visitor's own
session and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import PurePath
from typing import Any

import numpy as np
import streamlit as st

from lvef.core.errors import QualityRefusal
from lvef.core.records import Beat, Clip, Measurement
from lvef.core.wording import averaged_text, ef_interval_text, ef_text, ml_text, reads_clips
from lvef.measure.options import MeasureOptions
from lvef.measure.results import Result
from lvef.report.style import PHASE_COLOURS
from lvef.transforms.sector import Sector, find_sector, keep_sector
from lvef.webapp.contour_editor import EditorState, contour_editor, read_actions
from lvef.webapp.correction_state import FILE, PHASES, CorrectionState, Phase
from lvef.webapp.layout import element_html
from lvef.webapp.session import SessionResult
from lvef.webapp.viewer import image_data_url
from lvef.webapp.widgets import current_key, is_current_key, key_for_value, reset_widget

NOTHING_TO_CORRECT = (
    "There is no contour to correct: this model predicts the EF from the whole clip. Measure with a segmentation model "
    "to see and move contours."
)
"""For EF models."""

NO_TRACING = "There is no contour to correct: no ventricle was traced in this file."
"""For files in which nothing was traced."""

_CHANGED_TEXT = {
    "beat": "another beat",
    "frames": "other frames",
    "ed_contour": "ED contour",
    "es_contour": "ES contour",
}

RenderBelow = Callable[[Result], None]
"""Draws something that follows from the result, inside the panel."""

_BY_HAND = -1
_KEPT_IMAGES = 24

EDITOR_SIDE_PX = 1024
"""Longest side of a frame in the editor; points stay in pixels of the clip."""


def correction_panel(
    result: Result, options: MeasureOptions, key: str, below: RenderBelow | None = None
) -> Result:
    """Show the correction of a result.

    Args:
        result: As the model measured it: of a clip, a pair of stills, or a study of two views.
        options: Of the measurement; sex, height and weight count.
        key: Unique name of this panel, see `panel_key`.
        below: Draws below the panel what follows from the result (downloads, for example). It is called again after each
            change, which the rest of the page is not.

    Returns:
        The result as the reader has it; the model's own where nothing is changed. The model's values are kept in
        ``measurement.correction``.
    """
    state = _state_of(result, key)
    if any(state.can_correct(view) for view in state.views):
        _panel(state, options, key, below)
    else:
        st.info(NOTHING_TO_CORRECT if reads_clips(result.measurement) else NO_TRACING)
        if below is not None:
            below(result)
    return state.answer(options)


def panel_key(item: SessionResult) -> str:
    """Key of the correction panel of a result of the session."""
    return f"correct-{item.number}"


def current_result(item: SessionResult, options: MeasureOptions) -> Result:
    """A result of the session as the reader has it, without showing the panel."""
    state = st.session_state.get(f"{panel_key(item)}-state")
    is_corrected = isinstance(state, CorrectionState) and state.same(item.result)
    return state.answer(options) if is_corrected else item.result


@st.fragment
def _panel(state: CorrectionState, options: MeasureOptions, key: str, below: RenderBelow | None) -> None:
    view = _view(state, key)
    answer, machine = state.answer(options), state.machine.measurement
    # Messages about one contour are shown on its image, and about a file beside it.
    here = state.message.phase is None and state.message.view != FILE
    wrong = state.message.text if here else ""
    status = status_html(wrong, answer.measurement, has_name=bool(state.reader))
    st.html(comparison_html(machine, answer.measurement) + status)
    _choices(state, options, view, key)
    if state.frame(view, "ed") is None or state.frame(view, "es") is None:
        st.button(
            "Choose the frames by hand",
            key=f"{key}-{view}-begin",
            on_click=partial(state.start_from_extremes, view, options),
            help="Starts from the frames of the largest and the smallest volume.",
        )
    else:
        for phase, column in zip(PHASES, st.columns(2, gap="medium"), strict=True):
            with column:
                _editor(state, options, view, phase, key)
        st.caption(
            "Drag the points: round ones move the wall, square ones the apex and the mitral annulus hinge points, and with "
            "them the long axis. Tab and arrow keys do the same. H hides the contour. Dotted: the model's contour. EF and "
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
    part = answer.views[view][0] if answer.views else answer.measurement
    contour_editor(
        EditorState(
            label=label,
            colour=PHASE_COLOURS[label],
            picture=_image_url(clip, frame, f"{key}-{view}-pictures"),
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
            if is_current_key(f"{name}-frame", slider):
                state.choose_frame(view, phase, int(st.session_state[slider]), options)

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
        help="Back to the model's result, in both contours. This can be undone.",
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
    # A new widget after each file, so that the same file can be loaded again.
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


def _state_of(result: Result, key: str) -> CorrectionState:
    name = f"{key}-state"
    state = st.session_state.get(name)
    if not isinstance(state, CorrectionState) or not state.same(result):
        state = CorrectionState(result)
        st.session_state[name] = state
        for view in state.views:
            st.session_state.pop(f"{key}-{view}-pictures", None)
    state.rebase(result)
    return state


def _image_url(clip: Clip, frame: int, key: str) -> str:
    """A frame for the browser, black outside the ultrasound sector: names burned into the image must not be shown."""
    held: dict[int | str, object] = st.session_state.setdefault(key, {})
    if "sector" not in held:
        held["sector"] = _sector(clip)
    if frame not in held:
        while len(held) > _KEPT_IMAGES:
            del held[next(number for number in held if number != "sector")]
        sector, alone = held["sector"], clip.frames[frame : frame + 1]
        shown = (
            keep_sector(_still(clip, frame), sector).frames[0]
            if isinstance(sector, Sector)
            else np.zeros_like(alone[0])
        )
        held[frame] = image_data_url(shown, EDITOR_SIDE_PX, quality=92, lossless_px=256)
    return str(held[frame])


def _sector(clip: Clip) -> Sector | None:
    try:
        return find_sector(clip)
    except QualityRefusal:
        return None


def _still(clip: Clip, frame: int) -> Clip:
    return Clip(clip.frames[frame : frame + 1], clip.times_s[:1], clip.timing, clip.source)


def comparison_html(machine: Measurement, reader: Measurement) -> str:
    """Both EFs side by side.

    Args:
        machine: The model's measurement.
        reader: The reader's; the model's own where nothing is changed.
    """
    over = averaged_text(machine)
    correction = reader.correction
    name = f": {correction.reader}" if correction is not None and correction.reader else ""
    who = "Reader: nothing changed yet" if correction is None else f"Reader{name}"
    cards = [
        _card("machine", f"Model, mean of {over}" if over else "Model", machine, ""),
        _card("reader" if correction is None else "reader on", who, reader, difference_text(machine, reader)),
    ]
    return element_html("ef_comparison", cards)


def _card(style: str, who: str, m: Measurement, difference: str) -> dict[str, Any]:
    lines = ["No volumes in ml: no scale"]
    if m.edv_ml is not None:
        lines = [f"EDV {ml_text(m.edv_ml)} · ESV {ml_text(m.esv_ml)}"]
    if m.ed_frame is not None and m.es_frame is not None:
        lines.append(f"ED frame {m.ed_frame} · ES frame {m.es_frame}")
    if m.single_plane:
        lines.append(" · ".join(f"{view} {ef_text(value)}" for view, value in m.single_plane.items()))
    values = {"style": style, "who": who, "difference": difference, "lines": lines}
    return values | {"ef_percent": m.ef_percent, "ef_text": ef_interval_text(m)}


def difference_text(machine: Measurement, reader: Measurement) -> str:
    """Difference of the reader's EF from the model's, in points to a tenth; empty where nothing is changed."""
    if reader.correction is None or machine.ef_percent is None or reader.ef_percent is None:
        return ""
    difference = round(reader.ef_percent - machine.ef_percent, 1)
    return f"{difference:+.1f} points" if difference else "same EF"


def status_html(message: str, reader: Measurement, *, has_name: bool) -> str:
    """The line below the EFs: what went wrong, else what was changed, else what can be done.

    Args:
        message: Why an edit was rejected; empty for none.
        reader: The result as it stands.
        has_name: Whether the reader's name was typed.
    """
    if message:
        return element_html("correction_status", message, True)
    if reader.correction is None:
        text = "Drag a point of a contour, or choose another beat or frame: EF and volumes follow."
    else:
        text = f"Changed: {changed_text(reader.correction.changed)}."
        if not has_name:
            text += " Type your name below: the report then states who corrected."
    return element_html("correction_status", text, False)


def changed_text(changed: Sequence[str]) -> str:
    """What was changed, in words.

    Args:
        changed: As in `lvef.core.records.Correction`.

    Example:
        >>> changed_text(("frames", "A2C es_contour"))
        'other frames, A2C ES contour'
    """
    words = []
    for item in changed:
        view, _, what = item.rpartition(" ")
        words.append(f"{view} {_CHANGED_TEXT.get(what, what)}".strip())
    return ", ".join(words)


def announcement_text(machine: Measurement, reader: Measurement) -> str:
    """What a screen reader says after each change."""
    if reader.correction is None:
        return f"EF {ef_text(reader.ef_percent)}, as the model measured it."
    return f"EF {ef_text(reader.ef_percent)}; the model's {ef_text(machine.ef_percent)}."


def phase_text(phase: str, reader: Measurement, whole: Measurement) -> str:
    """The text above a contour: its volume and the EF.

    Args:
        phase: ``ed`` or ``es``.
        reader: The view's measurement as it stands.
        whole: The whole result as it stands, of both views in a study.
    """
    beat = reader.shown_beat
    words = []
    if beat is not None and reader.edv_ml is not None:
        volume, name = (beat.ed_volume, "EDV") if phase == "ed" else (beat.es_volume, "ESV")
        words.append(f"{name} {ml_text(volume)}")
    if averaged_text(whole):
        # What is drawn is one beat; the EF above is the mean of several.
        if beat is not None:
            words.append(f"EF of this beat {ef_text(beat.ef_percent)}")
        return " · ".join(words)
    return " · ".join([*words, f"EF {ef_text(whole.ef_percent)}"])


def beat_text(index: int, beat: Beat, machine: Measurement) -> str:
    """One beat of the list.

    Args:
        index: Its place, from 0.
        beat: The model's beat.
        machine: The model's measurement.
    """
    text = f"Beat {index + 1}: ED {beat.ed_frame}, ES {beat.es_frame}"
    # An EF that is withheld stands nowhere.
    text += "" if machine.ef_percent is None else f", EF {ef_text(beat.ef_percent)}"
    if machine.is_shown(beat):
        text += ", shown" if averaged_text(machine) else ", the model's result"
    elif beat.excluded:
        text += ", excluded by the model"
    elif beat.end_frame is None:
        text += ", incomplete"
    return text
