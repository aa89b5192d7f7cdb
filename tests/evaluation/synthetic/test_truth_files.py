"""The layout is read as it was written; what is wrong in it is one sentence."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from lvef.core.errors import DataError
from lvef.evaluation.synthetic.run import SyntheticPlan, judge
from lvef.evaluation.synthetic.truth_files import (
    TrueClip,
    check_beats,
    read_collection,
    read_curve,
    read_mask,
)
from lvef.stores.synthetic import Task, synthesize
from lvef.stores.synthetic_tables import Terms
from lvef.synthesis.truth import SyntheticClip
from tests.evaluation.synthetic.made_collection import KnowingMeasurer


def test_what_was_written_comes_back(written, clips):
    found = read_collection(written)
    assert [clip.name for clip in found] == [c.clip.source for c in clips]
    for clip, made in zip(found, clips, strict=True):
        assert not clip.fault
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
        read_collection(folder)
    with pytest.raises(DataError, match="no such folder"):
        read_collection(folder / "nowhere")


def test_a_column_is_missing(folder):
    text = (folder / "Beats.csv").read_text()
    (folder / "Beats.csv").write_text(text.replace("es_time_s", "es"))
    with pytest.raises(DataError, match="has no column es_time_s"):
        read_collection(folder)


def test_parameters_need_not_be_there(folder):
    (folder / "Parameters.jsonl").write_text('{"item": "made001"\nnot json\n[1]\n')
    assert all(clip.parameters == {} and not clip.fault for clip in read_collection(folder))
    (folder / "Parameters.jsonl").unlink()
    assert all(clip.parameters == {} for clip in read_collection(folder))


def test_one_bad_beat_spoils_its_clip_alone(folder):
    lines = (folder / "Beats.csv").read_text().splitlines()
    cells = lines[1].split(",")
    for at, cell in ((1, "soon"), (1, "nan"), (4, "2.5"), (4, "-1"), (2, "99")):
        spoilt = ",".join([*cells[:at], cell, *cells[at + 1 :]])
        (folder / "Beats.csv").write_text("\n".join([lines[0], spoilt, *lines[2:]]))
        first, *others = read_collection(folder)
        assert first.fault.endswith("line 2 is no beat of made001; make the collection again.")
        assert not any(clip.fault for clip in others)


def test_a_name_that_leads_elsewhere(folder):
    text = (folder / "FileList.csv").read_text()
    (folder / "FileList.csv").write_text(text.replace("made001", "../made001"))
    assert "is not the name of a clip" in read_collection(folder)[0].fault


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("frame,time_s,volume_ml\n0,0,1\n", "has no column plane_volume_ml"),
        ("frame,time_s,volume_ml,plane_volume_ml\n", "is no curve"),
        ("frame,time_s,volume_ml,plane_volume_ml\n0,0,1,x\n", "holds words"),
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
    clip = read_collection(folder)[0]
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
    first, second, *_ = read_collection(written)
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
    found = read_collection(tmp_path / "out")
    assert [clip.name for clip in found] == [c.clip.source for c in clips[:3]]
    result = judge(SyntheticPlan(tmp_path / "out"), KnowingMeasurer(clips))
    assert not result.problems
    for record, made in zip(result.records, clips, strict=False):
        assert record.ef_representative_percent == made.representative.plane_ef_percent
        assert record.dice_ed == 1.0
        assert (record.rhythm, record.view, record.patient) == (made.parameters["rhythm"], "A4C", "one")
        assert record.parameters["noise.level"] == made.parameters["noise"]["level"]
