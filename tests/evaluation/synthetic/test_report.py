"""Metrics, groups, tables, page and plots of an evaluation on synthetic clips."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace

import numpy as np
import pytest

from lvef.core.serialization import to_json
from lvef.evaluation.report import write_report
from lvef.evaluation.runner import CaseRunner
from lvef.evaluation.synthetic.evaluation import SyntheticEvaluation, SyntheticSettings, evaluate_clips
from lvef.evaluation.synthetic.metrics import Group, count_beats, ef_metrics, make_groups, timing_metrics
from lvef.evaluation.synthetic.report import (
    beat_table,
    beat_text,
    choose_clips,
    clips_csv,
    group_table,
    make_report,
    refusal_table,
)
from lvef.evaluation.synthetic.results import BeatResult, SyntheticResult
from tests.evaluation.drawing import pixels
from tests.evaluation.synthetic.made_dataset import TruthMeasurer
from tests.measure.made_up import refused


def record(number, ef, plane, **changes):
    values = {
        "item": f"c{number}", "patient": f"p{number}", "status": "ok", "rhythm": "sinus", "frame_rate_hz": 50.0,
        "heart_rate_bpm": 70.0, "reference": "matched", "ef_percent": ef, "ef_plane_percent": plane,
        "ef_space_percent": plane - 1, "ef_representative_percent": plane,
    }  # fmt: skip
    return SyntheticResult(**values | changes)


def named(rows):
    return {row.metric: row for row in rows}


@pytest.fixture(scope="module")
def evaluation(written, clips):
    """Nine clips, one of them refused."""

    def change(m):
        return refused(m.source) if "made004" in m.source else m

    with CaseRunner() as runner:
        return evaluate_clips(SyntheticSettings(written), TruthMeasurer(clips, change), runner)


@pytest.fixture(scope="module")
def report(evaluation):
    return make_report(evaluation)


def test_agreement_in_closed_form():
    records = [record(i, 50 + e, 50 + t) for i, (e, t) in enumerate([(3, 1), (0, 2), (8, 4), (-2, -4)])]
    figures = named(ef_metrics(Group("all", "all", tuple(records)), "plane", "model", 0))
    differences = np.array([2.0, -2.0, 4.0, 2.0])
    assert figures["ef_bias_plane"].value == 1.5
    assert figures["ef_mae_plane"].value == 2.5
    assert figures["ef_sd_plane"].value == pytest.approx(differences.std(ddof=1), abs=1e-4)
    assert figures["ef_limit_low_plane"].value == pytest.approx(
        1.5 - 1.96 * differences.std(ddof=1), abs=1e-4
    )
    # The median of 51, 52, 54, 46 is 51.5.
    assert figures["ef_mae_plane"].baseline == pytest.approx((0.5 + 0.5 + 2.5 + 5.5) / 4)
    space = named(ef_metrics(Group("all", "all", tuple(records)), "space", "model", 0))
    assert space["ef_bias_space"].value == 2.5


def test_clips_of_one_patient_are_drawn_together():
    alone = [record(i, 50 + 4 * (i % 2), 50.0 + i % 3) for i in range(40)]
    pairs = [replace(r, patient=f"p{i // 20}") for i, r in enumerate(alone)]
    free = named(ef_metrics(Group("all", "all", tuple(alone)), "plane", "model", 0))["ef_bias_plane"]
    tied = named(ef_metrics(Group("all", "all", tuple(pairs)), "plane", "model", 0))["ef_bias_plane"]
    assert free.value == tied.value and free.n == tied.n == 40
    # Both patients are alike, so which of them is drawn hardly matters.
    assert tied.high - tied.low < 0.5 * (free.high - free.low)
    one = [replace(r, patient="p") for r in alone]
    assert ef_metrics(Group("all", "all", tuple(one)), "plane", "model", 0) == []


def test_timing_in_closed_form():
    beats = [BeatResult("c", "matched", ed_error_ms=float(e)) for e in (-30, -10, 0, 20)]
    records = tuple(record(i, 50, 50, beats=tuple(beats[i : i + 2])) for i in (0, 2))
    figures = named(timing_metrics(Group("all", "all", records), "ed_error", "model", 0))
    assert figures["ed_error_mean"].value == -5
    assert figures["ed_error_median"].value == -5
    assert figures["ed_error_mae"].value == 15
    assert figures["ed_error_p95"].value == pytest.approx(28.5)
    assert {f.n for f in figures.values()} == {4}


def test_beats_are_counted():
    kinds = ["matched", "matched", "missed", "invented", "cut", "edge", "merged"]
    beats = [BeatResult("c", kind, kind="normal", edge_s=0.05) for kind in kinds]
    beats[1] = replace(beats[1], excluded="too short")
    lost = record(1, np.nan, 50, status="refused", beats=tuple(beats[2:3]))
    b = count_beats([record(0, 50, 50, beats=tuple(beats)), lost])
    assert b == {
        **{
            "clips": 1,
            "true": 3,
            "matched": 2,
            "missed": 1,
            "missed_near_edge": 1,
            "invented": 1,
            "merged": 1,
        },
        **{"cut": 1, "edge": 1, "left_out": 1, "unseen": 1},
    }


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
    groups = {(g.by, g.label): len(g.clips) for g in make_groups(records)}
    ef = {label: n for (by, label), n in groups.items() if by == "true EF"}
    assert ef == {"below 30 %": 1, "30 to 40 %": 1, "40 to 50 %": 1, "50 to 60 %": 1, "from 60 %": 2}
    assert sum(n for (by, _), n in groups.items() if by == "heart rate") == 5
    assert groups["frame rate", "35 to 55/s"] == 2 and groups["frame rate", "from 55/s"] == 2
    assert groups["rhythm", "not stated"] == 1 and groups["rhythm", "sinus"] == 4
    assert [n for (by, _), n in groups.items() if by == "foreshortening_mm"] == [2, 2, 2]
    # Told twice: that which lies less deep counts, and it does not vary.
    assert not any(by == "noise_grey" or by == "x" for by, _ in groups)


def test_an_effect_that_is_mostly_off():
    records = [record(i, 50, 50, parameters={"noise": max(0.0, i - 6.0)}) for i in range(10)]
    assert [(g.label, len(g.clips)) for g in make_groups(records) if g.by == "noise"] == [
        ("0", 7),
        ("above 0", 3),
    ]


def test_the_summary_has_everything(report, evaluation):
    values = report.summary
    text = to_json(dict(values))
    assert json.loads(text) == json.loads(json.dumps(dict(values), allow_nan=False))
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
    assert make_report(evaluation, with_plots=False).summary == values, "the same twice"


def test_rows_fit_their_groups(evaluation):
    groups = [
        replace(g, metrics=named(ef_metrics(g, "plane", "model", 0)))
        for g in make_groups(evaluation.measured)
    ]
    rows = group_table(groups, "plane").rows
    assert rows[0][2:4] == ("8", "1")
    by_rhythm = [row for row in rows if row[0] == "rhythm"]
    assert sum(int(row[2]) + int(row[3]) for row in by_rhythm) == 9
    assert refusal_table(evaluation.measured).rows == [("no_fan", "1", "made004")]
    assert "0 missed" in beat_text(groups[0]) and "Clips without an EF have" in beat_text(groups[0])
    assert len(beat_table(groups).rows) == len(groups)


def test_files(report, tmp_path):
    names = write_report(tmp_path, report)
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
    write_report(tmp_path, report)
    assert (tmp_path / "finished.jsonl").exists()


def test_a_parameter_with_the_name_of_a_field_has_a_column_of_its_own(evaluation):
    header, first, *_ = csv.reader(io.StringIO(clips_csv(evaluation)))
    assert len(set(header)) == len(header)
    row = dict(zip(header, first, strict=True))
    assert row["parameters.ef_percent"] == "99" and 0 < float(row["ef_percent"]) < 90
    assert row["gain"] == "1"


def test_nothing_was_measured(tmp_path, written):
    empty = make_report(SyntheticEvaluation(SyntheticSettings(written), ()))
    assert empty.summary["groups"][0]["figures"] == []
    assert "index.html" in write_report(tmp_path, empty)


def test_which_clips_are_shown():
    records = [record(i, 50 + i, 50) for i in range(15)] + [record(15, np.nan, 50, status="refused")]
    worst, others = choose_clips(records, 0)
    assert [r.item for r in worst] == ["c14", "c13", "c12", "c11", "c10", "c9"]
    assert len(others) == 6 and not {r.item for r in others} & {r.item for r in worst}
    assert choose_clips(records, 0)[1] == others
    assert choose_clips(records, 1)[1] != others
    assert choose_clips([], 0) == ([], [])
