"""The view network: probabilities and a distance, calibrated, the same in the exported file."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from lvef.core.terms import RECOGNISED_VIEWS, View  # noqa: E402
from lvef.inference.session import open_session  # noqa: E402
from lvef.models.export import export_network  # noqa: E402
from lvef.models.view import SHRINKAGE, ViewNet, ViewNetConfig  # noqa: E402

pytestmark = pytest.mark.training

SMALL = ViewNetConfig(widths=(4, 8), blocks=(1, 1), features=3)


def test_probabilities_sum_to_one_and_the_network_is_small():
    net = ViewNet().eval()
    out = net(torch.randn(2, 1, 96, 96))
    assert out.shape == (2, len(RECOGNISED_VIEWS) + 1)
    assert torch.allclose(out[:, :-1].sum(1), torch.ones(2), atol=1e-5)
    assert sum(p.numel() for p in net.parameters()) <= 500_000


def test_the_distance_is_that_of_mahalanobis_to_the_nearer_centre():
    net = ViewNet(SMALL)
    rng = np.random.default_rng(0)
    spread = np.array([3.0, 1.0, 0.2])
    a4c, a2c, other = (rng.normal(0, spread, (4000, 3)) + centre for centre in (0, [10, 0, 0], [0, 50, 0]))
    views = np.repeat([RECOGNISED_VIEWS.index(v) for v in (View.A4C, View.A2C, View.PLAX)], 4000)
    net.set_distance(torch.tensor(np.concatenate([a4c, a2c, other])).float(), torch.from_numpy(views))
    deviation = np.sqrt((1 - SHRINKAGE) * spread**2 + SHRINKAGE * (spread**2).mean())
    found = net.distance(torch.tensor([[0.0, 0.0, 0.0], [10.0, 2.0, 0.0], [10.0, 0.0, 0.6], [5.0, 0.0, 0.0]]))
    wanted = np.array([0, 2, 0.6, 5]) / deviation[[0, 1, 2, 0]]
    assert found.ravel().tolist() == pytest.approx(wanted.tolist(), abs=0.12)
    net.unit.fill_(2.0)
    assert net.distance(torch.tensor([[10.0, 0.0, 0.6]])).item() == pytest.approx(wanted[2] / 2, abs=0.1)


def test_the_file_gives_the_network_s_numbers(tmp_path):
    net = ViewNet(SMALL).eval()
    features = torch.randn(60, 3)
    net.set_distance(features, torch.arange(60) % 2)
    export_network(net, "view", {"grey": (1, 32, 32)}, tmp_path / "model.onnx", half=False)
    x = torch.randn(3, 1, 32, 32)
    found = open_session(tmp_path / "model.onnx", precision="f32").start(x.numpy())()
    assert np.allclose(found, net(x).detach().numpy(), atol=1e-3)
