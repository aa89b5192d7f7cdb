"""Answers of every kind, for the tests of the report."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from lvef.core.records import CodedWarning, Correction, Measurement
from lvef.core.terms import EF_CLIP, Status
from lvef.measure.results import Result
from tests.measure.made_up import PROVENANCE, assessed, beating, failed, refused

NOW = datetime.datetime(2026, 1, 31, 14, 5, 9, tzinfo=datetime.UTC)
LONG = "The frame rate is missing in the file; 30 frames per second are assumed, and all times depend on it. "
CORRECTION = Correction(
    "Dr. A. Müller",
    "2026-01-30T09:15:00+00:00",
    ("frames", "es_contour"),
    51.3,
    131.0,
    63.8,
    3,
    19,
    "Trabeculae left out.",
)


def plain(**changes) -> Result:
    return Result(*beating(175, **changes))


def corrected() -> Result:
    return plain(correction=CORRECTION, beats_averaged=1)


def crowded() -> Result:
    """Forty beats, twenty long warnings, every value, a correction with long words, a name that no line can hold."""
    m, clip = beating(1601)
    beats = tuple(
        replace(beat, excluded="premature beat: the cycle before it is 71% of the usual one")
        if i % 5 == 2
        else beat
        for i, beat in enumerate(m.beats)
    )
    m = replace(
        m,
        beats=beats,
        ed_frame=beats[30].ed_frame,
        es_frame=beats[30].es_frame,
        notices=tuple(CodedWarning(f"n{i}", f"{i} {LONG * (1 + i % 3)}") for i in range(20)),
        source="patients/" + "心エコー<b>$a_{b}$&" * 12 + ".avi",
        ef_mean_percent=58.3,
        ef_sd_percent=4.2,
        indexed={
            "body_surface_m2": 1.8,
            "edv_index_ml_m2": 66.1,
            "esv_index_ml_m2": 26.0,
            "cardiac_index_l_min_m2": 3.0,
        },
        correction=replace(CORRECTION, reader="W" * 300, note="note " * 200),
        beats_averaged=1,
    )
    return Result(m, clip)


def study(correction: Correction | None = None) -> Result:
    both, _ = beating(
        50, source="a/four.dcm + b/two.dcm", curve=None, tracings=(), single_plane={"A4C": 58.0, "A2C": 61.0}, beats=(),
        ed_frame=None, es_frame=None, n_frames=None, frame_rate_hz=None, duration_s=None, correction=correction,
    )  # fmt: skip
    four = beating(100, source="a/four.dcm", correction=None if correction is None else CORRECTION)
    return Result(both, None, {"A4C": four, "A2C": beating(80, source="b/two.dcm")})


def of_ef_network() -> Result:
    m, clip = beating(60)
    return Result(
        replace(
            m, tracings=(), ed_frame=None, es_frame=None, beats=(), edv_ml=None, esv_ml=None, stroke_volume_ml=None,
            curve=replace(m.curve, volume=np.full(60, np.nan), length=np.full(60, np.nan)),
            provenance=replace(PROVENANCE, network_kind=EF_CLIP), volume_note="the network measures no volumes",
        ),
        clip,
    )  # fmt: skip


def pair() -> Result:
    m, clip = beating(60)
    clip = replace(
        clip, frames=clip.frames[[0, 16]], times_s=np.array([0.0, 1.0]), source="d/ed.png + d/es.png"
    )
    curve = replace(
        m.curve, times_s=clip.times_s, volume=m.curve.volume[[0, 16]], length=m.curve.length[[0, 16]]
    )
    return Result(
        replace(
            m, source=clip.source, status=Status.PARTIAL_CYCLE, n_frames=2, frame_rate_hz=None, duration_s=None, ed_frame=0,
            es_frame=1, curve=curve, tracings=(m.tracings[0], m.tracings[16]),
            beats=(replace(m.beats[0], ed_frame=0, es_frame=1, end_frame=None, duration_s=None),),
        ),
        clip,
    )  # fmt: skip


def withheld() -> Result:
    """A clip that was traced and whose EF is not given, with the image quality that says why."""
    m, clip = beating(175, **assessed(second_opinion=None, category_probabilities={}))
    reason = (
        "clip.avi: 20 % of the border is visible, at least 40 % was expected; record the apical view again."
    )
    return Result(
        replace(
            m, status=Status.REFUSED, decision="refused", reason=reason, reason_code="poor_image", ef_percent=None,
            ef_low_percent=None, ef_high_percent=None, categories={}, edv_ml=None, esv_ml=None, stroke_volume_ml=None,
            beats_averaged=None, ef_mean_percent=None, ef_sd_percent=None,
        ),
        clip,
    )  # fmt: skip


def cases() -> Iterator[tuple[str, Result]]:
    yield "plain", plain()
    yield "uncalibrated", plain(calibrated=False, edv_ml=None)
    yield "corrected", corrected()
    yield "crowded", crowded()
    yield "study", study()
    yield "corrected study", study(replace(CORRECTION, changed=("A4C frames", "A4C es_contour")))
    yield "ef network", of_ef_network()
    yield "pair", pair()
    yield "refused", Result(refused("x/menu.png.avi"), beating(60)[1])
    long_reason = replace(refused("x/menu.avi"), reason=LONG * 6, notices=(CodedWarning("n", LONG),))
    yield "refused at length", Result(long_reason, beating(60)[1])
    yield "failed", Result(failed("x/broken.avi"), None)
    yield "no film", replace(plain(), clip=None)
    yield "bare", Result(Measurement("", Status.OK), None)
    m, clip = beating(60)
    volume = np.full(60, np.nan)
    volume[3] = 100.0
    yield "one traced frame", Result(replace(m, curve=replace(m.curve, volume=volume)), clip)
    yield "flat", Result(replace(m, curve=replace(m.curve, volume=np.zeros(60))), clip)
    yield "assessed", plain(**assessed())
    yield "assessed refusal", withheld()
    yield "still", Result(refused(), replace(clip, frames=clip.frames[:1], times_s=clip.times_s[:1]))
