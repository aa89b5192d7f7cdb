"""Clips through a measurer, resumed where an earlier run stopped, and lines against those of the collection."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from lvef.core.errors import DataError
from lvef.core.terms import Phase
from lvef.evaluation.ef.cases import read_cases
from lvef.evaluation.ef.manual_lines import line_errors, read_manual
from lvef.evaluation.ef.overlays import chosen_cases, overlay_png, overlays_of
from lvef.evaluation.ef.records import EfRecord, from_plain, to_plain
from lvef.evaluation.ef.run import Bench, Network, judge, measure_case
from lvef.evaluation.ef.summary import summarise
from tests.evaluation.drawing import count, pixels
from tests.evaluation.ef.made_up import SIZE, WEIGHTS, KnowingMeasurer

EFS = {"clip001": 62.0, "clip002": 50.0, "clip003": 35.0, "clip004": None, "clip005": 50.0, "clip006": 60.0}


@pytest.fixture
def selection(traced):
    return read_cases(traced, "test")


def run(selection, measurer, out=None, said=None):
    with Bench(out, workers=1, say=(said if said is not None else []).append) as bench:
        return judge(selection, [Network("knowing", measurer, WEIGHTS)], {}, bench)


def test_one_record_a_case(selection):
    e = run(selection, KnowingMeasurer(EFS))
    [entrant] = e.entrants
    assert [r.item for r in entrant.records] == [c.item for c in e.cases]
    assert [r.answered for r in entrant.records] == [True, True, True, False]
    assert (e.typical_percent, e.exit_code) == (55.0, 0)
    # Its file was refused before anything was drawn.
    assert entrant.records[3].lines_ed == ()


def test_ef_from_the_raw_lines_on_the_named_frames(selection):
    e = run(selection, KnowingMeasurer(EFS))
    found = [r.ef_at_named_percent for r in e.entrants[0].records]
    assert found[:3] == pytest.approx([62, 50, 35], abs=0.1)
    assert math.isnan(found[3])


def test_negative_efs_are_counted_before_any_guard(selection):
    e = run(selection, KnowingMeasurer(EFS, swapped=True))
    [s] = summarise(e, {}, 0).entrants
    assert (s.guards.named, s.guards.named_negative) == (3, 3)
    assert s.figures["ef_bias_named_frames"].value < -80
    # ES larger than ED by 1 / (1 - EF).
    assert e.entrants[0].records[1].ef_at_named_percent == pytest.approx(-100, abs=0.5)


def test_a_shift_of_one_pixel_is_half_a_pixel_of_error(selection):
    """Of the 84 coordinates only x moves: the mean absolute error of a step of d pixels to the right is d / 2."""
    manual, lost = read_manual(selection.cases)
    assert lost == 0 and all(set(found) == set(Phase) for found in manual.values())
    measurer = KnowingMeasurer({c.item: c.ef_percent for c in selection.cases}, shift=3.0)
    records = [measure_case(c, measurer) for c in selection.cases]
    errors = line_errors(selection.cases, records, manual)
    assert len(errors) == 8
    assert [e.error_px for e in errors] == pytest.approx([1.5] * 8, abs=0.01)
    assert errors[0].image_units == pytest.approx(1.5 / SIZE, abs=1e-4)
    length = np.hypot(*(manual["clip001"][Phase.ED].lines[0, 1] - manual["clip001"][Phase.ED].lines[0, 0]))
    assert errors[0].lengths == pytest.approx(1.5 / length, abs=1e-4)
    [s] = summarise(run(selection, measurer), manual, 0).entrants
    assert s.figures["line_mae_image_units"].value == pytest.approx(1.5 / SIZE, abs=1e-4)
    assert s.figures["line_mae_image_units"].n == 8


def test_a_stopped_run_goes_on(selection, tmp_path):
    first = KnowingMeasurer(EFS | {"clip003": "gone"})
    said: list[str] = []
    e = run(selection, first, tmp_path, said)
    assert e.exit_code == 1 and len(said) == 1 and "clip003" in said[0]
    journal = tmp_path / "finished.jsonl"
    assert len(journal.read_text().splitlines()) == 3
    # A file that could not be read is tried again; a line that was cut off too.
    journal.write_bytes(journal.read_bytes()[:-10])
    again = KnowingMeasurer(EFS)
    e = run(selection, again, tmp_path)
    assert again.asked == ["clip003", "clip004"] and e.resumed == 2 and e.exit_code == 0
    whole = run(selection, KnowingMeasurer(EFS), None)
    assert e.entrants[0].records == whole.entrants[0].records


def test_another_network_starts_anew(selection, tmp_path):
    run(selection, KnowingMeasurer(EFS), tmp_path)
    other = KnowingMeasurer(EFS)
    from dataclasses import replace

    with Bench(tmp_path, workers=1) as bench:
        judge(selection, [Network("other", other, replace(WEIGHTS, sha256="cd" * 32))], {}, bench)
    assert len(other.asked) == 4


def test_only_refusals(selection):
    assert run(selection, KnowingMeasurer(dict.fromkeys(EFS))).exit_code == 3


def test_records_survive_as_json():
    record = EfRecord(
        "a", "ok", ef_percent=50.0, lines_ed=tuple(float(i) for i in range(84)), counts={"frames": 3}
    )
    again = from_plain(json.loads(json.dumps(to_plain(record))))
    assert again.lines_ed == record.lines_ed and again.counts == {"frames": 3} and math.isnan(again.edv_ml)
    assert to_plain(EfRecord("a", "refused")).get("reason") is None
    with pytest.raises(TypeError):
        from_plain({"item": "a", "other": 1})


def test_overlays_are_blue_and_red_and_from_best_to_worst(selection):
    manual, _ = read_manual(selection.cases)
    measurers = [
        KnowingMeasurer({c.item: c.ef_percent for c in selection.cases}, shift=s) for s in (0, 8, 4, 6)
    ]
    records = [measure_case(c, m) for c, m in zip(selection.cases, measurers, strict=True)]
    chosen = chosen_cases(selection.cases, records, manual, 3)
    assert [case.item for case, _ in chosen][::2] == ["clip001", "clip002"] and len(chosen) == 3
    assert (
        chosen_cases(selection.cases, records, {}, 3)
        == []
        == chosen_cases(selection.cases, records, manual, 0)
    )
    sheet = overlays_of(chosen, manual)
    assert [o.caption[1][:2] for o in sheet] == ["ED", "ES"] * 3
    picture = pixels(overlay_png(sheet, heading="Lines"))
    assert count(picture, "#4aa3ff", 40) > 500 and count(picture, "#ff4b3e", 40) > 500
    # Where both agree, the prediction lies on top.
    same = pixels(overlay_png(sheet[:1], heading="Lines"))
    assert count(same[110:], "#4aa3ff", 40) > 5 * count(same[110:], "#ff4b3e", 40)


def test_a_table_of_tracings_that_is_not_there(traced, tmp_path):
    from dataclasses import replace

    cases = [replace(c, tracing_path=tmp_path / "none.csv") for c in read_cases(traced, "test").cases]
    with pytest.raises(DataError, match=r"none\.csv"):
        read_manual(cases)
    named = [replace(c, ed_frame=7) for c in read_cases(traced, "test").cases]
    assert read_manual(named)[1] == 4
