"""From a trained torch network to the ONNX file that is served.

The softmax of a segmentation network goes into the file, so that every backend gives class probabilities. Weights may
be stored in half precision with a cast behind each: half the size on disk, and every engine folds the casts away and
computes in the precision it is asked for. Rounding them costs what half precision has, 11 bits: relative to the size
of an output about 1e-3. Stored whole, an engine gives torch's numbers to 1e-5 (to 5e-5 for the report's two-stream network,
whose dense layers sum 100,352 numbers).
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from lvef.core.errors import ConfigError, errors_only
from lvef.io.atomic import write_bytes_atomic
from lvef.models.families import find_family

OPSET = 18
"""ONNX operator set: old enough for every current runtime."""

INPUT_NAME, OUTPUT_NAME = "grey", "probability"
"""Names in the file of a segmentation network."""

SEGMENTATION = "segmentation"
"""Kind of the families that give logits of classes."""


class _WithSoftmax(nn.Module):
    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        return torch.softmax(self.net(x), 1)


def export_segmentation(net: nn.Module, size: int, path: Path, *, frames: int = 1, half: bool = True) -> None:
    """Write ``net`` as ONNX: ``grey (batch, frames, size, size)`` to ``probability (batch, classes, size, size)``.

    Args:
        net: Network that gives logits; put into evaluation mode.
        size: Side of the input.
        path: File to write.
        frames: Frames that are shown, one channel each.
        half: Store the weights in half precision.

    Raises:
        DataError: The file cannot be written.
    """
    write_onnx(_WithSoftmax(net), {INPUT_NAME: (frames, size, size)}, OUTPUT_NAME, path, half=half)


def export_network(
    net: nn.Module, family: str, input_shapes: Mapping[str, Sequence[int]], path: Path, half: bool = True
) -> None:
    """Write a network of any family as ONNX, with a batch of any size.

    Args:
        net: The network; put into evaluation mode and moved to the CPU.
        family: Its name in `lvef.models.families.FAMILIES`, which gives the names of inputs and output.
        input_shapes: Shape of each input without the batch, such as ``{"grey": (1, 32, 112, 112)}``.
        path: File to write.
        half: Store the weights in half precision.

    Raises:
        ConfigError: No such family, or it has other inputs.
        DataError: The file cannot be written.
    """
    found = find_family(family)
    if set(input_shapes) != set(found.inputs):
        raise ConfigError(
            f"{family}: inputs {', '.join(input_shapes)} found; {', '.join(found.inputs)} were expected."
        )
    shapes = {name: tuple(input_shapes[name]) for name in found.inputs}
    served = _WithSoftmax(net) if found.kind == SEGMENTATION else net
    write_onnx(served, shapes, found.output, path, half=half)


def write_onnx(
    net: nn.Module, input_shapes: Mapping[str, Sequence[int]], output: str, path: Path, *, half: bool
) -> None:
    """Write a network as it is.

    Args:
        net: The network; put into evaluation mode and moved to the CPU.
        input_shapes: Shape of each input without the batch, in the order of its arguments.
        output: Name of the output.
        path: File to write.
        half: Store the weights in half precision.

    Raises:
        DataError: The file cannot be written.
    """
    batch = torch.export.Dim("batch")
    # Torch logs each operator of packages that are not installed; there is no remedy.
    with warnings.catch_warnings(), errors_only("torch.onnx"):
        warnings.simplefilter("ignore")  # torch warns of its own internals
        program = torch.onnx.export(
            net.eval().cpu(),
            tuple(torch.zeros(2, *shape) for shape in input_shapes.values()),
            input_names=list(input_shapes),
            output_names=[output],
            dynamic_shapes=tuple({0: batch} for _ in input_shapes),
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
    write_bytes_atomic(path, model.SerializeToString())


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
