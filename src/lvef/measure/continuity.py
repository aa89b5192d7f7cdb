"""The longest part of a clip that is one continuous recording, and the way back to the frame numbers of the file.

What `lvef.transforms.continuity` finds becomes warnings with frame numbers. The longest part in between is measured; where
no part is long enough, the clip is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from lvef.core.errors import GeometryError, LvefError, QualityRefusal
from lvef.core.records import Beat, BoolArray, Clip, CodedWarning, FloatArray, Measurement, VolumeCurve
from lvef.measure.quality import MIN_DURATION_S, MIN_FRAMES
from lvef.transforms.continuity import Breaks, FrameNumbers, find_breaks, runs_of, size_change

MIN_REPEATED = 0.15
"""Part of still steps, outside of freezes, from which a warning says that frames were repeated."""

BLANK, FREEZE, DAMAGED, CUT, LOOP, BACKWARD = (
    *("blank_frames", "freeze", "damaged_frames"),
    *("cut", "repeated_loop", "played_backward"),
)
"""Codes of the warnings; `REPEATED` leaves nothing out."""

REPEATED = "duplicate_frames"
"""Code of the warning that single frames are shown twice or more, as after a change of the frame rate."""

ZOOM, MAX_SIZE_CHANGE = "zoom_changes", 0.08
"""Code of the warning that the image changes its size, and the largest change without it (by
`lvef.transforms.continuity.size_change`): 120 phantoms and animated stills at most .01, 10 cines of other hospitals at most
.065, these with a zoom that swings by 10 % .094 and more (``tests/measure/test_continuity.py`` holds the latter two)."""

ORDER, COPIES = "frame_order", "likely_copies"
"""Codes of the warnings that frames are in a wrong order, also of the refusal where they are in none, and that frames are
likely copies of earlier ones (`lvef.transforms.continuity`)."""

FEW_NEW, MIN_NEW_HZ = "few_new_frames", 15.0
"""Code of the warning that so few frames a second show anything new that end-systole may be missed, and that rate."""


@dataclass(frozen=True, slots=True)
class GoodPart:
    """What of a clip can be measured as one recording.

    Attributes:
        frames: Their numbers in the file, ``(k,)``, increasing; single damaged frames in between are missing.
        foreign: ``(n,)`` whether a frame shows something else than the good part: what lies beyond a cut, damaged frames.
        notices: What was found, with frame numbers.
    """

    frames: FrameNumbers
    foreign: BoolArray
    notices: tuple[CodedWarning, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Whether no frame is left out."""
        return len(self.frames) == len(self.foreign)


def good_part(clip: Clip, chosen: Sequence[int | None] = ()) -> GoodPart:
    """The longest part of a clip that is one continuous recording, and what was found.

    Args:
        clip: A clip.
        chosen: Frames that the user chose; then only cuts end a part, and it is the one that has them.

    Raises:
        QualityRefusal: ``no_good_part``, no part is long enough; ``frame_order``, frames are in no order.
        GeometryError: The chosen frames lie on two sides of a cut.
    """
    breaks = find_breaks(clip.frames, clip.times_s)
    by_hand = [frame for frame in chosen if frame is not None]
    n = len(clip.frames)
    if breaks.shows_nothing or any(not 0 <= frame < n for frame in by_hand):
        return GoodPart(np.arange(n), np.zeros(n, bool))
    if breaks.at_random and not by_hand:
        raise QualityRefusal(ORDER, f"{clip.source}: {_order_text(breaks)} {ORDER_REMEDY}")
    parts = breaks.parts(only_cuts=bool(by_hand))
    if by_hand:
        parts = [part for part in parts if np.isin(by_hand, part).all()]
        if not parts and not _same_recording(breaks, by_hand):
            raise GeometryError(
                f"{clip.source}: frames {min(by_hand)} and {max(by_hand)} were chosen as ED and ES, but the clip is cut "
                "between them, or one of them has no image; choose two frames of one recording."
            )
        parts = parts or [np.arange(n)]
    notices = _warnings(breaks, clip.times_s)
    parts.sort(key=lambda part: -float(clip.times_s[part[-1]] - clip.times_s[part[0]]))
    best = parts[0] if parts else np.arange(0)
    long_enough = len(best) >= MIN_FRAMES and clip.times_s[best[-1]] - clip.times_s[best[0]] >= MIN_DURATION_S
    if len(best) < n and not (long_enough or by_hand):
        raise QualityRefusal("no_good_part", _no_part_text(clip, best, notices))
    if len(best) < n:
        more = f"The longest continuous part was measured: {_range(best[0], best[-1])} of 0 to {n - 1}."
        notices = [replace(notices[0], text=f"{notices[0].text} {more}"), *notices[1:]]
    if breaks.likely_copies[best].any():
        text = (
            f"The clip likely repeats itself, or runs backward: {_list(breaks.likely_copies)} are so close to earlier "
            "frames that they may be copies, and beats may be counted twice. Use the recording as it was acquired."
        )
        notices = [*notices, CodedWarning(COPIES, text)]
    change = size_change(clip.frames, best)
    if change > MAX_SIZE_CHANGE and not by_hand:
        text = (
            f"The size of the image changes by {100 * change:.0f} % while it is recorded, as with a zoom or another depth: "
            "a ventricle that shrinks with the image looks as if it contracted. Use a recording without it."
        )
        notices = [*notices, CodedWarning(ZOOM, text)]
    return GoodPart(best, _foreign(breaks, best), tuple(notices))


