"""Cases through the runner: results in order, failures as results, a stopped run goes on."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import pytest

from lvef.core.errors import DataError
from lvef.core.records import FloatArray
from lvef.core.runner import Progress
from lvef.core.serialization import to_plain
from lvef.evaluation.metrics import NAN
from lvef.evaluation.runner import CaseResult, CaseRunner, exit_code_of, from_plain


@dataclass(frozen=True, slots=True)
class Part:
    name: str
    values: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Result(CaseResult):
    """A result with fields of its own."""

    parts: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True)
class Drawn(CaseResult):
    """A result of parts that may be missing."""

    part: Part | None = None
    points: FloatArray | None = None


def evaluate(case):
    if case == "bad":
        raise DataError("bad: cannot be read.")
    return Result(case, "ok", ef_percent=50.0 + len(case), parts=(Part("a", (1.0, NAN)),))


def run(cases, out=None, messages=None, made_with="1", evaluate=evaluate):
    progress = Progress(message=(messages if messages is not None else []).append)
    with CaseRunner(out, workers=2, progress=progress) as runner:
        results = runner.run(
            cases, evaluate, Result, key=str, stamp=lambda case: f"{case}!", made_with=made_with
        )
    return results, runner.resumed


def test_an_error_is_a_failed_result_and_stops_no_other():
    messages = []
    results, _ = run(["a", "bad", "ccc"], messages=messages)
    assert [r.item for r in results] == ["a", "bad", "ccc"]
    assert [r.is_failed for r in results] == [False, True, False]
    assert messages == ["bad: cannot be read."] == [results[1].reason]
    assert exit_code_of(results) == 1 and exit_code_of(results[:1]) == 0
    assert exit_code_of([Result("a", "refused")]) == 3


def test_finished_cases_are_taken_over_and_failed_ones_tried_again(tmp_path):
    first, resumed = run(["a", "bad"], tmp_path)
    assert resumed == 0
    seen = []

    def again(case):
        seen.append(case)
        return Result(case, "ok")

    results, resumed = run(["a", "bad"], tmp_path, evaluate=again)
    assert resumed == 1 and seen == ["bad"]
    assert to_plain(results[0]) == to_plain(first[0])
    assert run(["a"], tmp_path, made_with="2")[1] == 0


def test_results_survive_as_json():
    result = evaluate("a")
    plain = json.loads(json.dumps(to_plain(result), allow_nan=False))
    assert plain["parts"] == [{"name": "a", "values": [1.0, None]}]
    again = from_plain(Result, plain)
    assert again.parts[0].name == "a" and again.parts[0].values[0] == 1.0
    assert again.parts[0].values[1] != again.parts[0].values[1]
    assert to_plain(1 / 3, digits=3) == 0.333
    known, unknown = Drawn("a", "ok", part=Part("b"), points=np.array([[1 / 3, NAN]])), Drawn("a", "ok")
    for drawn in (known, unknown):
        again = from_plain(Drawn, json.loads(json.dumps(to_plain(drawn, digits=0))))
        assert again.part == drawn.part
        np.testing.assert_array_equal(again.points, drawn.points)
    assert unknown.points is None
    with pytest.raises(TypeError):
        from_plain(Result, {"item": "a", "status": "ok", "other": 1})
