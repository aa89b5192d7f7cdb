"""One picture that tells what was measured and lets a reader check it: ``summary.png``.

Drawn with matplotlib's objects alone: no pyplot, so no global state, no window system, no figure left behind.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from lvef.core.records import Beat, Clip, Measurement, Tracing
from lvef.core.wording import ef_text
from lvef.io.atomic import write_bytes_atomic
from lvef.report.drawing import (
    ANSWER_COLOUR,
    DRAWING,
    ED_COLOUR,
    ED_ON_BLACK,
    ES_COLOUR,
    ES_ON_BLACK,
    curve_values,
    has_curve,
    window,
)
from lvef.report.summary_words import (
    COLUMN_X_PX,
    HEIGHT_PX,
    INK,
    LINE,
    SOFT,
    WIDTH_PX,
    draw_column,
    draw_heading,
    with_file_names,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DPI = 100


def write_summary(path: Path, clip: Clip, measurement: Measurement) -> bool:
    """Write the one-page picture of a measurement as PNG.

    Args:
        path: The picture to write; replaced only once it is whole.
        clip: The clip as it was read.
        measurement: Its measurement, in any status.

    Returns:
        Whether there was something to draw: False for an empty clip.

    Raises:
        DataError: The picture cannot be written.
    """
    if not len(clip.frames):
        return False
    write_bytes_atomic(path, summary_png(clip, measurement))
    return True


def summary_png(clip: Clip, measurement: Measurement) -> bytes:
    """Draw the one-page picture of a measurement; see `write_summary`."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    measurement = with_file_names(measurement)
    with DRAWING:
        figure: Any = Figure(figsize=(WIDTH_PX / _DPI, HEIGHT_PX / _DPI), dpi=_DPI, facecolor="white")
        canvas: Any = FigureCanvasAgg(figure)
        with_curve = has_curve(measurement)
        draw_heading(figure, measurement)
        _draw_pictures(figure, clip, measurement, bottom=300 if with_curve else 70)
        if with_curve:
            _draw_curve(figure, measurement)
        draw_column(figure, measurement)
        canvas.draw()
        rgba = np.asarray(canvas.buffer_rgba())
    # OpenCV packs a PNG several times faster than matplotlib's way through Pillow.
    done, packed = cv2.imencode(
        ".png", cv2.cvtColor(rgba, cv2.COLOR_RGBA2BGR), [cv2.IMWRITE_PNG_COMPRESSION, 1]
    )
    assert done
    return packed.tobytes()


