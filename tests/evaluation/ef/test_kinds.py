"""Networks of each kind through the real measurer: lines where it draws, counts where it does not."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from lvef.evaluation.ef.entering import enter
from lvef.evaluation.ef.run import Bench, EfPlan, judge
from lvef.evaluation.ef.summary import summarise
from lvef.geometry.volume_tracing import volume_tracing_of_tracing
from lvef.io.motion_jpeg import encode_motion_jpeg
from lvef.measure.options import MeasureOptions
from tests.evaluation.ef.made_up import SIZE, rows, write
from tests.measure.made_up import ellipse_tracing

pytest.importorskip("onnx", reason="the networks of these tests are made with onnx")

from tests.inference import tiny_networks

pytestmark = pytest.mark.training


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
        moving = np.stack([np.roll(grain, 2 * (i % 7), axis=0) for i in range(101)])
        frames = ((80 + 15 * moving) * sector * swing[:, None, None]).round().astype(np.uint8)
        (tmp_path / "Videos" / f"clip{number:03d}.avi").write_bytes(
            encode_motion_jpeg(frames, 50.0, quality=100)
        )
    return write(tmp_path / "m.csv", rows([60.0, 45.0], root=tmp_path, ed_frame=0, es_frame=25))


def judged(manifest: Path, folder: Path):
    options = MeasureOptions(precision="f32", threads=1)
    entered = enter(EfPlan(manifest, "test", (str(folder),), options=options))
    with Bench(workers=1) as bench:
        evaluation = judge(entered.selection, entered.networks, {}, bench)
    return evaluation.entrants[0], summarise(evaluation, entered.manual, 0)


def test_a_volume_trace_network(films, tmp_path):
    """Lines drawn out in proportion to the brightness: the volume goes with its cube."""
    # Around the middle of the square, so that drawing out scales every length.
    lines = volume_tracing_of_tracing(ellipse_tracing((0.5, 0.5), (0.16, 0.3), 200))
    entrant, summary = judged(films, tiny_networks.lines_of_brightness(tmp_path / "net", lines, name="lines"))
    assert entrant.weights.name == "lines"
    for record in entrant.records:
        assert len(record.lines_ed) == len(record.lines_es) == 84
        assert record.ef_at_named_percent == pytest.approx(100 * (1 - (0.9 / 1.1) ** 3), abs=3)
        assert record.counts["frames"] == 101
    assert summary.entrants[0].guards.named == 2 and summary.entrants[0].guards.frames == 202


def test_a_clip_network_draws_nothing_and_its_negative_efs_are_counted(films, tmp_path):
    folder = tiny_networks.ef_of_clips(tmp_path / "net", gain=-100.0, offset=-5.0, name="clips")
    entrant, summary = judged(films, folder)
    [s] = summary.entrants
    assert [r.ef_percent for r in entrant.records] == [0.0, 0.0]
    assert [r.lines_ed for r in entrant.records] == [(), ()]
    assert (s.guards.measured, s.guards.negative, s.guards.named) == (2, 2, 0)
