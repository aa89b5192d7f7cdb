"""Networks that draw lines, that mark the cavity alone, and that read an EF from clips, through the one way to an EF."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import cv2
import jsonschema
import numpy as np
import pytest

from lvef.core.errors import WeightsError
from lvef.core.records import Box, Clip
from lvef.core.terms import Status
from lvef.core.wording import beats_text, ef_text, model_text, spread_lines, status_text
from lvef.geometry.ejection import ejection_fraction
from lvef.geometry.simpson import biplane_ef, volume_of_tracing
from lvef.geometry.volume_tracing import volume_tracing_of_tracing
from lvef.measure.correction import Edit, corrected
from lvef.measure.options import MeasureOptions
from lvef.measure.pipeline import Measurer
from lvef.measure.predictors import mirrored_lines
from lvef.measure.results import Outputs, Result, biplane_measurement
from lvef.measure.serializers import measurement_schema, measurement_to_dict, read_measurement, result_row
from lvef.report.content import content_of
from lvef.report.outputs import write_outputs
from lvef.report.summary import summary_png
from lvef.transforms.frames import clip_starts_s, fit, network_clip, place, shown_frames
from lvef.transforms.sampling import window
from lvef.transforms.sector import find_sector
from lvef.transforms.two_stream import two_streams
from tests.measure.made_up import AlwaysApical, ellipse_tracing

pytest.importorskip("onnx", reason="the networks of these tests are made with onnx")

from tests.inference import tiny_networks as tiny

pytestmark = pytest.mark.training

RATE_HZ, SIDE = 50.0, 160
LINES = volume_tracing_of_tracing(ellipse_tracing((0.5, 0.5), (0.14, 0.25)))
"""Lines in parts of the square, around its middle."""


@pytest.fixture(autouse=True, scope="module")
def any_shape_is_apical():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lvef.measure.pipeline.load_view_model", lambda options: AlwaysApical())
        yield


def measurer(folder, **options):
    return Measurer(MeasureOptions(weights=str(folder), precision="f32", **options))


def codes(measurement):
    return [notice.code for notice in measurement.notices]


def swing(n, cycle_s=1.0):
    """1 at end-diastole, 0 at end-systole, smooth."""
    return 0.5 + 0.5 * np.cos(2 * np.pi * np.arange(n) / RATE_HZ / cycle_s)


def fan_of_grain(n, *, seed=0):
    """A sector of grain that moves, of the same mean on every frame, and the sector, ``(h, w)``."""
    y, x = np.indices((SIDE, SIDE))
    sector = (np.hypot(x - SIDE / 2, y) < 0.95 * SIDE) & (np.abs(x - SIDE / 2) < 0.75 * y + 6)
    grain = np.random.default_rng(seed).normal(0, 1, (SIDE, SIDE))
    grain = cv2.GaussianBlur(grain, (0, 0), 1.5)
    grain = np.clip(grain / grain.std(), -2, 2)
    # Sideways as well: the same frames again would be a loop.
    frames = np.stack([np.roll(grain, (2 * (i % 7), i), axis=(0, 1)) for i in range(n)])
    return (80 + 15 * frames) * sector, sector


def clip_of(frames, rate_hz=RATE_HZ):
    frames = np.clip(np.round(frames), 0, 255).astype(np.uint8)
    return Clip(frames, np.arange(len(frames)) / rate_hz, "made up", "made-up.avi")


def breathing(n=150):
    """A clip whose brightness swings with the heart."""
    return clip_of(fan_of_grain(n)[0] * (1 + 0.2 * (swing(n) - 0.5))[:, None, None])


def means(clip, spec):
    """Mean grey / 255 of each frame as a network sees it."""
    frames, box = shown_frames(clip, find_sector(clip), spec)
    return fit(frames, place(box, spec.size), spec.size).mean(axis=(1, 2)) / 255


def write_still(path, clip, frame):
    cv2.imwrite(str(path), clip.frames[frame])
    return path


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    return measurer(tiny.lines_of_brightness(tmp_path_factory.mktemp("trace") / "n", LINES))


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    return measurer(tiny.ef_of_clips(tmp_path_factory.mktemp("clips") / "n", gain=200.0))


@pytest.fixture(scope="module")
def by_beat(tmp_path_factory):
    return measurer(tiny.ef_of_clips(tmp_path_factory.mktemp("beats") / "n", gain=200.0), per_beat=True)


class TestVolumeTrace:
    def test_a_cine_gets_curve_beats_and_the_ef_of_its_lines(self, drawn):
        clip = breathing()
        m = drawn.measure_clip(clip)
        grey = means(clip, tiny.TRACE_INPUT)
        assert m.status is Status.OK
        assert m.heart_rate_bpm == pytest.approx(60, abs=2)
        assert len(m.tracings) == len(clip.frames)
        assert all(m.tracings)
        # All lines grow with the brightness, so the volume goes with its third power.
        truth = 100 * (1 - (grey[[25, 75, 125]].mean() / grey[[50, 100]].mean()) ** 3)
        assert m.ef_percent == pytest.approx(truth, abs=2.5)
        volume = m.curve.volume / m.curve.volume.mean()
        assert np.corrcoef(volume, grey**3)[0, 1] > 0.99
        assert m.counts == {
            "frames": 150,
            "frames_unusable": 0,
            "crossing_chords": 0,
            "frames_with_crossing_chords": 0,
            "lines_off_axis": 0,
            "frames_with_lines_off_axis": 0,
            "es_above_ed": 0,
        }
        assert "walls_not_checked" in codes(m)
        assert not {"line_faults", "weak_walls", "es_above_ed_lines"} & set(codes(m))
        assert m.provenance.network_kind == "volume-trace"
        assert "predicts the volume tracing" in model_text(m)

    def test_lines_lie_where_the_network_put_them_in_the_image(self, drawn, tmp_path):
        clip = breathing(1)
        frames, box = shown_frames(clip, find_sector(clip), tiny.TRACE_INPUT)
        placement = place(box, tiny.TRACE_INPUT.size)
        [tracing] = drawn.predictor.trace(frames, box, None).tracings
        grey = means(clip, tiny.TRACE_INPUT)[0]
        expected = placement.to_image(((LINES - 0.5) * 2 * grey + 0.5) * tiny.TRACE_INPUT.size)
        assert np.allclose(volume_tracing_of_tracing(tracing), expected, atol=1e-3)
        assert np.allclose(tracing.mitral.mean(axis=0), tracing.base)

    def test_a_pair_of_stills_has_the_ef_in_closed_form(self, drawn, tmp_path):
        clip = breathing(60)
        ed, es = (write_still(tmp_path / f"{name}.png", clip, i) for name, i in (("ed", 0), ("es", 25)))
        m, _ = drawn.measure_pair(ed, es)
        grey = [
            means(replace(clip, frames=clip.frames[[i]], times_s=np.zeros(1)), tiny.TRACE_INPUT)[0]
            for i in (0, 25)
        ]
        assert m.ef_percent == pytest.approx(100 * (1 - (grey[1] / grey[0]) ** 3), abs=0.05)
        assert m.counts["frames"] == 2
        assert m.counts["es_above_ed"] == 0

    def test_a_negative_ef_is_counted_before_it_is_refused(self, drawn, tmp_path):
        clip = breathing(60)
        ed, es = (write_still(tmp_path / f"{name}.png", clip, i) for name, i in (("ed", 25), ("es", 0)))
        pair, _ = drawn.measure_pair(ed, es)
        by_hand = replace(drawn.options, ed_frame=25, es_frame=50)
        film = tmp_path / "film.avi"
        writer = cv2.VideoWriter(str(film), cv2.VideoWriter.fourcc(*"MJPG"), RATE_HZ, (SIDE, SIDE))
        for frame in clip.frames:
            writer.write(cv2.cvtColor(frame, cv2.COLOR_GRAY2BGR))
        writer.release()
        hand, _ = Measurer(by_hand).measure(film)
        for m in (pair, hand):
            assert (m.status, m.reason_code, m.ef_percent) == (Status.REFUSED, "es_above_ed", None)
            assert m.counts["es_above_ed"] == 1

    def test_crossing_and_aslant_lines_are_counted(self, tmp_path):
        crossed, aside = LINES.copy(), LINES.copy()
        # Chords 8 and 9 swap their right ends; chords 4 to 6 move off to the right.
        crossed[[9, 10], 1] = crossed[[10, 9], 1]
        aside[5:8, :, 0] += 0.45
        clip = breathing(60)
        one = measurer(tiny.lines_of_brightness(tmp_path / "a", crossed)).measure_clip(clip)
        assert (one.counts["crossing_chords"], one.counts["frames_with_crossing_chords"]) == (60, 60)
        assert one.counts["lines_off_axis"] == 0
        two = measurer(tiny.lines_of_brightness(tmp_path / "b", aside)).measure_clip(clip)
        assert (two.counts["lines_off_axis"], two.counts["frames_with_lines_off_axis"]) == (180, 60)
        assert two.counts["crossing_chords"] == 0
        for m in (one, two):
            assert "line_faults" in codes(m)
            assert "Of 60 frames" in next(n.text for n in m.notices if n.code == "line_faults")

    def test_lines_that_measure_nothing_are_refused(self, tmp_path):
        scattered = LINES.copy()
        scattered[5:18, :, 0] += 0.45
        folder = tiny.lines_of_brightness(tmp_path / "n", scattered)
        film = write_film(tmp_path / "film.avi", breathing(60))
        m, _ = measurer(folder).measure(film)
        assert (m.status, m.reason_code) == (Status.REFUSED, "no_ventricle")
        assert m.counts["frames_unusable"] == m.counts["frames"] == 60

    def test_a_biplane_study_works(self, drawn, tmp_path):
        clip = breathing(100)
        film = write_film(tmp_path / "film.avi", clip)
        other = write_film(tmp_path / "other.avi", replace(clip, frames=clip.frames[::-1]))
        m, single = drawn.measure_biplane(film, other)
        assert m.ef_percent == pytest.approx(single["A4C"][0].ef_percent, abs=3)
        assert m.single_plane == {view: part.ef_percent for view, (part, _) in single.items()}


@pytest.fixture(scope="module")
def two_views(drawn, tmp_path_factory):
    folder = tmp_path_factory.mktemp("views")
    four, two = (unequal_beats(*depths) for depths in ((0.24, 0.3, 0.27, 0.36), (0.2, 0.33, 0.25, 0.3)))
    two = replace(two, frames=two.frames[::-1])
    paths = [write_film(folder / f"{name}.avi", clip) for name, clip in (("a4c", four), ("a2c", two))]
    return drawn.measure_biplane(*paths)


class TestOneNumberEverywhere:
    """A volume and an EF are the same in list, curve, JSON, tables, report, correction and study."""

    def test_a_clip_in_all_its_outputs(self, two_views, tmp_path):
        m, clip = two_views[1]["A4C"]
        beats = [beat for beat in m.beats if beat.counts]
        assert len(beats) >= 3
        assert m.ef_percent == m.ef_mean_percent == pytest.approx(np.mean([b.ef_percent for b in beats]))
        assert m.beats_averaged == len(beats)
        assert f"mean over {len(beats)} beats" in m.method
        assert m.shown_beat.ef_percent == min(
            (b.ef_percent for b in beats), key=lambda ef: abs(ef - m.ef_percent)
        )
        assert status_text(m) == f"mean of {len(beats)} beats"
        write_outputs(tmp_path, Result(m, clip), Outputs(False, False))
        values = json.loads((tmp_path / "measurement.json").read_text())
        listed = list(csv.DictReader((tmp_path / "beats.csv").read_text().splitlines()))
        curve = list(csv.DictReader((tmp_path / "curve.csv").read_text().splitlines()))
        for beat, told, line in zip(m.beats, values["beats"], listed, strict=True):
            for phase in ("ed", "es"):
                volume = getattr(beat, f"{phase}_volume")
                frame = getattr(beat, f"{phase}_frame")
                assert volume == m.curve.volume[frame] == volume_of_tracing(m.tracings[frame])
                assert told[f"{phase}_volume"] == pytest.approx(volume, rel=1e-8)
                assert line[f"{phase}_volume_relative"] == curve[frame]["volume_relative"]
            assert beat.ef_percent == ejection_fraction(beat.ed_volume, beat.es_volume)
            assert told["ef_percent"] == pytest.approx(beat.ef_percent, rel=1e-8)
            assert float(line["ef_percent"]) == pytest.approx(beat.ef_percent, rel=1e-6)
            assert (told["shown"], line["shown"] == "yes") == (beat is m.shown_beat,) * 2
        assert values["ef_percent"] == pytest.approx(m.ef_percent, rel=1e-8)
        assert float(result_row(m, "x")["ef_percent"]) == pytest.approx(m.ef_percent, rel=1e-6)
        page = content_of(Result(m, clip))
        assert page.ef == ef_text(m.ef_percent)
        cells = [dict(zip(page.views[0].beats.header, row, strict=True)) for row in page.views[0].beats.rows]
        assert [f"{cell['EF %']} %" for cell in cells] == [ef_text(beat.ef_percent) for beat in m.beats]

    def test_a_beat_that_is_chosen_has_the_ef_of_the_list(self, two_views):
        m, _ = two_views[1]["A4C"]
        for beat in m.beats:
            if beat is m.shown_beat:
                continue
            chosen = corrected(m, Edit(beat.ed_frame, beat.es_frame), MeasureOptions())
            assert (chosen.ef_percent, chosen.beats_averaged) == (beat.ef_percent, 1)
            assert chosen.beats == m.beats
            assert chosen.correction.machine_ef_percent == m.ef_percent
            assert chosen.correction.machine_beats_averaged == m.beats_averaged

    def test_a_study_says_of_its_views_what_they_say(self, two_views):
        m, parts = two_views
        assert m.single_plane == {view: part.ef_percent for view, (part, _) in parts.items()}
        four, two = (part for part, _ in parts.values())
        pairs = [
            biplane_ef(
                *(p.tracings[f] for p, b in ((four, a), (two, c)) for f in (b.ed_frame, b.es_frame))
            ).ef_percent
            for a in four.beats
            for c in two.beats
            if a.counts and c.counts
        ]
        assert m.beats_averaged == len(pairs) > 1
        assert m.ef_percent == pytest.approx(np.mean(pairs))
        assert f"mean over {four.beats_averaged} x {two.beats_averaged} beats" in m.method
        assert beats_text(m) == f"{len(pairs)} pairs of beats"
        said = next(n.text for n in m.notices if n.code == "walls_not_checked")
        assert said.startswith("A4C and A2C: ")
        one = biplane_measurement("x", four, two, MeasureOptions(), shown_only=True)
        assert (one.beats_averaged, one.method[-22:]) == (1, " one beat of each view")


def unequal_beats(*depths):
    """A clip of beats that differ, of 0.9 s each and the first one cut off."""
    n = round(0.9 * RATE_HZ)
    depth = np.repeat(np.array(depths), n)
    frames = fan_of_grain(len(depth))[0] * (1 + depth * (swing(len(depth), 0.9) - 0.5))[:, None, None]
    return clip_of(frames[round(0.5 * n) :])


def write_film(path, clip):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), RATE_HZ, (SIDE, SIDE))
    for frame in clip.frames:
        writer.write(cv2.cvtColor(frame, cv2.COLOR_GRAY2BGR))
    writer.release()
    return path


class TestCavityAlone:
    def beating(self, n=100):
        frames, _ = fan_of_grain(n)
        for frame, full in zip(frames, swing(n), strict=True):
            size = 1 - 0.25 * (1 - full)
            contour = ellipse_tracing((80, 95), (22 * size, 38 * size)).contour
            points = np.round(contour * 16).astype(np.int32)
            cv2.fillPoly(frame, [points], 235.0, lineType=cv2.LINE_AA, shift=4)
        return clip_of(frames)

    def test_the_shape_is_traced_and_the_walls_are_said_to_be_unchecked(self, tmp_path):
        m = measurer(tiny.bright_is_cavity(tmp_path / "n")).measure_clip(self.beating())
        assert m.status is Status.OK
        assert m.ef_percent == pytest.approx(100 * (1 - 0.75**3), abs=3)
        assert "walls_not_checked" in codes(m)
        assert "weak_walls" not in codes(m)
        assert m.counts == {}
        # The apex is the narrow end of the half-closed ellipse.
        assert all(t.apex[1] < t.base[1] for t in m.tracings)

    def test_no_cavity_is_still_refused(self, tmp_path):
        film = write_film(tmp_path / "film.avi", breathing(60))
        m, _ = measurer(tiny.bright_is_cavity(tmp_path / "n")).measure(film)
        assert (m.status, m.reason_code) == (Status.REFUSED, "no_ventricle")

    def test_the_mirror_image_is_asked_only_where_the_card_allows_it(self, tmp_path):
        plain = measurer(tiny.bright_is_cavity(tmp_path / "n")).predictor
        both = measurer(
            tiny.bright_is_cavity(tmp_path / "m", input={"size": 64, "mean": 0.0, "std": 1.0})
        ).predictor
        clip = self.beating(3)
        frames, box = plain.shown(clip, find_sector(clip))
        asked = {}
        for name, predictor in (("plain", plain), ("both", both)):
            start, calls = predictor._session.start, []
            predictor._session.start = lambda batch, start=start, calls=calls: calls.append(1) or start(batch)
            list(predictor.probabilities(frames, box, None))
            asked[name] = len(calls)
        assert asked == {"plain": 1, "both": 2}


class TestEfOfClips:
    def shown(self, clip, spec, start):
        picked = window(clip.times_s, spec.sampling, start).indices
        frames, box = shown_frames(clip, find_sector(clip), spec.square, picked)
        return fit(frames, place(box, spec.size), spec.size)

    def test_the_mean_over_evenly_spaced_clips(self, reader):
        clip = breathing(130)
        m = reader.measure_clip(clip)
        starts = clip_starts_s(clip.times_s, tiny.CLIP)
        assert starts == pytest.approx((0.0, 0.94, 1.88))
        efs = [200 * network_clip(self.shown(clip, tiny.CLIP, s), tiny.CLIP).mean() for s in starts]
        assert m.ef_percent == pytest.approx(np.mean(efs), abs=0.01)
        assert m.ef_mean_percent == pytest.approx(np.mean(efs), abs=0.01)
        assert m.ef_sd_percent == pytest.approx(np.std(efs, ddof=1), abs=0.01)
        assert m.status is Status.OK
        assert m.method == "ef-clip model, mean over 3 windows"
        assert (m.edv_ml, m.esv_ml, m.ed_frame, m.beats, m.tracings) == (None, None, None, (), ())
        assert "no volumes" in m.volume_note
        assert m.counts == {
            "clips": 3,
            "clips_outside_0_100": 0,
            "answers_outside_0_100": 0,
            "answers_below_0": 0,
        }
        assert {"ventricle_not_checked", "mean_of_clips"} <= set(codes(m))
        assert "standard deviation" in next(n.text for n in m.notices if n.code == "mean_of_clips")
        assert "heart_failure" in m.categories

    @pytest.mark.parametrize(
        ("gain", "offset", "kept", "below"), [(0.0, -12.5, 0.0, 1), (0.0, 130.0, 100.0, 0)]
    )
    def test_an_ef_that_cannot_be_is_kept_within_bounds_and_counted(
        self, tmp_path, gain, offset, kept, below
    ):
        m = measurer(tiny.ef_of_clips(tmp_path / "n", gain=gain, offset=offset)).measure_clip(breathing(130))
        assert m.ef_percent == kept
        assert m.ef_mean_percent == pytest.approx(offset), "what the network gave is not lost"
        assert m.counts == {
            "clips": 3,
            "clips_outside_0_100": 3,
            "answers_outside_0_100": 1,
            "answers_below_0": below,
        }
        assert f"{offset:.1f}" in next(n.text for n in m.notices if n.code == "ef_clamped")

    def test_short_and_slow_clips_say_so(self, reader):
        short = reader.measure_clip(breathing(20))
        assert short.status is Status.PARTIAL_CYCLE
        assert "played_back_and_forth" in codes(short)
        assert short.ef_sd_percent is None
        assert "short clip" in status_text(short)
        slow = replace(breathing(30), times_s=np.arange(30) / 6.0)
        assert "slow_frame_rate" in codes(reader.measure_clip(slow))
        assert "slow_frame_rate" not in codes(reader.measure_clip(breathing(130)))

    def test_a_network_without_a_number_is_one_sentence(self, tmp_path):
        film = write_film(tmp_path / "film.avi", breathing(60))
        m, _ = measurer(tiny.ef_of_clips(tmp_path / "n", gain=float("inf"), offset=float("-inf"))).measure(
            film
        )
        assert m.status is Status.FAILED
        assert "gave no EF" in m.reason

    def test_what_it_cannot_do_is_said(self, reader, tmp_path):
        film = write_film(tmp_path / "film.avi", breathing(60))
        still = write_still(tmp_path / "still.png", breathing(2), 0)
        pair, _ = reader.measure_pair(still, still)
        both, single = reader.measure_biplane(film, film)
        hand, _ = Measurer(replace(reader.options, ed_frame=1, es_frame=9)).measure(film)
        assert (pair.status, pair.reason_code) == (Status.REFUSED, "cine_needed")
        assert (both.status, both.reason_code, single) == (Status.REFUSED, "tracing_needed", {})
        assert hand.status is Status.FAILED
        for m in (pair, both, hand):
            assert "--weights" in m.reason
        one, _ = reader.measure(still)
        assert (one.status, one.reason_code) == (Status.REFUSED, "still")

    def test_whole_images_with_a_small_fan(self, tmp_path):
        clip = tiny.CLIP
        whole = {
            "n_frames": clip.n_frames,
            "duration_s": clip.duration_s,
            "size": clip.size,
            "clips": 3,
            "crop": "whole",
        }
        square = {"size": clip.size, "crop": "whole", "mean": 0.0, "std": 1.0}
        reader = measurer(tiny.ef_of_clips(tmp_path / "n", gain=100.0, clip=whole, input=square))
        film = breathing(130)
        wide = np.pad(film.frames, ((0, 0), (0, 0), (0, 400)))
        assert "fan_is_small" not in codes(reader.measure_clip(film))
        m = reader.measure_clip(replace(film, frames=wide))
        assert "fan_is_small" in codes(m)
        assert m.ef_percent < 0.5 * reader.measure_clip(film).ef_percent, "the black beside it is shown too"

    def test_files_of_an_answer_without_contour(self, reader, tmp_path):
        film = write_film(tmp_path / "film.avi", breathing(130))
        m, clip = reader.measure(film)
        files = write_outputs(tmp_path / "out", Result(m, clip), Outputs())
        assert set(files) == {"measurement.json", "curve.csv", "beats.csv", "overlay.mp4", "summary.png"}
        capture = cv2.VideoCapture(str(tmp_path / "out" / "overlay.mp4"))
        assert int(capture.get(cv2.CAP_PROP_FRAME_COUNT)) == 130
        values = measurement_to_dict(m)
        jsonschema.validate(values, measurement_schema())
        back = read_measurement(tmp_path / "out" / "measurement.json")
        assert back.counts == m.counts
        assert back.provenance == replace(m.provenance, seconds=back.provenance.seconds)
        assert summary_png(clip, back) is not None
        curve = (tmp_path / "out" / "curve.csv").read_text().splitlines()
        assert curve[1].split(",") == ["0", "0", "", "", ""]
        assert (beats_text(m), spread_lines(m)[0][0]) == ("not looked for", "Spread over windows")
        assert status_text(m) == "clip read as a whole"

    def test_an_old_measurement_still_reads(self, reader, tmp_path):
        m = reader.measure_clip(breathing(60))
        values = measurement_to_dict(m)
        del values["counts"], values["provenance"]["network_kind"]
        (tmp_path / "m.json").write_text(json.dumps(values))
        back = read_measurement(tmp_path / "m.json")
        assert back.counts == {}
        assert back.provenance.network_kind == "segmentation"


class TestTwoStreams:
    def test_the_streams_are_those_of_preprocessing(self, tmp_path):
        clip = breathing(130)
        m = measurer(tiny.ef_of_streams(tmp_path / "n")).measure_clip(clip)
        spec, efs = tiny.TWO_STREAM, []
        for start in clip_starts_s(clip.times_s, spec):
            streams = two_streams(TestEfOfClips().shown(clip, spec, start))
            efs.append(100 * streams.spatial.mean() + 10 * (streams.temporal**2).mean())
        assert len(efs) == 2
        assert m.ef_percent == pytest.approx(np.mean(efs), abs=0.01)
        assert m.method == "ef-two-stream model, mean over 2 windows"

    def test_both_backends_agree(self, tmp_path):
        pytest.importorskip("onnxruntime")
        folder, clip = tiny.ef_of_streams(tmp_path / "n"), breathing(60)
        efs = [measurer(folder, backend=b).measure_clip(clip).ef_percent for b in ("openvino", "onnxruntime")]
        assert efs[0] == pytest.approx(efs[1], abs=1e-3)


class TestExperimental:
    """A network whose card says so warns in the result and in the log; others do not."""

    @pytest.mark.parametrize("make", [tiny.ef_of_clips, tiny.bright_is_cavity])
    def test_it_warns_first_and_once(self, make, tmp_path, caplog):
        text = "The model tiny is experimental: no external validation. Do not rely on its EF."
        m, _ = measurer(make(tmp_path / "n", experimental=True)).measure(
            write_film(tmp_path / "a.avi", breathing(60))
        )
        assert [(n.code, n.text) for n in m.notices if n.code == "experimental_network"] == [
            ("experimental_network", text)
        ]
        assert (
            codes(m)[0] == "experimental_network" and "experimental_network" in result_row(m, "a")["warnings"]
        )
        assert [record.getMessage() for record in caplog.records] == [text]

    def test_a_study_warns_once(self, tmp_path):
        films = [write_film(tmp_path / f"{n}.avi", breathing(n)) for n in (60, 70)]
        m, _ = measurer(tiny.bright_is_cavity(tmp_path / "n", experimental=True)).measure_biplane(*films)
        assert codes(m).count("experimental_network") == 1 and codes(m)[0] == "experimental_network"

    def test_others_do_not(self, tmp_path, caplog):
        m = measurer(tiny.ef_of_clips(tmp_path / "n")).measure_clip(breathing(60))
        assert "experimental_network" not in codes(m)
        assert not caplog.records


class TestPerBeat:
    def test_the_median_beat_answers(self, by_beat, phantom_file):
        m, _ = by_beat.measure(phantom_file)
        counted = [beat for beat in m.beats if not beat.excluded]
        efs = sorted(beat.ef_percent for beat in counted)
        assert len(counted) >= 2
        assert m.ef_percent == pytest.approx(np.mean(efs))
        assert m.shown_beat.ef_percent == min(efs, key=lambda ef: abs(ef - m.ef_percent))
        assert m.beats_averaged == len(efs)
        assert f"mean over {len(efs)} beats" in m.method
        assert all(np.isnan(beat.ed_volume) for beat in m.beats)
        assert m.counts["clips"] == len(m.beats)
        assert m.ef_mean_percent == pytest.approx(np.mean(efs))
        assert "camus-seg" in next(n.text for n in m.notices if n.code == "beats_of_another_network")
        assert "ventricle_not_checked" not in codes(m), "the segmentation network has looked"
        assert (m.ed_frame, m.es_frame) in {(b.ed_frame, b.es_frame) for b in counted}
        assert m.edv_ml is None
        assert spread_lines(m)[0][0] == "Spread over beats"
        assert status_text(m) == f"mean of {len(efs)} beats"
        assert m.heart_rate_bpm is not None

    def test_what_the_finder_refuses_is_refused(self, by_beat, tmp_path):
        stripes = np.broadcast_to((np.indices((SIDE, SIDE))[0] % 40 * 5).astype(np.uint8), (60, SIDE, SIDE))
        film = write_film(tmp_path / "stripes.avi", replace(breathing(60), frames=stripes.copy()))
        m, _ = by_beat.measure(film)
        assert m.status is Status.REFUSED

    def test_files_with_beats_and_without_contour(self, by_beat, phantom_file, tmp_path):
        m, clip = by_beat.measure(phantom_file)
        write_outputs(tmp_path, Result(m, clip), Outputs())
        jsonschema.validate(measurement_to_dict(m), measurement_schema())
        rows = (tmp_path / "beats.csv").read_text().splitlines()
        assert len(rows) == 1 + len(m.beats)
        assert (tmp_path / "overlay.mp4").stat().st_size > 10_000
        assert read_measurement(tmp_path / "measurement.json").ef_percent == pytest.approx(m.ef_percent)

    def test_no_segmentation_network_is_one_sentence(self, tmp_path, monkeypatch):
        folder = tiny.ef_of_clips(tmp_path / "n")
        monkeypatch.setattr("lvef.inference.catalogue.list_models", list)
        with pytest.raises(WeightsError, match="No segmentation model is installed"):
            measurer(folder, per_beat=True)

    def test_it_changes_nothing_for_networks_that_draw(self):
        assert Measurer(MeasureOptions(per_beat=True, precision="f32")).beat_finder is None


class TestMirroredLines:
    """A network of lines that has learned from mirrored images is asked both ways."""

    OFF = LINES + np.array([0.05, 0.0])  # to the right of the middle

    def lines(self, folder, *, mirror, alternate_mirror=False):
        made = tiny.lines_of_brightness(folder, self.OFF)
        card = json.loads((made / "card.json").read_text())
        card["input"]["mirror"] = mirror
        (made / "card.json").write_text(json.dumps(card))
        predictor = measurer(made).predictor
        frames = np.full((3, 32, 32), 255 // 2, np.uint8)
        return predictor.lines(frames, place(Box(0, 0, 32, 32), 32), alternate_mirror=alternate_mirror)

    def test_a_mirrored_mirror_is_the_image_itself(self):
        lines = np.random.default_rng(0).uniform(0, 31, (2, 21, 2, 2))
        turned = mirrored_lines(lines, 32)
        np.testing.assert_allclose(mirrored_lines(turned, 32), lines)
        np.testing.assert_allclose(turned[:, 0, :, 1], lines[:, 0, :, 1])  # the axis keeps apex and base
        ordered = np.sort(lines[:, 1:], axis=2)  # chords from left to right ...
        assert (
            np.diff(mirrored_lines(np.concatenate([lines[:, :1], ordered], 1), 32)[:, 1:, :, 0]) >= 0
        ).all()

    def test_one_way_both_ways_and_in_turn(self, tmp_path):
        plain = self.lines(tmp_path / "a", mirror=False)
        both = self.lines(tmp_path / "b", mirror=True)
        alternate_mirror = self.lines(tmp_path / "c", mirror=True, alternate_mirror=True)
        assert plain[0, 0, 0, 0] > 16.5
        # The same answer on the mirror image lies on the other side: in the mean it lies in the middle.
        np.testing.assert_allclose(both[:, 0, :, 0], 15.5, atol=1e-3)
        np.testing.assert_allclose(both[:, 1:, :, 0].mean(2), 15.5, atol=1e-3)
        np.testing.assert_allclose(alternate_mirror[[0, 2]], plain[[0, 2]], atol=1e-4)
        np.testing.assert_allclose(alternate_mirror[1], mirrored_lines(plain[1:2], 32)[0], atol=1e-4)
        np.testing.assert_allclose(
            both, (alternate_mirror[:1] + alternate_mirror[1:2]) / 2 + np.zeros((3, 1, 1, 1)), atol=1e-4
        )
