"""Networks of each kind through the real measurer: lines where it draws, counts where it does not."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from lvef.evaluation.dataset.analysis import analyse
from lvef.evaluation.dataset.evaluation import Plan, evaluate, load_inputs
from lvef.evaluation.runner import CaseRunner
from lvef.geometry.volume_tracing import volume_tracing_of_tracing
from lvef.io.avi import encode_motion_jpeg
from lvef.measure.options import MeasureOptions
from tests.evaluation.dataset.made_up import SIZE, rows, write
from tests.measure.made_up import AlwaysApical, ellipse_tracing

pytest.importorskip("onnx", reason="the networks of these tests are made with onnx")

from tests.inference import tiny_networks

pytestmark = pytest.mark.training


@pytest.fixture(autouse=True)
def any_grain_is_apical(monkeypatch):
    monkeypatch.setattr("lvef.measure.pipeline.load_view_model", lambda options: AlwaysApical())


@pytest.fixture
def films(tmp_path):
    """Two clips of moving grain in a fan that is brightest, 1.1, on frame 0 and darkest, 0.9, on frame 25."""
    (tmp_path / "Videos").mkdir()
    y, x = np.indices((SIZE, SIZE))
    sector = (np.hypot(x - SIZE / 2, y) < 0.95 * SIZE) & (np.abs(x - SIZE / 2) < 0.75 * y + 6)
    swing = 1 + 0.1 * np.cos(2 * np.pi * np.arange(101) / 50)
    for number in (1, 2):
        grain = cv2.GaussianBlur(np.random.default_rng(number).normal(0, 1, (SIZE, SIZE)), (0, 0), 1.5)
        grain = np.clip(grain / grain.std(), -2, 2)
        # Sideways as well: the same frames again would be a loop.
        moving = np.stack([np.roll(grain, (2 * (i % 7), i), axis=(0, 1)) for i in range(101)])
        frames = ((80 + 15 * moving) * sector * swing[:, None, None]).round().astype(np.uint8)
        (tmp_path / "Videos" / f"clip{number:03d}.avi").write_bytes(
            encode_motion_jpeg(frames, 50.0, quality=100)
        )
    return write(tmp_path / "m.csv", rows([60.0, 45.0], root=tmp_path, ed_frame=0, es_frame=25))


def evaluated(manifest: Path, folder: Path):
    options = MeasureOptions(precision="f32", threads=1)
    inputs = load_inputs(Plan(manifest, "test", (str(folder),), options=options))
    with CaseRunner(workers=1) as runner:
        evaluation = evaluate(inputs, runner)
    return evaluation.methods[0], analyse(evaluation, inputs.tracings, 0)


def test_a_volume_trace_network(films, tmp_path):
    """Lines drawn out in proportion to the brightness: the volume goes with its cube."""
    # Around the middle of the square, so that drawing out scales every length.
    lines = volume_tracing_of_tracing(ellipse_tracing((0.5, 0.5), (0.16, 0.3), 200))
    method, summary = evaluated(
        films, tiny_networks.lines_of_brightness(tmp_path / "net", lines, name="lines")
    )
    assert method.weights.name == "lines"
    for record in method.results:
        assert len(record.lines_ed) == len(record.lines_es) == 84
        assert record.ef_at_named_percent == pytest.approx(100 * (1 - (0.9 / 1.1) ** 3), abs=3)
        assert record.counts["frames"] == 101
    assert summary.methods[0].unchecked.named == 2 and summary.methods[0].unchecked.frames == 202


def test_a_clip_network_draws_nothing_and_its_negative_efs_are_counted(films, tmp_path):
    folder = tiny_networks.ef_of_clips(tmp_path / "net", gain=-100.0, offset=-5.0, name="clips")
    method, summary = evaluated(films, folder)
    [s] = summary.methods
    assert [r.ef_percent for r in method.results] == [0.0, 0.0]
    assert [r.lines_ed for r in method.results] == [(), ()]
    assert (s.unchecked.measured, s.unchecked.negative, s.unchecked.named) == (2, 2, 0)
