"""Clips through a measurer, resumed where an earlier run stopped, and lines against those of the dataset."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from lvef.core.errors import DataError
from lvef.core.runner import Progress
from lvef.core.serialization import to_plain
from lvef.core.terms import Phase
from lvef.evaluation.dataset.analysis import analyse
from lvef.evaluation.dataset.cases import read_cases
from lvef.evaluation.dataset.evaluation import Inputs, Network, evaluate, measure_case
from lvef.evaluation.dataset.predictions import (
    EfResult,
    choose_cases,
    make_overlays,
    read_reference_tracings,
    tracing_errors,
)
from lvef.evaluation.plots.images import line_overlay_png
from lvef.evaluation.runner import CaseRunner, from_plain
from tests.evaluation.dataset.made_up import SIZE, WEIGHTS, KnowingMeasurer
from tests.evaluation.drawing import count, pixels

EFS = {"clip001": 62.0, "clip002": 50.0, "clip003": 35.0, "clip004": None, "clip005": 50.0, "clip006": 60.0}


@pytest.fixture
def selection(traced):
    return read_cases(traced, "test")


def run(selection, measurer, out=None, messages=None, weights=WEIGHTS):
    progress = Progress(message=(messages if messages is not None else []).append)
    with CaseRunner(out, workers=1, progress=progress) as runner:
        return evaluate(Inputs(selection, [Network("knowing", measurer, weights)]), runner)


def test_one_record_a_case(selection):
    e = run(selection, KnowingMeasurer(EFS))
    [method] = e.methods
    assert [r.item for r in method.results] == [c.item for c in e.selection.cases]
    assert [r.has_ef for r in method.results] == [True, True, True, False]
    assert (e.selection.baseline_percent, e.exit_code) == (55.0, 0)
    # Its file was refused before anything was drawn.
    assert method.results[3].lines_ed == ()


def test_ef_from_the_raw_lines_on_the_named_frames(selection):
    e = run(selection, KnowingMeasurer(EFS))
    found = [r.ef_at_named_percent for r in e.methods[0].results]
    assert found[:3] == pytest.approx([62, 50, 35], abs=0.1)
    assert math.isnan(found[3])


def test_negative_efs_are_counted_before_any_check(selection):
    e = run(selection, KnowingMeasurer(EFS, swapped=True))
    [s] = analyse(e, {}, 0).methods
    assert (s.unchecked.named, s.unchecked.named_negative) == (3, 3)
    assert s.metrics["ef_bias_named_frames"].value < -80
    # ES larger than ED by 1 / (1 - EF).
    assert e.methods[0].results[1].ef_at_named_percent == pytest.approx(-100, abs=0.5)


def test_a_shift_of_one_pixel_is_half_a_pixel_of_error(selection):
    """Of the 84 coordinates only x moves: the mean absolute error of a step of d pixels to the right is d / 2."""
    tracings, unusable = read_reference_tracings(selection.cases)
    assert unusable == 0 and all(set(found) == set(Phase) for found in tracings.values())
    measurer = KnowingMeasurer({c.item: c.ef_percent for c in selection.cases}, shift=3.0)
    results = [measure_case(c, measurer) for c in selection.cases]
    errors = tracing_errors(selection.cases, results, tracings)
    assert len(errors) == 8
    assert [e.error_px for e in errors] == pytest.approx([1.5] * 8, abs=0.01)
    assert errors[0].image_units == pytest.approx(1.5 / SIZE, abs=1e-4)
    length = np.hypot(
        *(tracings["clip001"][Phase.ED].lines[0, 1] - tracings["clip001"][Phase.ED].lines[0, 0])
    )
    assert errors[0].lengths == pytest.approx(1.5 / length, abs=1e-4)
    [s] = analyse(run(selection, measurer), tracings, 0).methods
    assert s.metrics["line_mae_image_units"].value == pytest.approx(1.5 / SIZE, abs=1e-4)
    assert s.metrics["line_mae_image_units"].n == 8


def test_a_stopped_run_goes_on(selection, tmp_path):
    first = KnowingMeasurer(EFS | {"clip003": "gone"})
    messages: list[str] = []
    e = run(selection, first, tmp_path, messages)
    assert e.exit_code == 1 and len(messages) == 1 and "clip003" in messages[0]
    journal = tmp_path / "finished.jsonl"
    assert len(journal.read_text().splitlines()) == 3
    # A file that could not be read is tried again; a line that was cut off too.
    journal.write_bytes(journal.read_bytes()[:-10])
    again = KnowingMeasurer(EFS)
    e = run(selection, again, tmp_path)
    assert again.asked == ["clip003", "clip004"] and e.resumed == 2 and e.exit_code == 0
    whole = run(selection, KnowingMeasurer(EFS), None)
    assert e.methods[0].results == whole.methods[0].results


def test_another_network_starts_anew(selection, tmp_path):
    run(selection, KnowingMeasurer(EFS), tmp_path)
    other = KnowingMeasurer(EFS)
    from dataclasses import replace

    run(selection, other, tmp_path, weights=replace(WEIGHTS, sha256="cd" * 32))
    assert len(other.asked) == 4


def test_only_refusals(selection):
    assert run(selection, KnowingMeasurer(dict.fromkeys(EFS))).exit_code == 3


def test_results_survive_as_json():
    record = EfResult(
        "a", "ok", ef_percent=50.0, lines_ed=tuple(float(i) for i in range(84)), counts={"frames": 3}
    )
    again = from_plain(EfResult, json.loads(json.dumps(to_plain(record))))
    assert again.lines_ed == record.lines_ed and again.counts == {"frames": 3} and math.isnan(again.edv_ml)
    with pytest.raises(TypeError):
        from_plain(EfResult, {"item": "a", "other": 1})


def test_overlays_are_blue_and_red_and_from_the_smallest_error_to_the_largest(selection):
    tracings, _ = read_reference_tracings(selection.cases)
    measurers = [
        KnowingMeasurer({c.item: c.ef_percent for c in selection.cases}, shift=s) for s in (0, 8, 4, 6)
    ]
    results = [measure_case(c, m) for c, m in zip(selection.cases, measurers, strict=True)]
    chosen = choose_cases(selection.cases, results, tracings, 3)
    assert [case.item for case, _ in chosen][::2] == ["clip001", "clip002"] and len(chosen) == 3
    assert (
        choose_cases(selection.cases, results, {}, 3)
        == []
        == choose_cases(selection.cases, results, tracings, 0)
    )
    sheet = make_overlays(chosen, tracings)
    assert [o.caption[1][:2] for o in sheet] == ["ED", "ES"] * 3
    picture = pixels(line_overlay_png(sheet, heading="Lines"))
    assert count(picture, "#4aa3ff", 40) > 500 and count(picture, "#ff4b3e", 40) > 500
    # Where both agree, the prediction lies on top.
    same = pixels(line_overlay_png(sheet[:1], heading="Lines"))
    assert count(same[110:], "#4aa3ff", 40) > 5 * count(same[110:], "#ff4b3e", 40)


def test_a_table_of_tracings_that_is_not_there(traced, tmp_path):
    from dataclasses import replace

    cases = [replace(c, tracing_path=tmp_path / "none.csv") for c in read_cases(traced, "test").cases]
    with pytest.raises(DataError, match=r"none\.csv"):
        read_reference_tracings(cases)
    named = [replace(c, ed_frame=7) for c in read_cases(traced, "test").cases]
    assert read_reference_tracings(named)[1] == 4
