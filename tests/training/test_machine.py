"""Arithmetic is chosen by what the device multiplies in and what the family bears, and is told."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")
pytest.importorskip("onnx")

from lvef.core.errors import ConfigError  # noqa: E402
from lvef.training import machine as machine_module  # noqa: E402
from lvef.training.machine import SEGNET, Machine, cpu_has_bf16  # noqa: E402
from lvef.training.recipe import FAMILIES  # noqa: E402
from lvef.training.segmentation import SegmentationRecipe  # noqa: E402

pytestmark = pytest.mark.training

CPU = Machine("cpu")


@pytest.fixture(params=[True, False], ids=["bf16 units", "no bf16 units"])
def units(request, monkeypatch):
    monkeypatch.setattr(machine_module, "cpu_has_bf16", lambda: request.param)
    return request.param


@pytest.mark.parametrize("family", [SEGNET, *FAMILIES])
def test_auto_takes_bf16_only_where_the_processor_has_it_and_the_family_bears_it(units, family):
    bears = family in ("segnet", "small-video")
    assert CPU.precision("auto", family) == ("bf16-mixed" if units and bears else "32-true")
    for wanted in ("32-true", "bf16-mixed"):
        assert CPU.precision(wanted, family) == wanted, "what is asked for is done"


def test_what_is_emulated_is_reported(units):
    assert ("emulated" in CPU.description("bf16-mixed")) is not units
    assert "precision 32-true" in CPU.description("32-true") and "emulated" not in CPU.description("32-true")


@pytest.mark.parametrize(
    ("has", "expected"), [((True, False), True), ((False, True), True), ((False, False), False)]
)
def test_either_kind_of_unit_will_do(monkeypatch, has, expected):
    for name, there in zip(("_is_avx512_bf16_supported", "_is_amx_tile_supported"), has, strict=True):
        monkeypatch.setattr(torch.cpu, name, lambda there=there: there, raising=False)
    assert cpu_has_bf16() is expected


def test_a_torch_that_does_not_tell_has_none(monkeypatch):
    for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.delattr(torch.cpu, name, raising=False)
    assert not cpu_has_bf16()


def test_an_unknown_arithmetic_of_a_segmentation_is_refused():
    with pytest.raises(ConfigError, match="precision 'bf16' found; auto, 32-true"):
        SegmentationRecipe(precision="bf16")
