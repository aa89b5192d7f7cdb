"""The Transformer's layers are torchvision's: one sentence where that is missing, the right numbers where it is there."""

from __future__ import annotations

import sys

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from lvef.core.errors import ConfigError, LvefError  # noqa: E402
from lvef.models.checkpoint import load_pretrained  # noqa: E402
from lvef.models.families import build  # noqa: E402
from lvef.models.transformer import TransformerConfig, TransformerEf  # noqa: E402

pytestmark = pytest.mark.training


@pytest.fixture
def mvit():
    """torchvision's own network without its classifier."""
    try:
        from torchvision.models.video import mvit_v2_s
    except (ImportError, RuntimeError):
        pytest.skip("torchvision is not installed, or not for this torch")
    torch.manual_seed(0)
    net = mvit_v2_s(weights=None)
    net.head = torch.nn.Identity()
    return net.eval()


def test_without_torchvision_one_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchvision", None)
    monkeypatch.setitem(sys.modules, "torchvision.models.video", None)
    with pytest.raises(
        LvefError, match=r"^mvit-v2-s takes its layers from torchvision, .* from the same index\.$"
    ):
        build("mvit-v2-s", {})


@pytest.mark.slow
def test_at_its_own_size_it_is_torchvision_s(mvit, tmp_path):
    torch.save(mvit.state_dict() | {"head.1.bias": torch.zeros(400)}, tmp_path / "kinetics.pt")
    net = TransformerEf(TransformerConfig(frames=16, size=224)).eval()
    load_pretrained(net.net, tmp_path / "kinetics.pt", "mvit_v2_s", "head.")
    grey = 255 * torch.rand(1, 1, 16, 224, 224)
    with torch.inference_mode():
        wanted = mvit((grey.repeat(1, 3, 1, 1, 1) / 255 - 0.45) / 0.225)
        assert torch.allclose(net.features(grey), wanted, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(("frames", "size"), [(32, 112), (8, 64)])
def test_clips_of_other_sizes(mvit, frames, size):
    net = build("mvit-v2-s", {"frames": frames, "size": size}).eval()
    net.set_output_bias(55.0)
    with torch.inference_mode():
        out = net(255 * torch.rand(2, 1, frames, size, size))
    assert out.shape == (2,)
    assert out == pytest.approx(55, abs=10)


@pytest.mark.slow
def test_clips_of_another_length_are_refused_in_a_sentence(mvit):
    net = build("mvit-v2-s", {"frames": 8, "size": 64})
    with pytest.raises(ConfigError, match=r"set network\.frames=6 and network\.size=112"):
        net(torch.zeros(1, 1, 6, 112, 112))
