"""From a trained torch network to the ONNX file that is served.

The softmax goes into the file, so that every backend gives class probabilities. Weights are stored in half precision with a
cast behind each: half the size on disk, and every engine folds the casts away and computes in the precision it is asked for.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

OPSET = 18
"""ONNX operator set: old enough for every current runtime."""

INPUT_NAME, OUTPUT_NAME = "grey", "probability"
"""Names in the file."""


class _WithSoftmax(nn.Module):
    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        return torch.softmax(self.net(x), 1)


def export_segmentation(net: nn.Module, size: int, path: Path, *, half: bool = True) -> None:
    """Write ``net`` as ONNX: ``grey (batch, 1, size, size)`` to ``probability (batch, classes, size, size)``.

    Args:
        net: Network that gives logits; put into evaluation mode.
        size: Side of the input.
        path: File to write.
        half: Store the weights in half precision.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns of its own internals
        program = torch.onnx.export(
            _WithSoftmax(net).eval().cpu(),
            (torch.zeros(2, 1, size, size),),
            input_names=[INPUT_NAME],
            output_names=[OUTPUT_NAME],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    assert program is not None  # only the old exporter, which writes files, gives nothing back
    model = program.model_proto
    _strip(model)
    if half:
        _store_half(model)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())


def _strip(model: onnx.ModelProto) -> None:
    """Take out what the exporter noted for its authors: stack traces with paths of the machine it ran on."""
    graph = model.graph
    parts = (model, graph, *graph.node, *graph.initializer, *graph.input, *graph.output, *graph.value_info)
    for part in parts:
        part.ClearField("doc_string")
        part.ClearField("metadata_props")


def _store_half(model: onnx.ModelProto) -> None:
    """Replace float32 weights by float16 ones with a cast behind each."""
    casts = []
    for tensor in model.graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or np.prod(tensor.dims) < 64:
            continue
        name = tensor.name
        half = numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), name + "_half")
        tensor.CopyFrom(half)
        casts.append(helper.make_node("Cast", [half.name], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
