"""Tables of tracings with everything that is wrong with them."""

import numpy as np
import pytest

from lvef.core.errors import GeometryError
from lvef.core.records import Box
from lvef.geometry.volume_tracing import volume_tracing_of_mask
from lvef.transforms.frames import place
from lvef.transforms.volume_tracing import (
    TracedFrame,
    checked_frame,
    ed_and_es,
    level_error,
    lines_csv,
    traced_frame,
    volume_of_lines,
)
from tests.geometry.ventricle_shapes import labels
from tests.stores.made_up import ventricle_lines


@pytest.fixture
def lines():
    return ventricle_lines(1.0)


def test_the_apex_is_decided_by_the_chords(lines):
    turned = lines.copy()
    turned[0] = turned[0, ::-1]
    turned[1:] = turned[:0:-1, ::-1]
    found = traced_frame(4, turned)
    assert found.lines == pytest.approx(lines)
    assert found.frame == 4


def test_ed_is_decided_by_volume():
    large, small = traced_frame(40, ventricle_lines(1.0)), traced_frame(2, ventricle_lines(0.7))
    assert [t.frame for t in ed_and_es([small, large])] == [40, 2]
    middle = traced_frame(60, ventricle_lines(0.8))
    assert [t.frame for t in ed_and_es([middle, large, small])] == [40, 2]
    with pytest.raises(GeometryError, match="1 traced frame; ED and ES need two"):
        ed_and_es([large])
    with pytest.raises(GeometryError, match="same volume"):
        ed_and_es([large, TracedFrame(41, large.lines, large.volume_px3, 21)])


def test_twenty_lines_are_cut_anew(lines):
    found = traced_frame(0, lines[:-1])
    assert found.n_lines == 20
    assert found.lines.shape == (21, 2, 2)
    assert found.volume_px3 == pytest.approx(volume_of_lines(lines), rel=0.05)
    assert level_error(found.lines) < 0.01


def test_volume_in_closed_form():
    axis = np.array([[[10.0, 0.0], [10.0, 40.0]]])
    y = (np.arange(20) + 0.5) * 2
    chords = np.stack([np.stack([np.full(20, 7.0), y], 1), np.stack([np.full(20, 13.0), y], 1)], 1)
    cylinder = np.concatenate([axis, chords])
    assert volume_of_lines(cylinder) == pytest.approx(np.pi * 9 * 40)
    assert level_error(cylinder) == pytest.approx(0)
    cylinder[5, :, 1] += 1.0
    assert level_error(cylinder) == pytest.approx(0.5)


def test_padding_not_stretching():
    mask = labels(size=(100, 200), centre=(100, 70), length=50.0, radius=16.0)
    lines = volume_tracing_of_mask(mask)
    small = place(Box(0, 0, 200, 100), 112).to_network(lines)
    scale = 112 / 200
    assert np.hypot(*(small[0, 1] - small[0, 0])) == pytest.approx(
        scale * np.hypot(*(lines[0, 1] - lines[0, 0]))
    )
    assert volume_of_lines(small) == pytest.approx(scale**3 * volume_of_lines(lines))
    assert small[..., 1].min() > 28  # a quarter of the square is black above


def test_file_of_lines(tmp_path, lines):
    path = tmp_path / "l.csv"
    path.write_text(lines_csv(lines))
    assert path.read_text().startswith("line,x1_px,y1_px,x2_px,y2_px\n0,")
    table = np.loadtxt(path, delimiter=",", skiprows=1)
    assert table[:, 0].tolist() == list(range(21))
    assert table[:, 1:].reshape(21, 2, 2) == pytest.approx(lines, abs=5e-4)


def test_frames_that_are_not_there():
    assert checked_frame(4, 5) == 4
    with pytest.raises(GeometryError, match="Frame 5 is traced, but the clip has frames 0 to 4"):
        checked_frame(5, 5)
