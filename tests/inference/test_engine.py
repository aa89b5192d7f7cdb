"""Both backends under one contract; cards and catalogue say what is wrong."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from lvef.core.errors import ConfigError, WeightsError
from lvef.inference.card import read_card
from lvef.inference.catalogue import find_model, list_models
from lvef.inference.session import BACKENDS, bf16_available, open_session


@pytest.fixture(scope="module")
def entry():
    return find_model("camus-seg")


@pytest.fixture(scope="module")
def batch(entry):
    spec = entry.card.input
    shape = (3, len(spec.offsets_s), spec.size, spec.size)
    return np.random.default_rng(0).normal(0, 1, shape).astype(np.float32)


@pytest.mark.parametrize("backend", BACKENDS)
def test_contract(backend, entry, batch):
    if backend == "onnxruntime":
        pytest.importorskip("onnxruntime")
    session = open_session(entry.model_path, backend=backend, precision="f32")
    info = session.describe()
    assert (info.backend, info.precision) == (backend, "f32")
    assert info.device
    out = session.start(batch)()
    assert out.shape == (3, len(entry.card.classes), *batch.shape[2:])
    assert out.dtype == np.float32
    assert np.allclose(out.sum(axis=1), 1, atol=1e-3)
    # What came back stays the caller's when the session runs again, and a case does not depend on its batch.
    kept = out.copy()
    again = session.start(batch[1:2])()
    assert np.array_equal(out, kept)
    assert np.allclose(again[0], kept[1], atol=1e-4)


def test_backends_agree(entry, batch):
    pytest.importorskip("onnxruntime")
    a, b = (open_session(entry.model_path, backend=name, precision="f32").start(batch)() for name in BACKENDS)
    assert np.abs(a - b).max() < 1e-3


def test_bf16_is_close_to_f32_and_named(entry, batch):
    if not bf16_available():
        pytest.skip("this processor has no bf16 units")
    session = open_session(entry.model_path, precision="bf16")
    assert session.describe().precision == "bf16"
    assert open_session(entry.model_path).describe().precision == "bf16"
    difference = np.abs(
        session.start(batch)() - open_session(entry.model_path, precision="f32").start(batch)()
    )
    assert 0 < difference.mean() < 0.02


@pytest.mark.parametrize("setting", [{"backend": "tensorrt"}, {"precision": "int4"}])
def test_unknown_settings_are_named(entry, setting):
    with pytest.raises(ConfigError, match=next(iter(setting.values()))):
        open_session(entry.model_path, **setting)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_file_that_is_no_network(tmp_path, backend):
    if backend == "onnxruntime":
        pytest.importorskip("onnxruntime")
    path = tmp_path / "model.onnx"
    path.write_bytes(b"no network")
    with pytest.raises(WeightsError, match=r"model\.onnx: .* cannot load it"):
        open_session(path, backend=backend)


def test_every_installed_card_carries_licence_citation_and_figures():
    entries = list_models()
    assert entries
    for entry in entries:
        card = entry.card
        assert card.licence == "CC-BY-NC-SA-4.0"
        assert "10.1109/TMI.2019.2900516" in card.training.citation
        assert card.figures, f"{entry.name} ships without figures of merit"
        assert all(f.low <= f.value <= f.high and f.n > 1 for f in card.figures)


def test_unknown_network_lists_the_known():
    with pytest.raises(WeightsError, match=r"No model named nosuch; installed: .*camus-seg"):
        find_model("nosuch")


def test_a_folder_is_a_network_and_a_damaged_one_is_refused(tmp_path, entry):
    folder = tmp_path / "copy"
    shutil.copytree(entry.folder, folder)
    assert find_model(str(folder)).card == entry.card
    model = folder / "model.onnx"
    model.write_bytes(model.read_bytes()[:-1] + b"x")
    with pytest.raises(WeightsError, match="the card names"):
        find_model(str(folder))


def test_a_card_with_an_unknown_key_or_layout_is_refused(tmp_path, entry):
    card = json.loads((entry.folder / "card.json").read_text())
    (tmp_path / "card.json").write_text(json.dumps(card | {"colour": 1}))
    with pytest.raises(WeightsError, match="unknown key colour"):
        read_card(tmp_path)
    (tmp_path / "card.json").write_text(json.dumps(card | {"schema": "lvef-card/9"}))
    with pytest.raises(
        WeightsError, match="the layout lvef-card/9, lvef-card/1 was expected; install the weights again"
    ):
        read_card(tmp_path)
    (tmp_path / "card.json").write_text("{")
    with pytest.raises(WeightsError, match="not valid JSON"):
        read_card(tmp_path)