def cut_clip(clip: Clip, part: GoodPart) -> Clip:
    """A clip of the good part alone, with what was found among its warnings; its times start at 0."""
    notices = (*clip.notices, *part.notices)
    if part.is_whole:
        return replace(clip, notices=notices)
    first_s = float(clip.times_s[part.frames[0]])
    return replace(
        clip,
        frames=clip.frames[part.frames],
        times_s=clip.times_s[part.frames] - first_s,
        r_wave_times_s=tuple(r - first_s for r in clip.r_wave_times_s),
        notices=notices,
    )


def in_file(measurement: Measurement, clip: Clip, part: GoodPart) -> Measurement:
    """A measurement of the good part with the frame numbers, times and length of the whole clip.

    Volumes of frames that were left out are NaN, their tracings None.

    Args:
        measurement: Of the clip that `cut_clip` makes.
        clip: The whole clip.
        part: Its good part.
    """
    if part.is_whole:
        return measurement
    numbers, n = part.frames.tolist(), len(clip.frames)

    def number(frame: int | None) -> int | None:
        return None if frame is None else numbers[frame]

    def whole(values: FloatArray) -> FloatArray:
        filled = np.full(n, np.nan)
        filled[part.frames] = values
        return filled

    def moved(beat: Beat) -> Beat:
        return replace(
            beat,
            ed_frame=numbers[beat.ed_frame],
            es_frame=numbers[beat.es_frame],
            end_frame=number(beat.end_frame),
        )

    curve, tracings = measurement.curve, measurement.tracings
    if curve is not None:
        curve = VolumeCurve(clip.times_s, whole(curve.volume), whole(curve.length), curve.calibrated)
    if tracings:
        by_number = dict(zip(numbers, tracings, strict=True))
        tracings = tuple(by_number.get(frame) for frame in range(n))
    return replace(
        measurement,
        ed_frame=number(measurement.ed_frame),
        es_frame=number(measurement.es_frame),
        beats=tuple(moved(beat) for beat in measurement.beats),
        n_frames=n,
        duration_s=float(clip.times_s[-1]),
        curve=curve,
        tracings=tracings,
    )


def with_findings(reason: str, part: GoodPart) -> str:
    """The reason of a refusal, with what was found besides."""
    return " ".join([reason, *(notice.text for notice in part.notices if not part.is_whole)])


def hide_foreign(
    clip: Clip | None, measurement: Measurement, chosen: Sequence[int | None] = ()
) -> Clip | None:
    """The clip with frames that show something else black: report pages and titles name persons.

    Args:
        clip: As it was read, or None.
        measurement: Its measurement.
        chosen: As for `good_part`.
    """
    has_foreign = measurement.reason_code or {CUT, DAMAGED} & {notice.code for notice in measurement.notices}
    if clip is None or not has_foreign:
        return clip
    try:
        foreign = good_part(clip, chosen).foreign
    except LvefError:
        return clip
    return (
        replace(clip, frames=np.where(foreign[:, None, None], np.uint8(0), clip.frames))
        if foreign.any()
        else clip
    )


def _same_recording(breaks: Breaks, frames: Sequence[int]) -> bool:
    """Whether frames show an image and no cut lies between them."""
    cut = any(last >= min(frames) and first <= max(frames) for last, first in breaks.cuts)
    return not cut and not (breaks.blank | breaks.damaged)[list(frames)].any()


