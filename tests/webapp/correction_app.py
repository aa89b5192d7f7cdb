"""A page with nothing but the correction panel, on hearts that are drawn here: no network is needed. Run by Streamlit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import streamlit as st

from lvef.core.records import Beat, Clip, Measurement, PixelSpacing, Provenance
from lvef.core.terms import Status, View
from lvef.geometry.tracing import tracing_of_contour, volume_curve_of_tracings
from lvef.measure.options import MeasureOptions
from lvef.measure.results import Result, biplane_measurement, with_beat

FRAMES, HEIGHT, WIDTH = 24, 260, 220
ASPECT = 1.25
ED, ES, ED_2, ES_2 = 0, 6, 12, 18


def phantom_clip(
    view: str = "", *, frames: int = FRAMES, name: str = "heart.avi", scale: bool = True
) -> Result:
    """A heart of two beats with pixels higher than wide; as a pair of stills with ``frames=2``."""
    rng = np.random.default_rng(4)
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(float)
    fan = (np.abs(x - WIDTH / 2) < 18 + 0.42 * y) & (y > 6) & (y < HEIGHT - 8)
    pictures, tracings = [], []
    for i in range(frames):
        squeeze = (1 - np.cos(2 * np.pi * i / 12)) / 2 if frames > 2 else float(i)
        half, top = 42 - 13 * squeeze, 60 + 6 * squeeze
        t = np.linspace(0, np.pi, 97)
        contour = np.stack([110 - half * np.cos(t), 175 - (175 - top) * np.sin(t)], axis=1)
        ends = np.array([[110 - half, 175], [110 + half, 175.0]])
        tracings.append(tracing_of_contour(contour, np.array([110.0, top]), ends, aspect=ASPECT))
        inside = (((x - 110) / half) ** 2 + ((175 - y) / (175 - top)) ** 2 < 1) & (y < 175)
        wall = (((x - 110) / (half + 14)) ** 2 + ((175 - y) / (189 - top)) ** 2 < 1) & (y < 186)
        grey = np.where(inside, 14, np.where(wall, 150, 70)) * (0.5 + 0.5 * rng.random((HEIGHT, WIDTH)))
        pictures.append((grey * fan).astype(np.uint8))
    spacing = PixelSpacing(0.4, 0.4 * ASPECT, "made here") if scale else None
    clip = Clip(np.stack(pictures), np.arange(frames) / 25, "container", name, spacing)
    curve = volume_curve_of_tracings(tracings, clip.times_s, spacing)

    def beat(ed: int, es: int, end: int | None) -> Beat:
        edv, esv = curve.volume[ed], curve.volume[es]
        return Beat(ed, es, end, edv, esv, 100 * (edv - esv) / edv, None if end is None else 0.48)

    beats = (beat(ED, ES, ED_2), beat(ED_2, ES_2, None)) if frames > 2 else (beat(0, 1, None),)
    made = Provenance("0", "drawn", "0" * 64, "none", "none", "f32", "cpu", 0.0)
    base = Measurement(
        name,
        Status.OK if frames > 2 else Status.PARTIAL_CYCLE,
        view=View(view) if view else View.UNKNOWN,
        method="method of disks, one plane",
        beats=beats,
        n_frames=frames,
        spacing=spacing,
        tracings=tuple(tracings),
        curve=curve,
        provenance=made,
        volume_note="" if scale else "The file has no scale.",
    )
    return Result(with_beat(base, beats[0], MeasureOptions()), clip)


def study() -> Result:
    """The same heart in both views."""
    parts = {view: (phantom_clip(view).measurement, phantom_clip(view).clip) for view in ("A4C", "A2C")}
    four, two = (replace(m, source=f"{view}.avi") for view, (m, _) in parts.items())
    whole = biplane_measurement("A4C.avi + A2C.avi", four, two, MeasureOptions())
    return Result(replace(whole, provenance=four.provenance), None, parts)


def ef_reader() -> Result:
    """The answer of a network that reads the EF from clips."""
    answer = phantom_clip()
    made = replace(answer.measurement.provenance, network_kind="ef_clip")
    return Result(
        replace(answer.measurement, tracings=(), curve=None, beats=(), provenance=made), answer.clip
    )


KINDS = {
    "heart": phantom_clip,
    "pair": lambda: phantom_clip(frames=2),
    "study": study,
    "ef": ef_reader,
    "unscaled": lambda: phantom_clip(scale=False),
}


def page() -> None:
    """The page."""
    from lvef.webapp.correction_panel import correction_panel

    st.set_page_config(layout="wide")
    kind = st.query_params.get("kind", "heart")
    if f"made-{kind}" not in st.session_state:
        st.session_state[f"made-{kind}"] = KINDS[kind]()
    given = st.session_state[f"made-{kind}"]
    st.session_state["returned"] = correction_panel(given, MeasureOptions(), "c", below=_below)


def _below(answer: Result) -> None:
    runs = st.session_state["runs"] = st.session_state.get("runs", 0) + 1
    ef = answer.measurement.ef_percent
    st.text(f"below: EF {ef:.4f}, run {runs}" if ef is not None else "below: no EF")


if __name__ == "__main__":
    page()
