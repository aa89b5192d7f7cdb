"""The faults that fuzzing found in model cards and models."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("onnx", reason="the models of these tests are made with onnx")

from lvef.core.errors import WeightsError
from lvef.inference.card import read_card
from lvef.inference.session import open_session
from tests.inference.tiny_networks import bright_is_cavity

pytestmark = pytest.mark.training


def test_model_with_a_name_that_is_no_text(tmp_path):
    path = bright_is_cavity(tmp_path / "m") / "model.onnx"
    path.write_bytes(path.read_bytes().replace(b"grey", b"gr\xff\xfe"))
    for backend in ("openvino", "onnxruntime"):
        with pytest.raises(WeightsError, match=r"model\.onnx: .* cannot load it"):
            open_session(path, backend=backend)


def test_card_with_a_number_that_no_float_holds(tmp_path):
    place = bright_is_cavity(tmp_path / "m")
    values = json.loads((place / "card.json").read_text())
    values["input"]["std"] = 10**400
    (place / "card.json").write_text(json.dumps(values))
    with pytest.raises(
        WeightsError, match=r"card\.json: cannot be used \(input: std: 10+.* found, float was expected\); "
    ):
        read_card(place)


def test_deep_nesting(tmp_path):
    place = bright_is_cavity(tmp_path / "m")
    (place / "card.json").write_bytes(b"[" * 100_000)
    with pytest.raises(WeightsError, match=r"card\.json: is not valid JSON \(nested too deep\)"):
        read_card(place)
