"""From a file to an EF, with the network that is shipped, on the real apical cine that pydicom carries."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from pydicom.data import get_testdata_file

from lvef.core.errors import GeometryError, QualityRefusal
from lvef.core.records import PixelSpacing
from lvef.core.terms import Sex, Status
from lvef.io.open import open_clip
from lvef.measure.options import MeasureOptions
from lvef.measure.pipeline import Measurer
from tests.measure.broken_clips import noisy, title

CINE = Path(str(get_testdata_file("examples_ybr_color.dcm", download=False)))
F32 = MeasureOptions(precision="f32")


@pytest.fixture(scope="module")
def measurer():
    return Measurer(F32)


@pytest.fixture(scope="module")
def answer(measurer):
    return measurer.measure(CINE)


def write_avi(path, frames, rate=30.0):
    height, width = frames.shape[1:3]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), rate, (width, height))
    for frame in frames:
        writer.write(frame if frame.ndim == 3 else cv2.cvtColor(frame, cv2.COLOR_GRAY2BGR))
    writer.release()
    return path


def test_the_cine_gives_a_partial_cycle_with_a_contour_on_every_frame(answer):
    measurement, clip = answer
    assert measurement.status is Status.PARTIAL_CYCLE
    assert 18 <= measurement.ed_frame <= 24, "end-diastole after filling"
    assert measurement.es_frame <= 7, "end-systole before it: the systole after it is cut off"
    assert 50 <= measurement.ef_percent <= 80
    assert measurement.edv_ml is None
    assert measurement.esv_ml is None
    assert "region" in measurement.volume_note
    assert len(measurement.tracings) == len(clip.frames) == 30
    assert all(t is not None for t in measurement.tracings)
    assert measurement.duration_s == pytest.approx(29 * 0.033333, abs=1e-3)
    beat = measurement.beats[0]
    assert measurement.ef_percent == pytest.approx(100 * (beat.ed_volume - beat.es_volume) / beat.ed_volume)


def test_contours_lie_on_the_ventricle(answer):
    """Dark blood inside, brighter wall outside, on every frame."""
    measurement, clip = answer
    for frame, tracing in zip(clip.frames, measurement.tracings, strict=True):
        inside = np.zeros(frame.shape, np.uint8)
        cv2.fillPoly(inside, [np.round(tracing.contour).astype(np.int32)], 1)
        ring = cv2.dilate(inside, np.ones((9, 9))) - cv2.dilate(inside, np.ones((3, 3)))
        assert frame[inside == 1].mean() < frame[ring == 1].mean()
        assert 0.015 < inside.mean() < 0.15
        # The long axis ends on the contour, and the apex is above the base in this clip.
        assert tracing.apex[1] < tracing.base[1]


def test_provenance_names_network_precision_and_licence(answer, measurer):
    provenance = answer[0].provenance
    assert provenance.precision == "f32"
    assert provenance.backend == "openvino"
    assert provenance.weights_licence == "CC-BY-NC-SA-4.0"
    assert provenance.weights_sha256 == measurer.predictor.entry.card.model_sha256


def test_no_person_data_in_the_answer(answer):
    # The file says patient name PLA, ID 204, study 20160503.
    text = repr(answer[0]) + repr(answer[1].notices)
    for secret in ("PLA", "20160503", "2171", "SonoSite"):
        assert secret not in text.replace("DISPLAY", "")


def test_bf16_moves_the_ef_by_less_than_half_a_point(answer):
    from lvef.inference.session import bf16_available

    if not bf16_available():
        pytest.skip("this processor has no bf16 units")
    measurement, _ = Measurer(MeasureOptions(precision="bf16")).measure(CINE)
    assert measurement.provenance.precision == "bf16"
    assert abs(measurement.ef_percent - answer[0].ef_percent) < 0.5


def test_onnxruntime_gives_the_same_ef(answer):
    pytest.importorskip("onnxruntime")
    measurement, _ = Measurer(MeasureOptions(backend="onnxruntime")).measure(CINE)
    assert measurement.ef_percent == pytest.approx(answer[0].ef_percent, abs=0.05)


def test_two_runs_give_the_same_numbers(answer, measurer):
    again, _ = measurer.measure(CINE)
    assert replace(again, provenance=None) == replace(answer[0], provenance=None)


def on_a_screen(frames):
    """The cine enlarged on a 1024 x 768 screen with burned-in text and menus."""
    screen = np.zeros((len(frames), 768, 1024), np.uint8)
    for target, frame in zip(screen, frames, strict=True):
        target[100:580, 200:840] = cv2.resize(frame, (640, 480))
        cv2.putText(target, "DOE JOHN 12345", (10, 40), cv2.FONT_HERSHEY_SIMPLEX, 1, 255, 2)
        cv2.putText(target, "MENU  FREEZE  PRINT", (500, 700), cv2.FONT_HERSHEY_SIMPLEX, 1, 200, 2)
    return screen


def with_ecg(frames):
    drawn = frames.copy()
    for i, frame in enumerate(drawn):
        for x in range(40, 280):
            y = 207 + int(4 * np.sin((x + 8 * i) / 5))
            frame[y : y + 2, x] = 220
    return drawn


def small(frames):
    """As public collections hold them: cropped to a square of 112 pixels."""
    return np.stack([cv2.resize(f[15:215, 60:260], (112, 112), interpolation=cv2.INTER_AREA) for f in frames])


OTHER_SCREENS = {
    "mirrored": lambda f: f[:, :, ::-1],
    "apex below": lambda f: f[:, ::-1],
    "both": lambda f: f[:, ::-1, ::-1],
    "brighter": lambda f: np.round(255 * (f / 255) ** 0.5).astype(np.uint8),
    "darker": lambda f: np.round(255 * (f / 255) ** 1.5).astype(np.uint8),
    "saturated": lambda f: np.clip(2.0 * f, 0, 255).astype(np.uint8),
    "112 px": small,
    "large screen with text": on_a_screen,
    "two pictures side by side": lambda f: np.concatenate([f, np.roll(f, 7, axis=0)], axis=2),
    "ECG below": with_ecg,
}


@pytest.mark.parametrize("name", OTHER_SCREENS)
def test_the_ef_hardly_depends_on_the_screen(answer, measurer, name):
    frames = np.ascontiguousarray(OTHER_SCREENS[name](answer[1].frames))
    measurement = measurer.measure_clip(replace(answer[1], frames=frames, chroma=None))
    most = 0.1 if name in ("mirrored", "apex below", "both") else 2.5
    assert abs(measurement.ef_percent - answer[0].ef_percent) < most
    assert abs(measurement.ed_frame - answer[0].ed_frame) <= 2


def test_scale_gives_millilitres_and_leaves_the_ef(answer, measurer):
    clip = replace(answer[1], spacing=PixelSpacing(0.8, 0.8, "test"), spacing_note="")
    scaled = measurer.measure_clip(clip)
    assert scaled.ef_percent == pytest.approx(answer[0].ef_percent, abs=1e-6)
    assert 20 < scaled.edv_ml < 300
    assert scaled.stroke_volume_ml == pytest.approx(scaled.edv_ml - scaled.esv_ml)
    half = measurer.measure_clip(replace(clip, spacing=PixelSpacing(0.4, 0.4, "test")))
    assert 8 * half.edv_ml == pytest.approx(scaled.edv_ml, rel=1e-6)
    giant = measurer.measure_clip(replace(clip, spacing=PixelSpacing(4.0, 4.0, "test")))
    assert giant.ef_percent == pytest.approx(scaled.ef_percent, abs=1e-6)
    assert (giant.edv_ml, giant.stroke_volume_ml, giant.spacing) == (None, None, None)
    assert "mm long" in giant.volume_note


def test_body_size_and_sex_fill_their_fields(answer):
    options = replace(F32, sex=Sex.MALE, height_cm=180, weight_kg=80)
    measurer = Measurer(options)
    clip = replace(answer[1], spacing=PixelSpacing(0.8, 0.8, "test"), heart_rate_bpm=60.0)
    measurement = measurer.measure_clip(clip)
    assert measurement.indexed["body_surface_m2"] == pytest.approx(1.996, abs=0.01)
    assert measurement.indexed["edv_index_ml_m2"] == pytest.approx(measurement.edv_ml / 1.996, rel=0.01)
    assert "ase_2015" in measurement.categories
    assert "ase_2015_men" in answer[0].categories


def test_frames_chosen_by_hand(answer):
    measurement, _ = Measurer(replace(F32, ed_frame=21, es_frame=4)).measure(CINE)
    assert (measurement.ed_frame, measurement.es_frame) == (21, 4)
    assert {n.code for n in measurement.notices} >= {"frames_by_hand"}
    volume = measurement.curve.volume
    assert measurement.ef_percent == pytest.approx(100 * (volume[21] - volume[4]) / volume[21])
    for options, said in (
        ({"ed_frame": 2, "es_frame": 99}, "frames 0 to 29"),
        ({"ed_frame": 2}, "--es-frame"),
    ):
        failed, _ = Measurer(replace(F32, **options)).measure(CINE)
        assert failed.status is Status.FAILED
        assert said in failed.reason


def test_a_frame_rate_given_by_the_user_rules():
    measurement, _ = Measurer(replace(F32, frame_rate_hz=15.0)).measure(CINE)
    assert measurement.frame_rate_hz == pytest.approx(15)
    assert measurement.timing == "given by the user"


def test_a_pair_of_stills(tmp_path, answer, measurer):
    frames = answer[1].frames
    for name, index in (("ed", 21), ("es", 4)):
        cv2.imwrite(str(tmp_path / f"{name}.png"), frames[index])
    measurement, clip = measurer.measure_pair(tmp_path / "ed.png", tmp_path / "es.png")
    assert measurement.status is Status.PARTIAL_CYCLE
    assert (measurement.ed_frame, measurement.es_frame) == (0, 1)
    assert clip.frames.shape[0] == 2
    assert abs(measurement.ef_percent - answer[0].ef_percent) < 12
    # A still of another size without a scale cannot be compared.
    cv2.imwrite(str(tmp_path / "small.png"), cv2.resize(frames[4], None, fx=0.5, fy=0.5))
    refused, _ = measurer.measure_pair(tmp_path / "ed.png", tmp_path / "small.png")
    assert refused.status is Status.REFUSED
    assert refused.reason_code == "different_size"


def test_a_ventricle_larger_at_es_than_at_ed_is_no_ef(tmp_path, answer, measurer):
    frames = answer[1].frames
    for name, index in (("ed", 21), ("es", 4)):
        cv2.imwrite(str(tmp_path / f"{name}.png"), frames[index])
    swapped, _ = measurer.measure_pair(tmp_path / "es.png", tmp_path / "ed.png")
    by_hand, _ = Measurer(replace(F32, ed_frame=4, es_frame=21)).measure(CINE)
    for measurement in (swapped, by_hand):
        assert measurement.status is Status.REFUSED
        assert measurement.reason_code == "es_above_ed"
        assert measurement.ef_percent is None
        assert "larger at ES than at ED" in measurement.reason
        assert "Swap them" in measurement.reason


def test_biplane_of_one_heart_forwards_and_backwards_is_the_single_plane_ef(answer, measurer, tmp_path):
    backwards = write_avi(tmp_path / "backwards.avi", answer[1].frames[::-1])
    measurement, single = measurer.measure_biplane(CINE, backwards)
    assert measurement.status is Status.PARTIAL_CYCLE
    assert measurement.single_plane == {view: part.ef_percent for view, (part, _) in single.items()}
    assert measurement.single_plane["A4C"] == answer[0].ef_percent
    assert measurement.ef_percent == pytest.approx(answer[0].ef_percent, abs=6)
    codes = [n.code for n in measurement.notices]
    assert "axes_not_compared" in codes
    assert "no_whole_beat" in codes, "what a view warns of is not lost in the study"


def test_the_same_images_twice_are_no_study(answer, measurer, tmp_path):
    copy = tmp_path / "copy.dcm"
    copy.write_bytes(CINE.read_bytes())
    again = write_avi(tmp_path / "again.avi", answer[1].frames)
    for other in (CINE, copy, again):
        measurement, single = measurer.measure_biplane(CINE, other)
        assert (measurement.status, measurement.reason_code) == (Status.REFUSED, "same_content")
        assert "A4C and an A2C" in measurement.reason
        assert single == {}


def test_biplane_with_a_view_that_cannot_be_read_says_which(tmp_path, measurer):
    measurement, _ = measurer.measure_biplane(CINE, tmp_path / "none.avi")
    assert measurement.ef_percent is None
    assert "A2C" in measurement.reason
    assert "none.avi" in measurement.reason


def test_an_avi_of_the_cine_without_scale(tmp_path, answer, measurer):
    path = write_avi(tmp_path / "cine.avi", answer[1].frames)
    measurement, _ = measurer.measure(path)
    assert measurement.status is Status.PARTIAL_CYCLE
    assert abs(measurement.ef_percent - answer[0].ef_percent) < 5
    assert measurement.volume_note


def snow(rng):
    return rng.integers(0, 256, (40, 112, 112)).astype(np.uint8)


def colour_box(frames):
    coloured = np.repeat(frames[..., None], 3, axis=3)
    rng = np.random.default_rng(0)
    coloured[:, 90:150, 130:190] = rng.integers(0, 2, (len(frames), 6, 6, 1)).repeat(10, 1).repeat(
        10, 2
    ) * np.array([220, 0, -220]) + np.array([0, 30, 220])
    return coloured.clip(0, 255).astype(np.uint8)


BAD = {
    "black": (lambda f: np.zeros_like(f), Status.REFUSED, "black"),
    "snow": (lambda f: snow(np.random.default_rng(0)), Status.REFUSED, "noise"),
    "one": (lambda f: f[:1], Status.REFUSED, "still"),
    "three": (lambda f: f[:3], Status.REFUSED, "too_short"),
    "frozen": (lambda f: np.repeat(f[:1], 40, axis=0), Status.REFUSED, None),
    "colour": (colour_box, Status.REFUSED, "colour_doppler"),
    "stripes": (
        lambda f: np.broadcast_to((np.indices(f.shape[1:])[0] % 40 * 5).astype(np.uint8), f.shape).copy(),
        Status.REFUSED,
        None,
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_clips_that_should_not_be_measured(tmp_path, answer, measurer, name):
    make, status, code = BAD[name]
    path = write_avi(tmp_path / f"{name}.avi", make(answer[1].frames))
    measurement, _ = measurer.measure(path)
    assert measurement.status is status, measurement.reason
    assert f"{name}.avi" in measurement.reason
    assert measurement.ef_percent is None
    if code:
        assert measurement.reason_code == code


def test_a_file_that_is_not_there_or_not_a_video(tmp_path, measurer):
    text = tmp_path / "text.avi"
    text.write_text("no video")
    empty = tmp_path / "empty.avi"
    empty.touch()
    for path in (tmp_path / "none.avi", text, empty, tmp_path):
        measurement, clip = measurer.measure(path)
        assert measurement.status is Status.FAILED
        assert str(path) in measurement.reason
        assert clip is None


def test_no_network_is_needed(measurer, no_network):
    assert measurer.measure(CINE)[0].ef_percent is not None


def test_half_sequence_like_clip(answer, measurer):
    """From end-systole over filling to early ejection, and nothing else."""
    clip = answer[1]
    part = replace(clip, frames=clip.frames[2:26], times_s=clip.times_s[2:26] - clip.times_s[2])
    measurement = measurer.measure_clip(part)
    assert measurement.status is Status.PARTIAL_CYCLE
    assert measurement.ed_frame > measurement.es_frame


def test_open_clip_and_measure_see_the_same_frames(answer):
    assert np.array_equal(open_clip(CINE).frames, answer[1].frames)


@pytest.fixture(scope="module")
def two_recordings(phantom_clip):
    """The A2C of a heart, then its A4C, in one clip."""
    good = phantom_clip.clip
    lead = phantom_of_the_other_view().frames[:40]
    frames = np.concatenate([lead, good.frames])
    return replace(good, frames=frames, times_s=np.arange(len(frames)) / 50, source="joined.avi"), good


def phantom_of_the_other_view():
    from lvef.core.terms import View
    from lvef.synthesis.phantom.render import sample_phantom

    return sample_phantom(View.A2C).clip


def test_the_good_part_of_a_clip_is_measured_as_if_alone(measurer, two_recordings):
    joined, good = two_recordings
    alone, found = measurer.measure_clip(good), measurer.measure_clip(joined)
    assert found.ef_percent == pytest.approx(alone.ef_percent, abs=1e-9)
    assert found.edv_ml == pytest.approx(alone.edv_ml)
    assert (found.ed_frame, found.es_frame) == (alone.ed_frame + 40, alone.es_frame + 40)
    assert [b.ed_frame for b in found.beats] == [b.ed_frame + 40 for b in alone.beats]
    assert [b.ef_percent for b in found.beats] == pytest.approx([b.ef_percent for b in alone.beats])
    assert found.n_frames == len(found.tracings) == len(found.curve.volume) == 190
    assert found.tracings[:40] == (None,) * 40
    assert np.isnan(found.curve.volume[:40]).all()
    assert found.curve.volume[40:] == pytest.approx(alone.curve.volume)
    assert found.tracings[found.ed_frame].contour == pytest.approx(alone.tracings[alone.ed_frame].contour)
    assert [n.code for n in found.notices if n not in alone.notices] == ["cut"]


@pytest.mark.slow
def test_loops_bring_no_beats(measurer, phantom_clip):
    good = phantom_clip.clip
    looped = replace(good, frames=np.concatenate([good.frames] * 3), times_s=np.arange(450) / 50)
    alone, found = measurer.measure_clip(good), measurer.measure_clip(looped)
    assert found.beats == alone.beats
    assert (found.ef_percent, found.ef_sd_percent) == (alone.ef_percent, alone.ef_sd_percent)


def test_a_page_before_the_clip_is_in_no_output(measurer, phantom_clip, tmp_path):
    good = phantom_clip.clip
    path = write_avi(tmp_path / "page.avi", np.concatenate([title(good.frames, 50), good.frames]), 50.0)
    alone, _ = measurer.measure(write_avi(tmp_path / "alone.avi", good.frames, 50.0))
    found, clip = measurer.measure(path)
    assert found.ef_percent == pytest.approx(alone.ef_percent, abs=0.5)
    assert min(found.ed_frame, found.es_frame) >= 50
    assert not clip.frames[:50].any(), "a page may name a person"
    assert clip.frames[50:].any(axis=(1, 2)).all()


def test_a_refusal_of_a_part_says_what_was_left_out(measurer, phantom_clip):
    good = phantom_clip.clip
    frames = np.concatenate([title(good.frames, 50), flat_noise(good.frames)])
    with pytest.raises(
        QualityRefusal, match=r"is noise.*stands still for 0\.98 s.*: frames 50 to 199 of 0 to 199"
    ):
        measurer.measure_clip(replace(good, frames=frames, times_s=np.arange(200) / 50))


def flat_noise(frames):
    """The clip with so much noise that neighbouring pixels have nothing in common."""
    return noisy(frames // 4, 60)


@pytest.mark.slow
def test_frames_by_hand_in_a_clip_with_a_cut(two_recordings):
    joined, good = two_recordings
    options = replace(F32, ed_frame=81, es_frame=98)
    found = Measurer(options).measure_clip(joined)
    alone = Measurer(replace(options, ed_frame=41, es_frame=58)).measure_clip(good)
    assert found.ef_percent == pytest.approx(alone.ef_percent)
    assert (found.ed_frame, found.es_frame) == (81, 98)
    assert "ED frame 81 and ES frame 98 were chosen by hand." in {n.text for n in found.notices}
    with pytest.raises(GeometryError, match="the clip is cut between them"):
        Measurer(replace(options, ed_frame=10)).measure_clip(joined)


@pytest.mark.parametrize(
    ("turns", "side", "way"), [(1, "left", "clockwise"), (3, "right", "counter-clockwise")]
)
def test_a_clip_turned_by_90_degrees_is_refused(measurer, phantom_clip, turns, side, way):
    turned = np.rot90(phantom_clip.clip.frames, turns, axes=(1, 2))
    with pytest.raises(QualityRefusal, match=f"probe is at the {side} .* by 90 degrees {way}") as refusal:
        measurer.measure_clip(replace(phantom_clip.clip, frames=np.ascontiguousarray(turned)))
    assert refusal.value.code == "turned"


def test_a_still_turned_by_90_degrees_is_refused(measurer, phantom_clip, tmp_path):
    for phase, frame in (("ed", 0), ("es", 15)):
        cv2.imwrite(str(tmp_path / f"{phase}.png"), np.rot90(phantom_clip.clip.frames[frame]))
    found, _ = measurer.measure_pair(tmp_path / "ed.png", tmp_path / "es.png")
    assert (found.reason_code, found.ef_percent) == ("turned", None)


@pytest.mark.parametrize("path", [None, CINE], ids=["phantom", "packaged cine"])
def test_a_clip_upside_down_is_turned_over_for_the_networks(measurer, phantom_clip, path):
    good = replace(phantom_clip.clip if path is None else open_clip(path), region=None)
    chroma = None if good.chroma is None else np.ascontiguousarray(good.chroma[::-1])
    turned = replace(good, frames=np.ascontiguousarray(good.frames[:, ::-1]), chroma=chroma)
    measured, upright = measurer.measure_clip(turned), measurer.measure_clip(good)
    assert "upside_down" in {n.code for n in measured.notices}
    assert measured.ef_percent == pytest.approx(upright.ef_percent, abs=1e-6)
    assert (measured.ed_frame, measured.es_frame) == (upright.ed_frame, upright.es_frame)
    assert measured.view_probability == pytest.approx(upright.view_probability, abs=1e-6)
    assert measured.quality.score == pytest.approx(upright.quality.score, abs=1e-6)
    assert {n.code for n in measured.notices} - {"upside_down"} == {n.code for n in upright.notices}
    height = good.frames.shape[1]
    for one, other in zip(measured.tracings, upright.tracings, strict=True):
        if other is not None:
            assert one.apex == pytest.approx([other.apex[0], height - 1 - other.apex[1]], abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("frozen", ["left", "right"])
def test_of_two_sectors_the_live_one_is_measured(measurer, phantom_clip, frozen):
    good = phantom_clip.clip
    still = np.repeat(phantom_of_the_other_view().frames[:1], len(good.frames), axis=0)
    both = [still, good.frames] if frozen == "left" else [good.frames, still]
    found = measurer.measure_clip(replace(good, frames=np.concatenate(both, axis=2)))
    assert found.ef_percent == pytest.approx(measurer.measure_clip(good).ef_percent, abs=0.1)
    said = next(n.text for n in found.notices if n.code == "two_sectors")
    assert f"the {'right' if frozen == 'left' else 'left'} one was measured" in said


@pytest.mark.slow
def test_of_two_sectors_one_above_the_other_the_larger_one_is_measured(measurer, phantom_clip):
    good = phantom_clip.clip
    small = np.stack([cv2.resize(f, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA) for f in good.frames])
    small = np.pad(small, ((0, 0), (0, 0), (0, good.frames.shape[2] - small.shape[2])))
    found = measurer.measure_clip(replace(good, frames=np.concatenate([small, good.frames], axis=1)))
    assert found.ef_percent == pytest.approx(measurer.measure_clip(good).ef_percent, abs=0.5)
    said = next(n.text for n in found.notices if n.code == "two_sectors")
    assert "the lower one was measured" in said