def _draw_pictures(figure: Figure, clip: Clip, m: Measurement, bottom: int) -> None:
    """ED and ES side by side, or one frame where there is neither."""
    top, gap, left = HEIGHT_PX - 84, 16, 40
    room = COLUMN_X_PX - 40 - left
    marked = [
        (word, frame, colour)
        for word, frame, colour in (("ED", m.ed_frame, ED_ON_BLACK), ("ES", m.es_frame, ES_ON_BLACK))
        if frame is not None and frame < len(clip.frames)
    ]
    shown = marked or [("", len(clip.frames) // 2, "white")]
    width = (room - gap * (len(shown) - 1)) / len(shown)
    shown_frames = window(clip, [m.tracing(frame) for _, frame, _ in marked], width / (top - bottom))
    for place, (word, frame, colour) in enumerate(shown):
        axes = _axes(figure, left + place * (width + gap), bottom, width, top - bottom)
        axes.set_facecolor("black")
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
        axes.imshow(
            clip.frames[frame],
            cmap="gray",
            vmin=0,
            vmax=255,
            interpolation="bilinear",
            aspect=clip.pixel_aspect,
        )
        tracing = m.tracing(frame)
        if word and tracing is not None:
            _draw_tracing(axes, tracing, colour)
        axes.set_xlim(shown_frames[0], shown_frames[1])
        axes.set_ylim(shown_frames[3], shown_frames[2])
        time = m.frame_time_s(frame)
        label = (
            f"frame {frame}  ·  {time:.2f} s"
            if time is not None
            else f"frame {frame}"
            if has_curve(m)
            else ""
        )
        box = {"facecolor": "black", "edgecolor": "none", "alpha": 0.6, "pad": 3}
        if word:
            axes.text(
                0.02,
                0.97,
                word,
                transform=axes.transAxes,
                color=colour,
                size=17,
                weight="bold",
                va="top",
                bbox=box,
            )
        if label:
            axes.text(
                0.98,
                0.97,
                label,
                transform=axes.transAxes,
                color="white",
                size=9.5,
                ha="right",
                va="top",
                bbox=box,
            )


def _draw_tracing(axes: Any, tracing: Tracing, colour: str) -> None:  # noqa: ANN401
    from matplotlib.collections import LineCollection

    axes.add_collection(
        LineCollection(list(tracing.chords), colors=colour, linewidths=0.8, alpha=0.55, snap=False),
        autolim=False,
    )
    axes.plot(*np.vstack([tracing.contour, tracing.contour[:1]]).T, color=colour, lw=1.8)
    axes.plot(*np.stack([tracing.apex, tracing.base]).T, color="white", lw=1.1, ls=(0, (4, 3)))


def _draw_curve(figure: Figure, m: Measurement) -> None:
    curve = m.curve
    assert curve is not None
    axes = _axes(figure, 106, 70, COLUMN_X_PX - 40 - 106, 190)
    calibrated = m.volume_unit == "ml"
    volume = curve_values(m)
    for beat in m.beats:
        _draw_beat(axes, beat, curve.times_s, m.is_shown(beat))
    axes.plot(curve.times_s, volume, color=INK, lw=1.4, zorder=3)
    whole = [b for b in m.beats if not b.excluded]
    for word, frames, colour, sign in (
        ("ED", {b.ed_frame for b in whole} | {m.ed_frame}, ED_COLOUR, "v"),
        ("ES", {b.es_frame for b in whole} | {m.es_frame}, ES_COLOUR, "^"),
    ):
        at = sorted(f for f in frames if f is not None and f < len(volume))
        axes.scatter(
            curve.times_s[at],
            volume[at],
            s=62,
            marker=sign,
            color=colour,
            edgecolor="white",
            lw=0.8,
            zorder=4,
            label=word,
            clip_on=False,
        )
    low, high = float(np.nanmin(volume)), float(np.nanmax(volume))
    room = (high - low) or max(high, 1.0)
    axes.set_ylim(max(0.0, low - 0.18 * room), high + 0.42 * room)
    axes.set_xlim(float(curve.times_s[0]), max(float(curve.times_s[-1]), 1e-3))
    axes.set_xlabel("time (s)", size=10, color=SOFT)
    axes.set_ylabel("LV volume (ml)" if calibrated else "LV volume (% of ED)", size=10, color=SOFT)
    axes.tick_params(labelsize=9, colors=SOFT, length=3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(LINE)
    axes.legend(
        loc="upper right", bbox_to_anchor=(1.0, 1.16), ncols=2, frameon=False, fontsize=9.5, handletextpad=0.1
    )


def _draw_beat(axes: Any, beat: Beat, times_s: Any, is_answer: bool) -> None:  # noqa: ANN401
    end = beat.end_frame if beat.end_frame is not None else beat.es_frame
    start_s, end_s = sorted((float(times_s[beat.ed_frame]), float(times_s[end])))
    if beat.excluded:
        axes.axvspan(start_s, end_s, facecolor="#eceff2", edgecolor="#c3cad1", hatch="///", lw=0)
    elif is_answer:
        axes.axvspan(start_s, end_s, facecolor="#dcf2ea", edgecolor="none")
    else:
        axes.axvline(start_s, color=LINE, lw=1)
    share = (end_s - start_s) / max(float(times_s[-1] - times_s[0]), 1e-9)
    if share > 0.09:
        text = "left out" if beat.excluded else ef_text(beat.ef_percent)
        axes.text(
            (start_s + end_s) / 2, 0.96, text, transform=axes.get_xaxis_transform(), ha="center", va="top",
            size=9.5,
            color=ANSWER_COLOUR if is_answer else SOFT, weight="bold" if is_answer else "normal",
            bbox={"facecolor": "#eceff2", "edgecolor": "none", "pad": 2} if beat.excluded else None,
        )  # fmt: skip


def _axes(figure: Figure, x: float, y: float, width: float, height: float) -> Any:  # noqa: ANN401
    return figure.add_axes((x / WIDTH_PX, y / HEIGHT_PX, width / WIDTH_PX, height / HEIGHT_PX))
