"""The backbone with weights of our own: a segmentation around it, and its way into the volume-trace network."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from lvef.models.mobilenet import (  # noqa: E402
    BackboneSegmentation,
    backbone_state,
    load_backbone,
)
from lvef.models.volume_trace import OWN_BACKBONE, TUNED, VolumeTraceNet  # noqa: E402

pytestmark = pytest.mark.training


@pytest.mark.parametrize("size", [112, 96])
def test_every_pixel_gets_a_score_for_each_class(size):
    net = BackboneSegmentation().eval()
    with torch.inference_mode():
        assert net(torch.zeros(2, 1, size, size)).shape == (2, 4, size, size)


@pytest.mark.parametrize("config", [OWN_BACKBONE, TUNED], ids=["report", "tuned"])
def test_the_backbone_that_was_trained_is_the_one_that_is_loaded(tmp_path, config):
    torch.manual_seed(0)
    trained = BackboneSegmentation().eval()
    path = tmp_path / "mobilenet_v2.pt"
    torch.save(backbone_state(trained), path)
    net = VolumeTraceNet(config).eval()
    x = torch.randn(1, 3, 112, 112)
    parts = 18  # the layers that both heads read
    with torch.inference_mode():
        wanted = trained.backbone.features[:parts](x)
        assert not torch.allclose(net.backbone.features[:parts](x), wanted)
        load_backbone(net.backbone, path)
        torch.testing.assert_close(net.backbone.features[:parts](x), wanted)


def test_all_of_the_backbone_is_trained():
    net = BackboneSegmentation()
    net(torch.randn(2, 1, 64, 64)).square().mean().backward()
    for name, parameter in net.backbone.named_parameters():
        assert parameter.grad is not None and bool(parameter.grad.abs().sum() > 0), name
