"""Networks with two inputs and with five axes under both backends; a file that is not that of its card is refused."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from lvef.core.config import to_mapping
from lvef.core.errors import ConfigError, WeightsError
from lvef.core.terms import EF_CLIP, KINDS, MEASURING_KINDS, VIEW
from lvef.inference.card import read_card
from lvef.inference.catalogue import (
    card_mismatch,
    find_model,
    first_model_of_kind,
    input_shapes,
    open_model,
    output_shapes,
)
from lvef.inference.session import BACKENDS, Port
from lvef.transforms.spec import ClipSpec

pytest.importorskip("onnx", reason="the networks of these tests are made with onnx")

from tests.inference import tiny_networks as tiny

pytestmark = pytest.mark.training

BATCH = 3


@pytest.fixture(params=BACKENDS)
def backend(request):
    if request.param == "onnxruntime":
        pytest.importorskip("onnxruntime")
    return request.param


def opened(folder, backend="openvino"):
    return open_model(find_model(str(folder)), backend=backend, precision="f32")


def test_five_axes(tmp_path, backend):
    session = opened(tiny.ef_of_clips(tmp_path / "n"), backend)
    batch = np.random.default_rng(0).normal(0, 1, (BATCH, 1, 8, 16, 16)).astype(np.float32)
    out = session.start(batch)()
    assert out.shape == (BATCH,)
    assert out.dtype == np.float32
    assert np.allclose(out, 100 * batch.mean(axis=(1, 2, 3, 4)), atol=1e-3)
    # One case does not depend on the others of its batch, and what came back stays the caller's own.
    kept = out.copy()
    assert np.allclose(session.start(batch[1:2])(), kept[1], atol=1e-4)
    assert np.array_equal(out, kept)


def test_two_inputs_go_by_name_and_not_by_order(tmp_path, backend):
    session = opened(tiny.ef_of_streams(tmp_path / "n"), backend)
    assert [port.name for port in session.inputs] == ["temporal", "spatial"]
    rng = np.random.default_rng(1)
    spatial, temporal = (rng.uniform(0, 1, (BATCH, 7, 16, 16)).astype(np.float32) for _ in range(2))
    truth = 100 * spatial.mean(axis=(1, 2, 3)) + 10 * (temporal**2).mean(axis=(1, 2, 3))
    for order in ({"spatial": spatial, "temporal": temporal}, {"temporal": temporal, "spatial": spatial}):
        assert np.allclose(session.start(order)(), truth, atol=1e-3)


def test_several_batches_under_way_come_back_to_their_callers(tmp_path, backend):
    session = opened(tiny.ef_of_clips(tmp_path / "n"), backend)
    batches = [np.full((1, 1, 8, 16, 16), i / 10, np.float32) for i in range(8)]
    waiting = [session.start(batch) for batch in batches]
    assert np.allclose(
        [fetch()[0] for fetch in reversed(waiting)], [70, 60, 50, 40, 30, 20, 10, 0], atol=1e-3
    )


@pytest.mark.parametrize(
    ("make", "change", "reason"),
    [
        (tiny.ef_of_clips, {"clip": {"n_frames": 9}}, r"input \(n, 1, 8, 16, 16\) found, the card says \(n, 1, 9, 16"),
        (tiny.ef_of_streams, {"clip": {"n_frames": 9}}, r"input spatial \(n, 7, 16, 16\) found"),
        (tiny.bright_is_cavity, {"input": {"size": 32}}, r"the card says \(n, 1, 32, 32\)"),
        (tiny.bright_is_cavity, {"classes": ["background", "lv", "myocardium"]}, r"output \(n, 2, 64, 64\) found"),
        (tiny.bright_is_cavity, {"kind": "volume-trace"}, r"output \(n, 2, 64, 64\) found, the card says \(n, 84\)"),
        (tiny.ef_of_streams, {"kind": "ef-clip"}, "2 inputs found, the card's kind ef-clip has 1"),
    ],
)  # fmt: skip
def test_a_file_that_does_not_fit_its_card(tmp_path, backend, make, change, reason):
    folder = make(tmp_path / "n")
    path = folder / "card.json"
    card = json.loads(path.read_text())
    for key, value in change.items():
        card[key] = card[key] | value if isinstance(value, dict) else value
    path.write_text(json.dumps(card))
    with pytest.raises(WeightsError, match=reason) as caught:
        opened(folder, backend)
    assert str(folder / "model.onnx") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_lines_of_another_number_are_refused(tmp_path, backend):
    folder = tiny.lines_of_brightness(tmp_path / "n", np.full((20, 2, 2), 0.4))
    with pytest.raises(WeightsError, match=r"output \(n, 80\) found, the card says \(n, 84\)"):
        opened(folder, backend)


def test_brightness_belongs_to_segmentation(tmp_path):
    folder = tiny.lines_of_brightness(tmp_path / "n", np.full((21, 2, 2), 0.4))
    card = json.loads((folder / "card.json").read_text())
    for brightness, reason in ((0.36, "only segmentation has"), (3.0, "0 or a value from 0.1 to 0.8")):
        card["input"]["brightness"] = brightness
        (folder / "card.json").write_text(json.dumps(card))
        with pytest.raises(WeightsError, match=reason):
            read_card(folder)


def test_names_of_two_inputs_and_fixed_batches(tmp_path):
    card = read_card(tiny.ef_of_streams(tmp_path / "n"))
    shape = input_shapes(card)["spatial"]
    [good, other] = output_shapes(card)
    ports = [Port("spatial", shape), Port("temporal", shape)]
    assert card_mismatch(card, ports, [Port("ef", good)]) == ""
    assert card_mismatch(card, ports, [Port("ef", other)]) == ""
    assert "inputs a, temporal found" in card_mismatch(card, [Port("a", shape), ports[1]], [Port("ef", good)])
    assert "no output" in card_mismatch(card, ports, [])
    fixed = Port("spatial", (1, *shape[1:]))
    assert "input spatial (1, 7, 16, 16) found" in card_mismatch(card, [fixed, ports[1]], [Port("ef", good)])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"kind": "magic"}, "kind 'magic' found, segmentation, volume-trace, ef-clip, ef-two-stream or view was expected"),
        ({"clip": None}, "kind ef-clip without a clip"),
        ({"kind": "segmentation"}, "kind segmentation with a clip"),
        ({"input": {"size": 20}}, "two different squares"),
        ({"clip": {"n_frames": 8, "duration_s": -1.0, "size": 16}}, "a clip of 8 frames over -1 s"),
        ({"clip": {"n_frames": 8, "duration_s": 0.7, "size": 16, "crop": "left"}}, "crop 'left'"),
        ({"clip": {"n_frames": 8, "duration_s": 0.7, "size": 16, "colour": 3}}, "unknown key colour"),
    ],
)  # fmt: skip
def test_cards_that_contradict_themselves(tmp_path, change, reason):
    folder = tiny.ef_of_clips(tmp_path / "n")
    path = folder / "card.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(WeightsError, match=reason) as caught:
        find_model(str(folder))
    assert str(caught.value).startswith(str(path))


def test_other_scales_of_the_streams_and_other_classes_are_refused(tmp_path):
    streams = tiny.ef_of_streams(tmp_path / "a")
    clip = to_mapping(replace(tiny.TWO_STREAM, mean=0.5))
    values = json.loads((streams / "card.json").read_text())
    values |= {"clip": clip, "input": values["input"] | {"mean": 0.5}}
    (streams / "card.json").write_text(json.dumps(values))
    with pytest.raises(WeightsError, match="two streams have their own scales"):
        read_card(streams)
    cavity = tiny.bright_is_cavity(tmp_path / "b", classes=["lv", "background"])
    with pytest.raises(
        WeightsError, match="classes lv, background found; the first two or more of background, lv"
    ):
        read_card(cavity)


def test_a_card_survives_being_written_and_old_ones_stay_valid(tmp_path):
    card = read_card(tiny.ef_of_clips(tmp_path / "n"))
    assert card.clip == tiny.CLIP
    assert card.clip.square == card.input
    values = json.loads((find_model("camus-seg").folder / "card.json").read_text())
    for later in ("clip", "experimental", "external", "sampling"):
        values.pop(later, None)
    for later in ("mirror", "offsets_s"):
        values["input"].pop(later, None)
    (tmp_path / "card.json").write_text(json.dumps(values))
    old = read_card(tmp_path)
    assert old.clip is None
    assert old.input.mirror
    assert old.input.offsets_s == (0.0,)


def test_networks_of_a_kind(monkeypatch):
    assert first_model_of_kind("segmentation", "camus-seg") == "camus-seg"
    assert first_model_of_kind("segmentation", "nosuch") in {"camus-seg"}
    monkeypatch.setattr("lvef.inference.catalogue.list_models", list)
    with pytest.raises(WeightsError, match="No segmentation model is installed"):
        first_model_of_kind("segmentation", "camus-seg")


def test_a_damaged_clip_network_is_refused(tmp_path):
    folder = tiny.ef_of_clips(tmp_path / "n")
    shutil.copy(tiny.ef_of_clips(tmp_path / "m", gain=50.0) / "model.onnx", folder / "model.onnx")
    with pytest.raises(WeightsError, match="the card names"):
        find_model(str(folder))


def test_four_kinds_measure_one_recognises_views_and_a_clip_needs_two_frames():
    assert set(KINDS) - set(MEASURING_KINDS) == {VIEW}
    assert len(KINDS) == 5
    assert EF_CLIP in KINDS
    with pytest.raises(ConfigError, match="at least 2 frames"):
        ClipSpec(1, 1.0)
