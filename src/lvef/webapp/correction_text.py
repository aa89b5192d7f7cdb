"""What the correction says in words and small pieces of HTML: both values side by side, and what was changed."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from lvef.core.records import Beat, Measurement
from lvef.core.wording import averaged_text, ef_text, ml_text

NOTHING_TO_CORRECT = (
    "There is no contour to correct: this network reads the EF from the film as a whole. Measure with a network that draws "
    "the ventricle to see and move its contours."
)
"""For EF networks."""

NO_TRACING = "There is no contour to correct: no ventricle was traced in this file."
"""For files in which nothing was found."""

_CHANGED_TEXT = {
    "beat": "another beat",
    "frames": "other frames",
    "ed_contour": "ED contour",
    "es_contour": "ES contour",
}

_STYLE = """<style>
.lvef-efs { display: flex; flex-wrap: wrap; gap: 0.7rem; font-variant-numeric: tabular-nums; }
.lvef-efs > div { flex: 1 1 19rem; display: flex; flex-wrap: wrap; align-items: center; gap: 0 1.4rem;
  padding: 0.4rem 0.95rem 0.5rem; border-radius: 8px; border: 1px solid transparent;
  background: color-mix(in srgb, currentColor 6%, transparent); }
.lvef-efs > div.reader.on { background: color-mix(in srgb, #009e73 15%, transparent); border-color: #009e73; }
.lvef-efs .who { display: flex; justify-content: space-between; gap: 1rem; flex: 1 0 100%; margin: 0; font-size: 0.88rem; }
.lvef-efs .who span { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; opacity: 0.85; }
.lvef-efs .who b { white-space: nowrap; }
.lvef-efs .ef { font-size: 1.9rem; font-weight: 650; line-height: 1.25; margin: 0; white-space: nowrap; }
.lvef-efs .rest { font-size: 0.88rem; line-height: 1.4; margin: 0; opacity: 0.9; }
.lvef-said { margin: 0.55rem 0 0; padding: 0.2rem 0.7rem; font-size: 0.92rem; min-height: 1.5rem;
  border-left: 4px solid transparent; }
.lvef-said.wrong { border-color: #d55e00; background: color-mix(in srgb, #d55e00 14%, transparent); border-radius: 4px; }
/* What is said may take two lines, and must not move the picture under the finger. */
@media (max-width: 1000px) { .lvef-said { min-height: 3rem; } }
</style>"""


def values_html(machine: Measurement, reader: Measurement) -> str:
    """Both answers side by side.

    Args:
        machine: The network's measurement.
        reader: The reader's; the machine's own where nothing is changed.
    """
    on = reader.correction is not None
    name = reader.correction.reader if reader.correction is not None else ""
    who = f"Reader{': ' if name else ''}{escape(name)}" if on else "Reader: nothing changed yet"
    return (
        f'{_STYLE}<div class="lvef-efs">{_card("machine", _machine(machine), machine, "")}'
        f"{_card('reader on' if on else 'reader', who, reader, difference_text(machine, reader))}</div>"
    )


def difference_text(machine: Measurement, reader: Measurement) -> str:
    """How far the reader's EF is from the machine's, in points to a tenth; empty where nothing is changed."""
    if reader.correction is None or machine.ef_percent is None or reader.ef_percent is None:
        return ""
    difference = round(reader.ef_percent - machine.ef_percent, 1)
    return f"{difference:+.1f} points" if difference else "same EF"


def status_html(message: str, reader: Measurement, *, has_name: bool) -> str:
    """The line below the values: what went wrong, else what was changed, else what can be done.

    Args:
        message: Why something was not taken; empty for nothing.
        reader: The answer as it stands.
        has_name: Whether the reader's name was typed.
    """
    if message:
        return f'<p class="lvef-said wrong" role="alert">{escape(message)}</p>'
    if reader.correction is None:
        text = "Drag a point of a contour, or choose another beat or frame: EF and volumes follow."
    else:
        text = f"Changed: {changed_text(reader.correction.changed)}."
        if not has_name:
            text += " Type your name below: the report then says who corrected."
    return f'<p class="lvef-said">{escape(text)}</p>'


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
        return f"EF {ef_text(reader.ef_percent)}, as the machine has it."
    return f"EF {ef_text(reader.ef_percent)}; the machine's {ef_text(machine.ef_percent)}."


def phase_text(phase: str, reader: Measurement, whole: Measurement) -> str:
    """What stands above a contour: its volume and the EF.

    Args:
        phase: ``ed`` or ``es``.
        reader: The view's measurement as it stands.
        whole: The whole answer as it stands, of both views in a study.
    """
    beat = reader.shown_beat
    words = []
    if beat is not None and reader.edv_ml is not None:
        volume, name = (beat.ed_volume, "EDV") if phase == "ed" else (beat.es_volume, "ESV")
        words.append(f"{name} {ml_text(volume)}")
    if averaged_text(whole):
        # What is drawn is one beat; the answer above is the mean of several.
        if beat is not None:
            words.append(f"EF of this beat {ef_text(beat.ef_percent)}")
        return " · ".join(words)
    return " · ".join([*words, f"EF {ef_text(whole.ef_percent)}"])


def beat_text(index: int, beat: Beat, machine: Measurement) -> str:
    """One beat of the list.

    Args:
        index: Its place, from 0.
        beat: The machine's beat.
        machine: The machine's measurement.
    """
    text = f"Beat {index + 1}: ED {beat.ed_frame}, ES {beat.es_frame}, EF {ef_text(beat.ef_percent)}"
    if machine.is_shown(beat):
        text += ", shown" if averaged_text(machine) else ", the machine's answer"
    elif beat.excluded:
        text += ", left out by the machine"
    elif beat.end_frame is None:
        text += ", not whole"
    return text


def _machine(machine: Measurement) -> str:
    over = averaged_text(machine)
    return f"Machine, mean of {over}" if over else "Machine"


def _card(kind: str, who: str, m: Measurement, more: str) -> str:
    exact = "" if m.ef_percent is None else f' data-ef="{m.ef_percent:.3f}"'
    lines = (
        [f"EDV {ml_text(m.edv_ml)} · ESV {ml_text(m.esv_ml)}"]
        if m.edv_ml is not None
        else ["No volumes in ml: no scale"]
    )
    if m.ed_frame is not None and m.es_frame is not None:
        lines.append(f"ED frame {m.ed_frame} · ES frame {m.es_frame}")
    if m.single_plane:
        lines.append(" · ".join(f"{view} {ef_text(value)}" for view, value in m.single_plane.items()))
    rest = f'<p class="rest">{"<br>".join(lines)}</p>'
    ef = f'<p class="ef"{exact}>EF {ef_text(m.ef_percent)}</p>'
    return f'<div class="{kind}"><p class="who"><span>{who}</span><b>{more}</b></p>{ef}{rest}</div>'
