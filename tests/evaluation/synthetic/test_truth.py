"""The layout is read as it was written; what is wrong in it is one sentence."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from lvef.core.errors import DataError
from lvef.evaluation.runner import CaseRunner
from lvef.evaluation.synthetic.evaluation import SyntheticSettings, evaluate_clips
from lvef.evaluation.synthetic.truth import TrueClip, check_beats, read_curve, read_dataset, read_mask
from lvef.stores.synthetic import Task, synthesize
from lvef.stores.synthetic_files import Terms
from lvef.synthesis.truth import SyntheticClip
from tests.evaluation.synthetic.made_dataset import TruthMeasurer


def test_what_was_written_comes_back(written, clips):
    found = read_dataset(written)
    assert [clip.name for clip in found] == [c.clip.source for c in clips]
    for clip, made in zip(found, clips, strict=True):
        assert not clip.error
        assert clip.rhythm == made.parameters["rhythm"]
        assert [b.ed_frame for b in clip.beats] == [b.ed_frame for b in made.beats]
        assert [b.kind for b in clip.beats] == [b.kind for b in made.beats]
        curve = read_curve(clip.curve)
        np.testing.assert_allclose(curve.plane_volume_ml, made.plane_volume_ml, atol=1e-4)
        check_beats(clip, curve)
        mask = read_mask(clip.mask, len(curve.times_s))
        np.testing.assert_array_equal(mask.labels, made.labels)
        assert (mask.spacing.x_mm, mask.spacing.y_mm) == pytest.approx((1.4, 1.4))
        assert clip.parameters["parameters"]["noise"]["level"] == made.parameters["noise"]["level"]


@pytest.mark.parametrize("missing", ["FileList.csv", "Beats.csv"])
def test_a_folder_that_is_no_such_collection(folder, missing):
    (folder / missing).unlink()
    with pytest.raises(DataError, match=f"has no {missing}"):
        read_dataset(folder)
    with pytest.raises(DataError, match="no such folder"):
        read_dataset(folder / "nowhere")


def test_a_column_is_missing(folder):
    text = (folder / "Beats.csv").read_text()
    (folder / "Beats.csv").write_text(text.replace("es_time_s", "es"))
    with pytest.raises(DataError, match="has no column es_time_s"):
        read_dataset(folder)


def test_parameters_need_not_be_there(folder):
    (folder / "Parameters.jsonl").write_text('{"FileName": "made001"\nnot json\n[1]\n')
    assert all(clip.parameters == {} and not clip.error for clip in read_dataset(folder))
    (folder / "Parameters.jsonl").unlink()
    assert all(clip.parameters == {} for clip in read_dataset(folder))


def test_one_bad_beat_spoils_its_clip_alone(folder):
    lines = (folder / "Beats.csv").read_text().splitlines()
    cells = lines[1].split(",")
    for at, cell in ((1, "soon"), (1, "nan"), (4, "2.5"), (4, "-1"), (2, "99")):
        spoilt = ",".join([*cells[:at], cell, *cells[at + 1 :]])
        (folder / "Beats.csv").write_text("\n".join([lines[0], spoilt, *lines[2:]]))
        first, *others = read_dataset(folder)
        assert first.error.endswith("line 2 is no beat of made001; generate the dataset again.")
        assert not any(clip.error for clip in others)


def test_a_name_that_leads_elsewhere(folder):
    text = (folder / "FileList.csv").read_text()
    (folder / "FileList.csv").write_text(text.replace("made001", "../made001"))
    assert "is not the name of a clip" in read_dataset(folder)[0].error


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("frame,time_s,volume_ml\n0,0,1\n", "has no column plane_volume_ml"),
        ("frame,time_s,volume_ml,plane_volume_ml\n", "is no curve"),
        ("frame,time_s,volume_ml,plane_volume_ml\n0,0,1,x\n", "has text"),
        ("frame,time_s,volume_ml,plane_volume_ml\n0,0,1,1\n1,0,1,1\n", "is no curve"),
        ("frame,time_s,volume_ml,plane_volume_ml\n0,0,1,0\n1,1,1,1\n", "is no curve"),
        ("frame,time_s,volume_ml,plane_volume_ml\n0,0,1,nan\n1,1,1,1\n", "is no curve"),
    ],
)
def test_what_is_no_curve(tmp_path, text, sentence):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(DataError, match=sentence):
        read_curve(tmp_path / "a.csv")


def test_what_is_no_mask(folder):
    clip = read_dataset(folder)[0]
    n = len(read_curve(clip.curve).times_s)
    with pytest.raises(DataError, match=f"has {n} frames, its curve has {n + 1}"):
        read_mask(clip.mask, n + 1)
    raw = gzip.decompress(clip.mask.read_bytes())
    clip.mask.write_bytes(gzip.compress(raw[: len(raw) // 2]))
    with pytest.raises(DataError, match="cut off"):
        read_mask(clip.mask, n)
    clip.mask.write_bytes(clip.mask.read_bytes()[:100])
    with pytest.raises(DataError, match=r"damaged|cut off"):
        read_mask(clip.mask, n)
    clip.mask.unlink()
    with pytest.raises(DataError, match="is missing"):
        read_mask(clip.mask, n)


def test_beats_of_another_clip_are_noticed(written):
    first, second, *_ = read_dataset(written)
    shifted = TrueClip(first.folder, first.name, second.beats)
    with pytest.raises(DataError, match="does not fit its curve"):
        check_beats(shifted, read_curve(first.curve))


@dataclass(frozen=True)
class Made:
    """A source that hands out clips that are there already."""

    clips: tuple[SyntheticClip, ...]
    settings: ClassVar[dict[str, str]] = {}
    terms: ClassVar[Terms] = Terms("made-up", "CC0-1.0", "Nobody's.")

    def make(self, task, rng):
        return next(c for c in self.clips if c.clip.source == task.name)


def test_what_lvef_synthesize_writes_is_read(tmp_path, clips):
    tasks = [Task(c.clip.source, "one", 1, "TEST", (i,)) for i, c in enumerate(clips[:3])]
    assert synthesize(Made(tuple(clips[:3])), tasks, tmp_path / "out", workers=1).exit_code == 0
    found = read_dataset(tmp_path / "out")
    assert [clip.name for clip in found] == [c.clip.source for c in clips[:3]]
    with CaseRunner() as runner:
        result = evaluate_clips(SyntheticSettings(tmp_path / "out"), TruthMeasurer(clips), runner)
    assert not result.failed
    for record, made in zip(result.measured, clips, strict=False):
        assert record.ef_representative_percent == made.representative.plane_ef_percent
        assert record.dice_ed == 1.0
        assert (record.rhythm, record.view, record.patient) == (made.parameters["rhythm"], "A4C", "one")
        assert record.parameters["noise.level"] == made.parameters["noise"]["level"]
