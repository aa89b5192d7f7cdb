"""Figures, groups, tables, page and pictures of a judgement."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace

import numpy as np
import pytest

from lvef.core.serialization import to_json
from lvef.evaluation.synthetic.figures import count_beats, ef_figures, timing_figures
from lvef.evaluation.synthetic.groups import Group, groups_of
from lvef.evaluation.synthetic.outputs import write_judgement
from lvef.evaluation.synthetic.pictures import chosen
from lvef.evaluation.synthetic.records import BeatRecord, ClipRecord
from lvef.evaluation.synthetic.run import Judgement, SyntheticPlan, judge
from lvef.evaluation.synthetic.summary import (
    beat_rows,
    beat_text,
    group_rows,
    refusal_rows,
    summarise,
    to_values,
)
from tests.evaluation.drawing import pixels
from tests.evaluation.synthetic.made_collection import KnowingMeasurer
from tests.measure.made_up import refused


def record(number, ef, plane, **changes):
    values = {
        "clip": f"c{number}", "patient": f"p{number}", "status": "ok", "rhythm": "sinus", "frame_rate_hz": 50.0,
        "heart_rate_bpm": 70.0, "reference": "matched", "ef_percent": ef, "ef_plane_percent": plane,
        "ef_space_percent": plane - 1, "ef_representative_percent": plane,
    }  # fmt: skip
    return ClipRecord(**values | changes)


def named(figures):
    return {f.name: f for f in figures}


@pytest.fixture(scope="module")
def summary(written, clips):
    """Nine clips, one of them refused."""

    def change(m):
        return refused(m.source) if "made004" in m.source else m

    return summarise(judge(SyntheticPlan(written), KnowingMeasurer(clips, change)), 0)


def test_agreement_in_closed_form():
    records = [record(i, 50 + e, 50 + t) for i, (e, t) in enumerate([(3, 1), (0, 2), (8, 4), (-2, -4)])]
    figures = named(ef_figures(Group("all", "all", tuple(records)), "plane", 0))
    differences = np.array([2.0, -2.0, 4.0, 2.0])
    assert figures["ef_bias_plane"].value == 1.5
    assert figures["ef_mae_plane"].value == 2.5
    assert figures["ef_sd_plane"].value == pytest.approx(differences.std(ddof=1), abs=1e-4)
    assert figures["ef_limit_low_plane"].value == pytest.approx(
        1.5 - 1.96 * differences.std(ddof=1), abs=1e-4
    )
    # The median of 51, 52, 54, 46 is 51.5.
    assert figures["ef_mae_plane"].trivial == pytest.approx((0.5 + 0.5 + 2.5 + 5.5) / 4)
    space = named(ef_figures(Group("all", "all", tuple(records)), "space", 0))
    assert space["ef_bias_space"].value == 2.5


def test_clips_of_one_patient_are_drawn_together():
    alone = [record(i, 50 + 4 * (i % 2), 50.0 + i % 3) for i in range(40)]
    pairs = [replace(r, patient=f"p{i // 20}") for i, r in enumerate(alone)]
    free = named(ef_figures(Group("all", "all", tuple(alone)), "plane", 0))["ef_bias_plane"]
    tied = named(ef_figures(Group("all", "all", tuple(pairs)), "plane", 0))["ef_bias_plane"]
    assert free.value == tied.value and free.n == tied.n == 40
    # Both patients are alike, so which of them is drawn hardly matters.
    assert tied.high - tied.low < 0.5 * (free.high - free.low)
    one = [replace(r, patient="p") for r in alone]
    assert ef_figures(Group("all", "all", tuple(one)), "plane", 0) == []


def test_timing_in_closed_form():
    beats = [BeatRecord("c", "matched", ed_error_ms=float(e)) for e in (-30, -10, 0, 20)]
    records = tuple(record(i, 50, 50, beats=tuple(beats[i : i + 2])) for i in (0, 2))
    figures = named(timing_figures(Group("all", "all", records), "ed_error_ms", 0))
    assert figures["ed_error_mean"].value == -5
    assert figures["ed_error_median"].value == -5
    assert figures["ed_error_mae"].value == 15
    assert figures["ed_error_p95"].value == pytest.approx(28.5)
    assert {f.n for f in figures.values()} == {4}


def test_beats_are_counted():
    kinds = ["matched", "matched", "missed", "invented", "cut", "edge", "merged"]
    beats = [BeatRecord("c", kind, kind="normal", edge_s=0.05) for kind in kinds]
    beats[1] = replace(beats[1], excluded="too short")
    lost = record(1, np.nan, 50, status="refused", beats=tuple(beats[2:3]))
    b = count_beats([record(0, 50, 50, beats=tuple(beats)), lost])
    assert (b.clips, b.true, b.matched, b.missed, b.missed_near_edge) == (1, 3, 2, 1, 1)
    assert (b.invented, b.merged, b.cut, b.edge, b.left_out, b.unseen) == (1, 1, 1, 1, 1, 1)


def test_groups_part_the_clips():
    records = [
        record(
            i, 50, ef, heart_rate_bpm=rate, frame_rate_hz=fps, rhythm=rhythm,
            parameters={"foreshortening_mm": float(i), "scanner.noise_grey": float(i % 2), "noise_grey": 0.0, "x": 1.0},
        )
        for i, (ef, rate, fps, rhythm) in enumerate(
            [(29.9, 59, 25, "sinus"), (30, 60, 40, "sinus"), (40, 80, 50, "ectopic"), (50, 100, 60, ""),
             (60, 70, 55, "sinus"), (70, np.nan, 34, "sinus")]
        )
    ]  # fmt: skip
    groups = {(g.by, g.label): len(g.clips) for g in groups_of(records)}
    ef = {label: n for (by, label), n in groups.items() if by == "true EF"}
    assert ef == {"below 30 %": 1, "30 to 40 %": 1, "40 to 50 %": 1, "50 to 60 %": 1, "from 60 %": 2}
    assert sum(n for (by, _), n in groups.items() if by == "heart rate") == 5
    assert groups["frame rate", "35 to 55/s"] == 2 and groups["frame rate", "from 55/s"] == 2
    assert groups["rhythm", "not told"] == 1 and groups["rhythm", "sinus"] == 4
    assert [n for (by, _), n in groups.items() if by == "foreshortening_mm"] == [2, 2, 2]
    # Told twice: that which lies less deep counts, and it does not vary.
    assert not any(by == "noise_grey" or by == "x" for by, _ in groups)


def test_an_effect_that_is_mostly_off():
    records = [record(i, 50, 50, parameters={"noise": max(0.0, i - 6.0)}) for i in range(10)]
    assert [(g.label, len(g.clips)) for g in groups_of(records) if g.by == "noise"] == [
        ("0", 7),
        ("above 0", 3),
    ]


def test_all_is_told(summary):
    values = to_values(summary)
    text = to_json(values)
    assert json.loads(text) == json.loads(json.dumps(values, allow_nan=False))
    assert (values["clips"], values["answered"]) == (9, 8)
    assert values["by_status"] == {"ok": 8, "partial_cycle": 0, "refused": 1}
    assert values["refused"] == [{"clip": "made004", "status": "refused", "reason_code": "no_fan"}]
    everything, *parts = values["groups"]
    figures = {f["name"]: f for f in everything["figures"]}
    assert {
        f"ef_{n}_{r}" for n in ("bias", "mae", "sd") for r in ("plane", "space", "representative")
    } <= set(figures)
    assert figures["ef_mae_plane"]["value"] < 1 < figures["ef_mae_plane"]["trivial"]
    assert everything["beats"]["missed"] == everything["beats"]["invented"] == 0
    assert everything["beats"]["unseen"] > 0
    assert figures["dice_ed"]["value"] == 1
    assert {g["by"] for g in parts} >= {"true EF", "heart rate", "frame rate", "rhythm", "view", "gain"} - {
        "gain"
    }
    assert summarise(summary.judgement, 0) == summary, "the same twice"


def test_rows_fit_their_groups(summary):
    rows = group_rows(summary, "plane")
    assert rows[0][2:4] == ("8", "1")
    by_rhythm = [row for row in rows if row[0] == "rhythm"]
    assert sum(int(row[2]) + int(row[3]) for row in by_rhythm) == 9
    assert refusal_rows(summary) == [("no_fan", "1", "made004")]
    assert "0 missed" in beat_text(summary) and "Clips without an answer hold" in beat_text(summary)
    assert len(beat_rows(summary, in_short=True)) <= len(beat_rows(summary)) == len(summary.groups)


def test_files(summary, written, tmp_path):
    names = write_judgement(tmp_path, summary, SyntheticPlan(written))
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(names)
    clips = list(csv.DictReader(io.StringIO((tmp_path / "clips.csv").read_text())))
    assert len(clips) == 9
    first = clips[0]
    error = float(first["ef_percent"]) - float(first["ef_plane_percent"])
    assert float(first["ef_error_plane_points"]) == pytest.approx(error, abs=1e-3)
    assert clips[3]["ef_percent"] == clips[3]["ef_error_plane_points"] == ""
    beats = list(csv.DictReader(io.StringIO((tmp_path / "beats.csv").read_text())))
    assert sum(int(row["beats_matched"]) for row in clips) == sum(row["became"] == "matched" for row in beats)
    page = (tmp_path / "index.html").read_text()
    for name in names:
        if name.endswith(".png"):
            picture = pixels((tmp_path / name).read_bytes())
            assert picture.shape[1] == 1200 and len(np.unique(picture)) > 10
    assert page.count("<img") == sum(name.endswith(".png") for name in names) == 7
    assert "made004" in page and "Not a medical device" in page
    run = json.loads((tmp_path / "run.json").read_text())
    assert run["settings"]["synthetic"] == "made" and run["files"]
    (tmp_path / "finished.jsonl").write_text("")
    write_judgement(tmp_path, summary, SyntheticPlan(written))
    assert (tmp_path / "finished.jsonl").exists()


def test_nothing_was_measured(tmp_path, written):
    summary = summarise(Judgement("made", (), (), None, 0, 0.0), 0)
    assert to_values(summary)["groups"][0]["figures"] == []
    assert "index.html" in write_judgement(tmp_path, summary, SyntheticPlan(written))


def test_which_clips_are_shown():
    records = [record(i, 50 + i, 50) for i in range(15)] + [record(15, np.nan, 50, status="refused")]
    worst, others = chosen(records, 0)
    assert [r.clip for r in worst] == ["c14", "c13", "c12", "c11", "c10", "c9"]
    assert len(others) == 6 and not {r.clip for r in others} & {r.clip for r in worst}
    assert chosen(records, 0)[1] == others
    assert chosen(records, 1)[1] != others
    assert chosen([], 0) == ([], [])
