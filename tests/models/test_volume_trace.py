"""The volume-trace network: its shapes, its scaling, what is frozen, where heat maps point."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from lvef.core.errors import WeightsError  # noqa: E402
from lvef.models.mobilenet import TAP_CHANNELS, MobileNetV2, load_backbone  # noqa: E402
from lvef.models.volume_trace import SCALINGS, TUNED, VolumeTraceConfig, VolumeTraceNet, centres_of_mass  # noqa: E402
from tests.models.fabricated import layout, lived  # noqa: E402

pytestmark = pytest.mark.training

TORCHVISION_LAYOUT = "9c3fc12e3e073e2246a80c1808b2a438a7a4a2c076c21d0f0be83ccb5bea6d42"
"""Names and shapes of torchvision 0.29's mobilenet_v2 without its classifier."""


@pytest.fixture(scope="module")
def report():
    torch.manual_seed(0)
    return VolumeTraceNet().eval()


def test_the_backbone_has_torchvision_s_names():
    with torch.device("meta"):
        assert layout(MobileNetV2().state_dict()) == TORCHVISION_LAYOUT


@pytest.mark.slow
def test_the_backbone_s_numbers_are_torchvision_s():
    try:
        from torchvision.models import mobilenet_v2
    except (ImportError, RuntimeError):
        pytest.skip("torchvision is not installed, or not for this torch")
    torch.manual_seed(0)
    own, theirs = lived(MobileNetV2()).eval(), mobilenet_v2(weights=None).eval()
    theirs.load_state_dict(own.state_dict() | theirs.classifier.state_dict(prefix="classifier."))
    image = torch.randn(2, 3, 112, 112)
    with torch.inference_mode():
        assert torch.allclose(own(image), theirs.features(image), rtol=0, atol=1e-5)


def test_four_by_four_cells_become_two_by_two_become_the_answer(report):
    maps = report.backbone(torch.zeros(2, 3, 112, 112))
    assert maps.shape == (2, 1280, 4, 4)
    shapes = []
    for layer in report.head:
        maps = layer(maps)
        shapes.append(tuple(maps.shape))
    assert shapes == [(2, 1280, 4, 4), (2, 84, 2, 2), (2, 84, 2, 2), (2, 84, 1, 1), (2, 84, 1, 1), (2, 84)]
    assert 0 < maps.min() <= maps.max() < 1


@pytest.mark.parametrize("scaling", SCALINGS)
def test_the_scaling_is_the_backbone_s(scaling, report):
    net = VolumeTraceNet(VolumeTraceConfig(scaling=scaling)).eval()
    net.load_state_dict(report.state_dict())
    grey = torch.rand(2, 1, 112, 112, generator=torch.Generator().manual_seed(0))
    by_hand = {
        "imagenet": torch.cat(
            [(grey - m) / s for m, s in ((0.485, 0.229), (0.456, 0.224), (0.406, 0.225))], 1
        ),
        "symmetric": (grey * 255 / 127.5 - 1).expand(-1, 3, -1, -1),
        "own": ((grey - 0.20) / 0.21).expand(-1, 3, -1, -1),
    }[scaling]
    assert torch.allclose(net(grey), report.head(report.backbone(by_hand)), atol=1e-5)


def test_a_frozen_backbone_stays_as_it_was_loaded():
    torch.manual_seed(0)
    net = VolumeTraceNet()
    before = {k: v.clone() for k, v in net.backbone.state_dict().items()}
    learner = torch.optim.Adam([p for p in net.parameters() if p.requires_grad], lr=0.1)
    net.train()
    assert net.head.training
    net(torch.rand(2, 1, 112, 112)).sum().backward()
    learner.step()
    assert all(torch.equal(before[k], v) for k, v in net.backbone.state_dict().items())


def test_a_tuned_backbone_is_trained():
    torch.manual_seed(0)
    net = VolumeTraceNet(TUNED).train()
    net(torch.rand(2, 1, 64, 64)).square().sum().backward()
    assert all(p.grad is not None for p in net.parameters())
    assert {part: m.shape[1] for part, m in net.backbone.pyramid(torch.zeros(1, 3, 64, 64)).items()} == (
        TAP_CHANNELS
    )


def test_a_heat_map_points_at_the_middle_of_its_warm_cell():
    heat = torch.full((1, 2, 28, 28), -50.0)
    heat[0, 0, 0, 27] = 50.0  # row 0, column 27: pixels 108 to 111, whose middle is 109.5
    heat[0, 1, 10, 4] = heat[0, 1, 11, 4] = 50.0  # two rows: pixels 40 to 47
    found = centres_of_mass(heat)[0] * 112
    assert torch.allclose(found, torch.tensor([[109.5, 1.5], [17.5, 43.5]]), atol=1e-3)


def test_weights_of_torchvision_s_layout_load_with_and_without_the_last_layer(tmp_path):
    torch.manual_seed(0)
    full = lived(MobileNetV2())
    state = dict(full.state_dict()) | {
        "classifier.1.weight": torch.zeros(1000, 1280),
        "classifier.1.bias": torch.zeros(1000),
    }
    path = tmp_path / "mobilenet.pt"
    torch.save(state, path)
    for last in (True, False):
        net = MobileNetV2(last=last)
        digest = load_backbone(net, path)
        assert len(digest) == 64
        assert all(torch.equal(v, state[k]) for k, v in net.state_dict().items())
    torch.save({"fc.weight": torch.zeros(2, 2)}, path)
    with pytest.raises(WeightsError, match=r"mobilenet\.pt: is no checkpoint of mobilenet_v2: .*1 unknown"):
        load_backbone(MobileNetV2(), path)
    torch.save({"classifier.1.bias": torch.zeros(1000)}, path)
    with pytest.raises(WeightsError, match="holds no layer of mobilenet_v2"):
        load_backbone(MobileNetV2(), path)
