"""Every family: its numbers, its settings, that it can learn, and that its exported file gives torch's numbers."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from lvef.core.errors import ConfigError  # noqa: E402
from lvef.inference.session import BACKENDS, open_session  # noqa: E402
from lvef.models.export import export_network  # noqa: E402
from lvef.models.families import FAMILIES, build, count_parameters, describe, settings_of  # noqa: E402
from tests.models.fabricated import SMALL, inputs, lived, patterns, settle  # noqa: E402

pytestmark = pytest.mark.training

NUMBERS = {
    ("two-stream", "report"): (25_798_211, 25_798_211),
    ("two-stream", "tuned"): (948_051, 947_059),
    ("volume-trace", "report"): (2_384_584, 126_600),
    ("volume-trace", "report-own-backbone"): (2_384_584, 126_600),
    ("volume-trace", "tuned"): (2_025_706, 1_993_130),
    ("r2plus1d-18", "echonet"): (31_325_988, 31_300_638),
    ("small-video", "default"): (1_754_169, 1_749_321),
}
"""Numbers in a network with its batch statistics, and those that are trained. Volume-trace report: SPEC 4.2."""


@pytest.mark.parametrize(("family", "preset"), NUMBERS)
def test_numbers_of_each_preset(family, preset):
    with torch.device("meta"):
        net = build(family, {"preset": preset})
    assert count_parameters(net) == NUMBERS[family, preset]
    said = describe(family, net)
    assert (said["family"], said["parameters"]) == (family, NUMBERS[family, preset][0])


def test_the_one_to_ship_is_small():
    assert NUMBERS["small-video", "default"][0] <= 5_000_000


def test_the_report_s_two_streams_counted_by_hand():
    stream = (27 * 32 + 32) + (27 * 32 * 32 + 32) + 2 * 32 + (32 * 56 * 56 * 128 + 128) + (128 + 1)
    fusion = (128 * 128 + 128) + ((128 + 2) * 256 + 256) + (256 + 1)
    assert NUMBERS["two-stream", "report"][0] == 2 * stream + fusion


def test_the_report_s_lines_counted_by_hand():
    head = 1280 * 9 + (1280 * 84 + 84) + 84 * 4 + (84 * 84 + 84)
    assert NUMBERS["volume-trace", "report"][1] == head


@pytest.mark.parametrize("family", FAMILIES)
def test_settings(family):
    default = settings_of(family, {})
    assert default == next(iter(FAMILIES[family].presets.values()))
    for name, preset in FAMILIES[family].presets.items():
        assert settings_of(family, {"preset": name}) == preset
    with pytest.raises(ConfigError, match=r"^\[network\]: unknown key colour; known are"):
        settings_of(family, {"colour": 1})
    with pytest.raises(ConfigError, match=f"preset 'best' found; {family} has "):
        settings_of(family, {"preset": "best"})


def test_an_unknown_family_lists_the_known():
    with pytest.raises(ConfigError, match=r"'vgg' found; known are mvit-v2-s, r2plus1d-18, .*volume-trace\."):
        build("vgg", {})


@pytest.mark.parametrize(
    ("family", "settings", "said"),
    [
        ("two-stream", {"stem": "wide"}, "stem 'wide' found; report or strided"),
        ("two-stream", {"widths": [8]}, r"widths \[8\] found; 2 of at least 1"),
        ("two-stream", {"size": 100}, "size 100 and frames 28 found"),
        ("two-stream", {"frames": 27}, "size 112 and frames 27 found"),
        ("two-stream", {"l1": -1.0}, "l1 -1"),
        ("volume-trace", {"head": "mask"}, "head 'mask' found; regression or heatmap"),
        ("volume-trace", {"scaling": "none"}, "scaling 'none' found; imagenet, symmetric, own"),
        ("volume-trace", {"dropout": 1.0}, "dropout 1"),
        ("small-video", {"widths": [8, 8]}, "2 widths, 4 blocks and 4 time_strides"),
        ("small-video", {"stem": 0}, "below 1 found"),
        ("r2plus1d-18", {"std": [1.0, 0.0, 1.0]}, "spreads above 0"),
        ("mvit-v2-s", {"frames": 15}, "frames 15 and size 112 found"),
    ],
)
def test_settings_that_cannot_be(family, settings, said):
    with pytest.raises(ConfigError, match=said):
        settings_of(family, settings)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("case", "half"), [(case, False) for case in SMALL] + [("two-stream report", True), ("small-video", True)]
)
def test_the_exported_file_gives_the_same_numbers(case, half, tmp_path):
    family, settings, shapes = SMALL[case]
    torch.manual_seed(0)
    net = lived(build(family, settings))
    if family != "segnet":
        last = [p for name, p in net.named_parameters() if name.endswith("weight")][-1]
        torch.nn.init.normal_(
            last, std=0.5
        )  # fresh outputs are nearly constant, which would hide a difference
    path = tmp_path / "model.onnx"
    export_network(net, family, shapes, path, half)
    for n in (1, 3):
        x = inputs(shapes, n, seed=n, scale=255.0 if family == "r2plus1d-18" else 1.0)
        with torch.inference_mode():
            truth = net(*x)
        truth = (truth.softmax(1) if family == "segnet" else truth).numpy()
        assert truth.std() > 1e-3 or n == 1
        for backend in BACKENDS:
            if backend == "onnxruntime":
                pytest.importorskip("onnxruntime")
            session = open_session(path, backend=backend, precision="f32")
            assert {port.name for port in session.inputs} == set(shapes)
            assert session.outputs[0].name == FAMILIES[family].output
            batch = {name: part.numpy() for name, part in zip(shapes, x, strict=True)}
            out = session.start(batch if len(batch) > 1 else batch["grey"])()
            assert out.shape == truth.shape
            assert np.abs(out - truth).max() <= (3e-3 if half else 1e-5) * max(1, np.abs(truth).max())


def test_export_refuses_inputs_of_another_family(tmp_path):
    family, settings, _ = SMALL["small-video"]
    with pytest.raises(ConfigError, match="small-video: inputs spatial found; grey were expected"):
        export_network(
            build(family, settings), family, {"spatial": (4, 16, 16)}, tmp_path / "m.onnx", half=False
        )
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("case", [c for c in SMALL if c != "segnet"])
def test_overfits_a_few_cases(case):
    family, settings, shapes = SMALL[case]
    full = family == "r2plus1d-18"
    torch.manual_seed(0)
    net = build(family, settings if full else {**settings, "dropout": 0.0})
    x = patterns(shapes, 4, scale=255.0 if full else 1.0)
    if family == "volume-trace":
        wanted = torch.rand(4, 84, generator=torch.Generator().manual_seed(1)) * 0.6 + 0.2
        if case.endswith("report"):
            settle(net.backbone, (x[0].expand(-1, 3, -1, -1) - net.mean) / net.std)
    else:
        wanted = torch.tensor([20.0, 40.0, 60.0, 75.0])
        net.set_output_bias(48.75)
    learner = torch.optim.Adam([p for p in net.parameters() if p.requires_grad], lr=3e-3 if full else 1e-2)
    net.train()
    losses = []
    for _ in range(15 if full else 80):
        out = net(*x)
        parts = out if isinstance(out, tuple) else (out,)
        loss = sum((part - wanted).abs().mean() for part in parts)
        learner.zero_grad()
        loss.backward()
        learner.step()
        losses.append(loss.item())
    assert losses[-1] < 0.4 * losses[0]
