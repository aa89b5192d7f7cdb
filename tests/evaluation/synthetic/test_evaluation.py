"""Whole collections: a measurer that knows the truth is right, one that errs is told by how much, bad files stop nobody."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace

import numpy as np
import pytest

from lvef.core.errors import DataError
from lvef.core.journal import JOURNAL_NAME
from lvef.core.runner import Progress
from lvef.core.serialization import to_plain
from lvef.core.terms import Status
from lvef.evaluation.runner import CaseRunner, exit_code_of, from_plain
from lvef.evaluation.synthetic.evaluation import SyntheticSettings, evaluate_clips
from lvef.evaluation.synthetic.results import SyntheticResult
from lvef.io.avi import encode_motion_jpeg
from tests.evaluation.synthetic.made_dataset import TruthMeasurer, later
from tests.measure.made_up import failed, refused


def run(folder, measurer, out=None, workers=0):
    messages = []
    with CaseRunner(out, workers=workers, progress=Progress(message=messages.append)) as runner:
        found = evaluate_clips(SyntheticSettings(folder), measurer, runner)
    assert [r.reason for r in found.failed] == messages
    return found


def test_who_knows_the_contours_is_right(written, clips):
    found = run(written, TruthMeasurer(clips))
    assert sum(r.reference == "matched" for r in found.measured) >= len(clips) - 1
    assert [r.item for r in found.measured] == [c.clip.source for c in clips]
    assert exit_code_of(found.results) == 0
    for record, made in zip(found.measured, clips, strict=True):
        assert record.has_ef
        # A beat that ends with the clip may answer too: the ventricle is full again, its end-diastole just outside.
        cut = [b for b in record.beats if b.became == "cut" and made.clip.times_s[-1] - b.found_end_s < 0.1]
        assert record.reference == "matched" or cut
        if record.reference == "matched":
            assert record.ef_percent == pytest.approx(record.ef_plane_percent, abs=1.0)
        assert record.ef_representative_percent == made.representative.plane_ef_percent
        assert record.ef_space_percent == pytest.approx(record.ef_plane_percent, abs=0.5)
        # The disks see a little less than the body: the drawn ellipse is cut off at its base.
        assert record.dice_ed == record.dice_es == 1.0
        assert abs(record.volume_error_percent) < 1e-2 > record.volume_mae_percent
        assert record.untraced == 0
        assert record.count("missed") == record.count("invented") == 0
        assert record.view == "A4C" and record.patient == record.item
        assert record.frame_rate_hz == pytest.approx(made.clip.frame_rate_hz, rel=1e-3)
        assert record.parameters["noise.level"] == made.parameters["noise"]["level"]
        for beat in (b for b in record.beats if b.became == "matched"):
            assert abs(beat.ed_error_ms) < 50 > abs(beat.es_error_ms)


def test_errors_are_reported_as_they_were_made(written, clips):
    def err(m):
        beats = tuple(later(b, 2) for b in m.beats if (b.end_frame or 0) + 2 < m.n_frames)
        return replace(m, ef_percent=m.ef_percent + 7, beats=beats)

    right = {r.item: r for r in run(written, TruthMeasurer(clips)).measured}
    for record in run(written, TruthMeasurer(clips, err)).measured:
        before = right[record.item]
        assert record.ef_percent - record.ef_plane_percent == pytest.approx(
            7 + before.ef_percent - before.ef_plane_percent
        )
        late = 2000 / record.frame_rate_hz
        known = {b.true_es_s: b.es_error_ms for b in before.beats}
        moved = [b.es_error_ms - known[b.true_es_s] for b in record.beats if b.became == "matched"]
        assert moved and np.allclose(moved, late, atol=0.5)


def test_a_larger_contour_is_a_larger_volume(written, clips):
    def swell(m):
        tracings = tuple(
            replace(t, contour=c + 1.1 * (t.contour - c), apex=c + 1.1 * (t.apex - c), base=c + 1.1 * (t.base - c),
                    chords=c + 1.1 * (t.chords - c))
            for t in m.tracings for c in [t.contour.mean(axis=0)]
        )  # fmt: skip
        return replace(m, tracings=(None, *tracings[1:]))

    for record in run(written, TruthMeasurer(clips, swell)).measured:
        assert record.volume_error_percent == pytest.approx(100 * (1.1**3 - 1), abs=0.01)
        # The smaller area lies within the larger: 2 / (1 + 1.21).
        assert record.dice_es == pytest.approx(2 / 2.21, abs=0.02)
        assert record.untraced == 1
        assert np.isnan(record.curves.measured_ml[0]) and np.isfinite(record.curves.measured_ml[1:]).all()


def test_an_answer_about_no_true_beat_is_compared_all_the_same(written, clips):
    [*_, record] = run(written, TruthMeasurer(clips, lambda m: replace(m, es_frame=m.n_frames - 1))).measured
    assert record.reference == "representative"
    assert record.ef_plane_percent == record.ef_representative_percent


def test_refusals_are_records_and_keep_their_beats(written, clips):
    found = run(written, TruthMeasurer(clips, lambda m: refused(m.source)))
    assert exit_code_of(found.results) == 3
    for record, made in zip(found.measured, clips, strict=True):
        assert (record.status, record.reason_code) == ("refused", "no_fan")
        assert not record.has_ef
        assert np.isnan(record.dice_ed) and np.isnan(record.volume_error_percent)
        assert record.count("missed") + record.count("edge") == len(made.beats)
        assert record.curves.measured_ml == ()


def test_bad_files_are_a_sentence_each_and_the_others_go_on(folder, clips):
    (folder / "Videos" / "made001.avi").unlink()
    mask = folder / "Masks" / "made002.nii.gz"
    mask.write_bytes(gzip.compress(gzip.decompress(mask.read_bytes())[:5000]))
    (folder / "Curves" / "made003.csv").unlink()
    short = clips[3].clip
    video = encode_motion_jpeg(short.frames[:-5], short.frame_rate_hz)
    (folder / "Videos" / "made004.avi").write_bytes(video)
    slow = clips[4].clip
    (folder / "Videos" / "made005.avi").write_bytes(encode_motion_jpeg(slow.frames, 0.9 * slow.frame_rate_hz))
    small = clips[5].clip
    (folder / "Videos" / "made006.avi").write_bytes(
        encode_motion_jpeg(small.frames[:, :96, :96], small.frame_rate_hz)
    )
    (folder / "Videos" / "made007.avi").write_bytes(b"RIFF")
    beats = (folder / "Beats.csv").read_text()
    rows = [line for line in beats.splitlines() if not line.startswith("made008")]
    (folder / "Beats.csv").write_text("\n".join(rows) + "\n")
    measurer = TruthMeasurer(clips)
    honest = measurer.measure
    measurer.measure = lambda path: (failed(str(path)), None) if path.stem == "made007" else honest(path)
    found = run(folder, measurer)
    told = {r.item: r.reason for r in found.failed}
    assert sorted(told) == [f"made00{i}" for i in range(1, 8)]
    n = len(short.frames)
    for clip, words in {
        "made001": "made001.avi: is missing",
        "made002": "is cut off",
        "made003": "made003.csv: cannot be read",
        "made004": f"has {n - 5} frames, its curve has {n}",
        "made005": "its clock differs by",
        "made006": "is 112 x 112 pixels, its video 96 x 96",
        "made007": "is empty; a video was expected",
    }.items():
        assert words in told[clip]
        assert "\n" not in told[clip]
    assert [r.item for r in found.measured] == ["made008", "made009"]
    # A clip whose beats are not told has no truth to be compared with.
    assert found.measured[0].reference == "" and np.isnan(found.measured[0].ef_plane_percent)
    assert exit_code_of(found.results) == 1


def test_what_is_done_is_not_done_again(folder, clips, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    first = run(folder, TruthMeasurer(clips), out=out)
    lines = (out / JOURNAL_NAME).read_text().splitlines()
    assert len(lines) == len(clips)
    # A line cut off by a crash, a file that changed, a clip that another run had not reached.
    (out / JOURNAL_NAME).write_text("\n".join(lines[:-1]) + "\n" + lines[-1][:50])
    video = folder / "Videos" / "made001.avi"
    video.write_bytes(video.read_bytes() + b"\0")
    measurer = TruthMeasurer(clips)
    again = run(folder, measurer, out=out)
    assert sorted(measurer.asked) == ["made001", "made009"]
    assert again.resumed == len(clips) - 2
    for a, b in zip(first.measured, again.measured, strict=True):
        assert json.dumps(to_plain(a, digits=0)) == json.dumps(to_plain(b, digits=0)), "to the last digit"


def test_two_runs_into_one_folder(written, clips, tmp_path):
    from lvef.core.journal import Journal

    held = Journal(tmp_path / JOURNAL_NAME)
    with pytest.raises(DataError, match="another run is writing there"):
        run(written, TruthMeasurer(clips), out=tmp_path)
    held.close()


def test_records_survive_json(written, clips):
    for record in run(written, TruthMeasurer(clips)).measured:
        plain = to_plain(record, digits=0)
        again = from_plain(SyntheticResult, json.loads(json.dumps(plain, allow_nan=False)))
        assert to_plain(again, digits=0) == plain
    assert from_plain(SyntheticResult, plain).status == Status.OK


def test_ctrl_c_keeps_what_is_done(folder, clips, tmp_path):
    measurer = TruthMeasurer(clips)
    honest = measurer.measure

    def stop(path):
        if path.stem == "made004":
            raise KeyboardInterrupt
        return honest(path)

    measurer.measure = stop
    with pytest.raises(KeyboardInterrupt):
        run(folder, measurer, out=tmp_path, workers=1)
    again = TruthMeasurer(clips)
    run(folder, again, out=tmp_path)
    assert "made001" not in again.asked and "made004" in again.asked