def _foreign(breaks: Breaks, best: FrameNumbers) -> BoolArray:
    """See `GoodPart.foreign`."""
    foreign, numbers = breaks.damaged.copy(), np.arange(len(breaks.damaged))
    if any(first <= best[0] for _, first in breaks.cuts):
        foreign |= numbers < best[0]
    if any(last >= best[-1] for last, _ in breaks.cuts):
        foreign |= numbers > best[-1]
    return np.asarray(foreign, dtype=np.bool_)


def _warnings(breaks: Breaks, times_s: FloatArray) -> list[CodedWarning]:
    """What was found, in plain sentences."""
    found = []
    for last, first in breaks.cuts[:1]:
        text = (
            f"The clip is cut between frames {last} and {first}{_more(breaks.cuts)}: the image changes more "
            "than a beating heart can change it (another recording, view or depth, or a title)."
        )
        found.append(CodedWarning(CUT, text))
    for first, last in breaks.freezes[:1]:
        seconds = float(times_s[last] - times_s[first])
        text = f"The image stands still for {seconds:.2g} s ({_range(first, last)}{_more(breaks.freezes)})."
        found.append(CodedWarning(FREEZE, text))
    for flags, code, text in (
        (breaks.blank, BLANK, "There is no image on {}."),
        (breaks.damaged, DAMAGED, "Frames that are damaged or show something else were left out: {}."),
        (
            breaks.copies == 1,
            LOOP,
            "The clip repeats itself: {} are copies of earlier frames. They contain no new beats and are not "
            "measured again.",
        ),
        (
            breaks.copies == -1,
            BACKWARD,
            "The clip is played backward: {} show earlier frames in reverse order. They contain no new beats "
            "and are not measured.",
        ),
    ):
        if flags.any():
            found.append(CodedWarning(code, text.format(_list(flags))))
    if breaks.disorder:
        found.append(CodedWarning(ORDER, f"{_order_text(breaks)} {ORDER_REMEDY}"))
    if breaks.repeated > MIN_REPEATED * (breaks.repeated + breaks.new):
        rate = breaks.new / (breaks.new + breaks.repeated) / float(np.median(np.diff(times_s)))
        text = (
            f"{breaks.repeated} of {len(times_s)} frames repeat the previous one, as after a change of the "
            f"frame rate: about {rate:.3g} frames a second are new."
        )
        found.append(CodedWarning(REPEATED, text))
        if rate < MIN_NEW_HZ:
            text = (
                f"Only about {rate:.3g} frames a second are new: end-systole lies between them, and the EF may be too low. "
                "Export the clip with every frame that was recorded."
            )
            found.append(CodedWarning(FEW_NEW, text))
    return found


ORDER_REMEDY = "Export the clip again, with its frames in the order of their times."


def _order_text(breaks: Breaks) -> str:
    order = "in no order" if breaks.at_random else "not in the order in which they were recorded"
    return (
        f"The frames are {order}: in {100 * breaks.disorder:.0f} % of places two that follow each other differ more than "
        "those around them."
    )


def _more(places: Sequence[object]) -> str:
    return f", and in {len(places) - 1} more place{'s' if len(places) > 2 else ''}" if len(places) > 1 else ""


def _range(first: int, last: int) -> str:
    return f"frames {first} to {last}" if last > first else f"frame {first}"


def _list(flags: BoolArray) -> str:
    """Frame numbers in words; no more than three ranges."""
    runs = runs_of(flags)
    shown = ", ".join(str(a) if a == b else f"{a} to {b}" for a, b in runs[:3])
    return ("frame " if flags.sum() == 1 else "frames ") + shown + (", ..." if len(runs) > 3 else "")


def _no_part_text(clip: Clip, best: FrameNumbers, notices: Sequence[CodedWarning]) -> str:
    found = " ".join(notice.text for notice in notices)
    length = float(clip.times_s[best[-1]] - clip.times_s[best[0]]) if len(best) else 0.0
    return (
        f"{clip.source}: no part of the clip is long enough to be measured. {found} The longest continuous "
        f"part has {len(best)} frames in {length:.2f} s; at least {MIN_FRAMES} frames and {MIN_DURATION_S} s are needed. "
        "Export a single recording, as it was acquired."
    )
