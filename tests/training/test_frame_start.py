"""First weights of clip networks from single frames."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")

from click.testing import CliRunner  # noqa: E402

from lvef.cli.train import train  # noqa: E402
from lvef.core.errors import ConfigError  # noqa: E402
from lvef.models.small_video import SmallVideoConfig, SmallVideoNet  # noqa: E402
from lvef.models.two_stream import TUNED, TwoStreamConfig, TwoStreamNet  # noqa: E402
from lvef.training import frame_start  # noqa: E402
from lvef.training.checkpoints import start_from  # noqa: E402
from lvef.training.fit import make_network  # noqa: E402
from lvef.training.frame_start import (  # noqa: E402
    START_NAME,
    forget_neighbours,
    frame_features,
    line_lengths,
)
from lvef.training.machine import cpu_has_bf16  # noqa: E402
from lvef.training.recipe import read_recipe  # noqa: E402
from tests.training.made_up import write_traces  # noqa: E402

pytestmark = pytest.mark.training

ROOT = Path(__file__).parents[2]
SMALL = SmallVideoConfig(stem=4, widths=(4, 8), blocks=(1, 1), time_strides=(1, 2))


def nudged(net):
    """Blocks start as their shortcut: give the filters over time a say."""
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.constant_(module.weight, 0.7)
    return net.eval()


def test_lengths_of_lines():
    lines = torch.zeros(1, 42, 2)
    lines[0, 1] = torch.tensor([30.0, 40.0])  # the axis: 50 pixels
    lines[0, 3] = torch.tensor([-10.0, 0.0])  # the first chord
    assert line_lengths(lines, 100)[0, :3].tolist() == pytest.approx([0.5, 0.1, 0.0])


def test_a_clip_of_one_image_is_that_image():
    torch.manual_seed(0)
    net = nudged(SmallVideoNet(SMALL))
    frame = torch.randn(2, 1, 32, 32)
    film = frame[:, :, None].expand(-1, -1, 6, -1, -1)
    half = SMALL.widths[-1]
    with torch.inference_mode():
        assert not torch.allclose(net.features(film)[:, :half], frame_features(net, frame), atol=1e-4)
    forget_neighbours(net)
    with torch.inference_mode():
        alone = frame_features(net, frame)
        assert alone.shape == (2, half)
        torch.testing.assert_close(net.features(film)[:, :half], alone)
        torch.testing.assert_close(net.features(film)[:, half:], alone)


def test_the_stream_that_sees_images_takes_a_frame():
    torch.manual_seed(0)
    net = TwoStreamNet(TUNED).eval()
    forget_neighbours(net)
    frame = torch.rand(2, 1, 112, 112)
    with torch.inference_mode():
        alone = frame_features(net, frame)
        film = net.spatial(frame.expand(-1, 28, -1, -1))
    torch.testing.assert_close(film, alone[:, None].expand_as(film), atol=1e-4, rtol=1e-4)


def test_the_report_s_stem_sees_no_single_frame():
    with pytest.raises(ConfigError, match="only small-video and two-stream-tuned"):
        frame_features(TwoStreamNet(TwoStreamConfig(widths=(2, 2), features=4)), torch.zeros(1, 1, 112, 112))


def test_what_is_learned_is_where_training_starts(tmp_path, monkeypatch):
    monkeypatch.setattr(frame_start, "make_network", _small)
    folder = write_traces(tmp_path / "traces", patients=6)
    recipe = ROOT / "recipes" / "small-video.toml"
    words = [str(recipe), "--from-frames", "--data", str(folder), "--epochs", "1", "-o", str(tmp_path / "s")]
    said = CliRunner().invoke(train, words)
    assert said.exit_code == 0, said.output
    assert "standard deviations on validation frames" in said.stdout
    taken = "bf16-mixed" if cpu_has_bf16() else "32-true"
    machine, epoch = said.stderr.splitlines()
    assert machine.startswith("Frames: ") and machine.endswith(f"precision {taken}")
    assert epoch.startswith("Frames: epoch 1/1, loss 0.")
    net = _small(read_recipe(recipe), 50.0)
    before = net.stem[0].weight.clone()
    assert start_from(net, tmp_path / "s" / START_NAME, "small-video") == ""
    assert not torch.equal(net.stem[0].weight, before)
    assert bool((net.blocks[0].time.weight[:, :, 1] != 0).any())


def _small(recipe, mean_ef_percent):
    assert make_network is not None
    torch.manual_seed(1)
    return SmallVideoNet(SMALL)
