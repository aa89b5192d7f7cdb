"""Networks of a few sums, each in a folder with its card: their answers are known in closed form."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from lvef.core.config import to_mapping
from lvef.core.terms import EF_CLIP, EF_TWO_STREAM, SEGMENTATION, VOLUME_TRACE
from lvef.inference.card import CARD_NAME, MODEL_NAME, Card, Training
from lvef.transforms.spec import ClipSpec, InputSpec

CLIP = ClipSpec(n_frames=8, duration_s=0.7, size=16, clips=3)
TWO_STREAM = ClipSpec(n_frames=8, duration_s=0.7, size=16, clips=2)
TRACE_INPUT = InputSpec(size=32, mean=0.0, std=1.0, mirror=False)
SEGMENTATION_INPUT = InputSpec(size=64, mean=0.0, std=1.0, mirror=False)

Shape = list[int | str]


def ef_of_clips(folder: Path, *, gain: float = 100.0, offset: float = 0.0, **changes: Any) -> Path:
    """EF = gain * mean of what is shown + offset."""
    nodes = [*_mean("grey", "m", rank=5), *_linear("m", "ef_percent", gain, offset)]
    shape: Shape = ["b", 1, CLIP.n_frames, CLIP.size, CLIP.size]
    return _write(folder, nodes, {"grey": shape}, ("ef_percent", ["b"]), _card(EF_CLIP, clip=CLIP), changes)


def ef_of_streams(folder: Path, **changes: Any) -> Path:
    """EF = 100 * mean of the spatial stream + 10 * mean of the squared temporal one; the file names temporal first."""
    nodes = [
        *_mean("spatial", "s", rank=4),
        *_linear("s", "grey", 100.0, 0.0),
        helper.make_node("Mul", ["temporal", "temporal"], ["squared"]),
        *_mean("squared", "q", rank=4),
        *_linear("q", "moving", 10.0, 0.0),
        helper.make_node("Add", ["grey", "moving"], ["ef_percent"]),
    ]
    shape: Shape = ["b", TWO_STREAM.n_frames - 1, TWO_STREAM.size, TWO_STREAM.size]
    ports = {"temporal": shape, "spatial": shape}
    return _write(folder, nodes, ports, ("ef_percent", ["b"]), _card(EF_TWO_STREAM, clip=TWO_STREAM), changes)


def lines_of_brightness(folder: Path, lines: np.ndarray, **changes: Any) -> Path:
    """Lines (21, 2, 2) in parts of the square, drawn out from its middle by ``2 * mean grey``."""
    offsets = (lines.reshape(1, -1) - 0.5).astype(np.float32)
    nodes = [
        *_mean("grey", "m", rank=4, keep=[1]),
        *_linear("m", "twice", 2.0, 0.0),
        _constant("offsets", offsets),
        helper.make_node("Mul", ["twice", "offsets"], ["drawn"]),
        *_linear("drawn", "lines", 1.0, 0.5),
    ]
    size = TRACE_INPUT.size
    card = replace(_card(VOLUME_TRACE), input=TRACE_INPUT)
    return _write(folder, nodes, {"grey": ["b", 1, size, size]}, ("lines", ["b", lines.size]), card, changes)


def bright_is_cavity(folder: Path, **changes: Any) -> Path:
    """Two classes: what is brighter than 0.7 is the cavity."""
    nodes = [
        *_linear("grey", "steep", 60.0, -42.0),
        helper.make_node("Sigmoid", ["steep"], ["lv"]),
        *_linear("lv", "background", -1.0, 1.0),
        helper.make_node("Concat", ["background", "lv"], ["probability"], axis=1),
    ]
    size = SEGMENTATION_INPUT.size
    card = replace(_card(SEGMENTATION), input=SEGMENTATION_INPUT, classes=("background", "lv"))
    shape: Shape = ["b", 2, size, size]
    return _write(folder, nodes, {"grey": ["b", 1, size, size]}, ("probability", shape), card, changes)


def _card(kind: str, clip: ClipSpec | None = None) -> Card:
    return Card(
        name="tiny",
        version="1",
        kind=kind,
        title="Made up",
        licence="CC0-1.0",
        intended_use="Tests only. Not a medical device.",
        input=clip.square if clip else InputSpec(),
        classes=(),
        architecture={"family": "tiny", "parameters": 2},
        training=Training("nothing", "CC0-1.0", "nobody", 0, "0" * 64, "none", "none", 0.0),
        model_sha256="",
        clip=clip,
    )


def _write(
    folder: Path,
    nodes: list[onnx.NodeProto],
    inputs: dict[str, Shape],
    output: tuple[str, Shape],
    card: Card,
    changes: dict[str, Any],
) -> Path:
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(output[0], TensorProto.FLOAT, output[1])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    folder.mkdir(parents=True, exist_ok=True)
    data = model.SerializeToString()
    (folder / MODEL_NAME).write_bytes(data)
    card = replace(card, model_sha256=hashlib.sha256(data).hexdigest())
    (folder / CARD_NAME).write_text(json.dumps(to_mapping(card) | changes))
    return folder


def _constant(name: str, values: np.ndarray) -> onnx.NodeProto:
    return helper.make_node("Constant", [], [name], value=numpy_helper.from_array(values))


def _mean(source: str, target: str, rank: int, keep: list[int] | None = None) -> list[onnx.NodeProto]:
    """Mean over all but the batch (and what is kept, as one column)."""
    axes = np.arange(1, rank, dtype=np.int64)
    if keep is None:
        return [
            _constant(f"{target}_axes", axes),
            helper.make_node("ReduceMean", [source, f"{target}_axes"], [target], keepdims=0),
        ]
    return [
        _constant(f"{target}_axes", axes[1:]),
        helper.make_node("ReduceMean", [source, f"{target}_axes"], [target], keepdims=0),
    ]


def _linear(source: str, target: str, gain: float, offset: float) -> list[onnx.NodeProto]:
    return [
        _constant(f"{target}_gain", np.float32(gain).reshape(())),
        _constant(f"{target}_offset", np.float32(offset).reshape(())),
        helper.make_node("Mul", [source, f"{target}_gain"], [f"{target}_scaled"]),
        helper.make_node("Add", [f"{target}_scaled", f"{target}_offset"], [target]),
    ]
