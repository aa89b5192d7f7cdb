"""Muon: what its steps are, and that a run with it can be stopped and gone on with."""

from __future__ import annotations

import copy

import pytest

torch = pytest.importorskip("torch")

from lvef.training.optimisers import Muon, orthogonalised, split_parameters  # noqa: E402

pytestmark = pytest.mark.training


@pytest.mark.parametrize("shape", [(8, 40), (40, 8), (16, 16), (1, 5)])
def test_steps_have_equal_singular_values(shape):
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    values = torch.linalg.svdvals(orthogonalised(matrix))
    assert values.shape == (min(shape),)
    assert values.min() > 0.5
    assert values.max() < 1.3
    assert (orthogonalised(matrix) * matrix).sum() > 0, "downhill stays downhill"


def small_net():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3, padding=1), torch.nn.ReLU(), torch.nn.Conv2d(4, 1, 1))


def test_kernels_are_matrices_and_the_last_layer_is_not():
    net = small_net()
    matrices, others = split_parameters(net, net[2])
    assert [p.shape for p in matrices] == [(4, 1, 3, 3)]
    assert len(others) == 3
    assert {id(p) for p in (*matrices, *others)} == {id(p) for p in net.parameters()}


def fit(net, optimizer, steps):
    x = torch.randn(16, 1, 8, 8, generator=torch.Generator().manual_seed(2))
    y = torch.nn.functional.avg_pool2d(x, 3, 1, 1)
    for _ in range(steps):
        optimizer.zero_grad()
        loss = ((net(x) - y) ** 2).mean()
        loss.backward()
        optimizer.step()
    return float(loss.detach())


def test_it_learns_and_goes_on_where_it_stopped():
    net = small_net()
    optimizer = Muon(*split_parameters(net, net[2]), lr=0.02, weight_decay=0.0)
    first = fit(net, optimizer, 1)
    fit(net, optimizer, 59)
    weights = {k: v.clone() for k, v in net.state_dict().items()}
    state = copy.deepcopy(optimizer.state_dict())
    last = fit(net, optimizer, 20)
    assert last < 0.2 * first

    again = small_net()
    again.load_state_dict(weights)
    resumed = Muon(*split_parameters(again, again[2]), lr=0.02, weight_decay=0.0)
    resumed.load_state_dict(state)
    assert fit(again, resumed, 20) == pytest.approx(last, rel=1e-4)


def test_weight_decay_shrinks_what_has_no_gradient_to_follow():
    weight = torch.nn.Parameter(torch.ones(3, 3))
    optimizer = Muon([weight], [], lr=0.1, weight_decay=0.5)
    weight.grad = torch.zeros_like(weight)
    optimizer.step()
    assert torch.allclose(weight.detach(), torch.full((3, 3), 0.95))
