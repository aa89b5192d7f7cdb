"""The two-stream network does what the report says, in the reading of decision 0011."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from lvef.models.two_stream import StreamOutputs, TwoStreamConfig, TwoStreamNet  # noqa: E402

pytestmark = pytest.mark.training

TINY = TwoStreamConfig(widths=(3, 4), features=8, fused=12, size=16, frames=6, l1=0.02, l2=0.3)


@pytest.fixture
def net():
    torch.manual_seed(0)
    return TwoStreamNet(TINY).eval()


@pytest.fixture
def streams():
    generator = torch.Generator().manual_seed(1)
    return torch.rand(2, 6, 16, 16, generator=generator), torch.randn(2, 6, 16, 16, generator=generator)


def test_layers_are_those_of_the_report():
    with torch.device("meta"):
        stream = TwoStreamNet().spatial
    kinds = [type(layer).__name__ for layer in stream.body]
    # The second convolution is linear before its normalisation.
    assert kinds == ["Conv3d", "ReLU", "Conv3d", "InstanceNorm3d", "MaxPool3d"]
    assert stream.body[0].weight.shape == (32, 1, 3, 3, 3)
    assert stream.body[2].weight.shape == (32, 32, 3, 3, 3)
    assert stream.body(torch.zeros(1, 1, 28, 112, 112, device="meta")).shape == (1, 32, 14, 56, 56)
    assert stream.dense.weight.shape == (128, 32 * 56 * 56)
    assert stream.dropout.p == 0.2


def test_attention_is_a_distribution_over_time_for_each_feature(net, streams):
    features = net.spatial(streams[0])
    assert features.shape == (2, 3, 8)
    attention = net.attend(features)
    assert attention.shape == features.shape
    assert torch.allclose(attention.sum(1), torch.ones(2, 8))
    assert (attention > 0).all()


def test_the_answer_by_hand(net, streams):
    s, m = net.spatial(streams[0]), net.temporal(streams[1])
    logits = s @ net.attention.weight.T + net.attention.bias
    weights = logits.exp() / logits.exp().sum(1, keepdim=True)
    context = (weights * m).sum(1)
    own = [part.mean(1) @ stream.output.weight.T + stream.output.bias
           for part, stream in ((s, net.spatial), (m, net.temporal))]  # fmt: skip
    joined = torch.cat([context, *own], 1)
    hidden = (joined @ net.fusion.weight.T + net.fusion.bias).clamp(min=0)
    ef = (hidden @ net.output.weight.T + net.output.bias)[:, 0]
    assert torch.allclose(net(*streams), ef, atol=1e-5)
    outputs = net.all_outputs(*streams)
    assert torch.allclose(outputs.spatial, own[0][:, 0], atol=1e-5)
    assert torch.allclose(outputs.temporal, own[1][:, 0], atol=1e-5)


def test_training_mode_gives_all_three_and_measuring_one(net, streams):
    assert net(*streams).shape == (2,)
    trained = net.train()(*streams)
    assert isinstance(trained, StreamOutputs)
    assert [part.shape for part in trained] == [(2,)] * 3


def test_the_streams_do_not_see_each_other(net, streams):
    before = net.all_outputs(*streams)
    after = net.all_outputs(streams[0], streams[1] + 1)
    assert torch.equal(before.spatial, after.spatial)
    assert not torch.allclose(before.fused, after.fused)


def test_penalty_is_that_of_the_kernels_named_and_of_nothing_else(net):
    wanted = 0.0
    kernels = (
        net.spatial.body[0], net.spatial.dense, net.temporal.body[0], net.temporal.dense, net.fusion
    )  # fmt: skip
    for layer in kernels:
        for weight in layer.weight.detach().flatten().tolist():
            wanted += 0.02 * abs(weight) + 0.3 * weight**2
    assert net.penalty().item() == pytest.approx(wanted, rel=1e-4)
    net.penalty().backward()
    moved = {name for name, p in net.named_parameters() if p.grad is not None}
    assert moved == {
        "spatial.body.0.weight",
        "spatial.dense.weight",
        "temporal.body.0.weight",
        "temporal.dense.weight",
        "fusion.weight",
    }


def test_tuned_has_no_penalty():
    from lvef.models.two_stream import TUNED

    with torch.device("meta"):
        assert TwoStreamNet(TUNED).config.l1 == 0
    small = TwoStreamConfig(**vars(TUNED) | {"widths": (2, 2, 2, 2, 2), "size": 16, "frames": 2})
    assert TwoStreamNet(small).penalty().item() == 0


def test_outputs_start_where_they_are_reported(net):
    net.set_output_bias(55.0)
    with torch.no_grad():
        for layer in (net.output, net.spatial.output, net.temporal.output):
            layer.weight.zero_()
    black = torch.zeros(1, 6, 16, 16)
    assert [part.item() for part in net.all_outputs(black, black)] == [55.0] * 3
