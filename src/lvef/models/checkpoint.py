"""Weights from a file, without ever running what the file says.

A checkpoint of torch is a pickle, and a pickle can name any function to be called. Only tensors and plain containers are
accepted here (``weights_only``); a file that names anything else is refused before anything of it runs.
"""

from __future__ import annotations

import pickle
import re
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lvef.core.errors import WeightsError, os_reason
from lvef.core.journal import file_sha256

MOST_BYTES = 1 << 30
"""Largest file that is read: 1 GiB, seven times the largest checkpoint that is known here (deeplabv3_resnet50)."""

STATE_KEY = "state_dict"
"""Key under which training code keeps the weights beside its own things."""

PREFIX = "module."
"""What ``torch.nn.DataParallel`` puts before each name."""

HEAD_BYTES = 512
"""Bytes read to tell what a file is that is no checkpoint."""

PLAIN_NUMBERS: tuple[tuple[Any, str], ...] = (
    (np.dtype, "numpy.dtype"),
    (np.dtypes.Float64DType, "numpy.dtypes.Float64DType"),
    (np.dtypes.Float32DType, "numpy.dtypes.Float32DType"),
    (np.dtypes.Int64DType, "numpy.dtypes.Int64DType"),
    (np.float64(0).__reduce__()[0], "numpy.core.multiarray.scalar"),
    (np.float64(0).__reduce__()[0], "numpy._core.multiarray.scalar"),
)
"""What a number of NumPy is made of, under its old and its new name: training code keeps losses and scores as such beside
the weights. None of it runs anything but the making of one number."""

NAMES_TOLD = 3
"""Layers that a message names."""


def read_state(path: Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint by name, without the prefix of ``DataParallel``.

    Args:
        path: File with a state dict, or with a dict that holds one under ``state_dict``.

    Raises:
        WeightsError: It is missing, too large, cut short, no checkpoint, or would run code.
    """
    content = _load(path)
    if isinstance(content, Mapping) and STATE_KEY in content:
        content = content[STATE_KEY]
    if not isinstance(content, Mapping) or not content:
        raise WeightsError(
            f"{path}: {type(content).__name__} found; a state dict, or a dict that holds one as {STATE_KEY}, was expected."
        )
    wrong = [k for k, v in content.items() if not isinstance(k, str) or not isinstance(v, Tensor)]
    if wrong:
        raise WeightsError(
            f"{path}: {str(wrong[0])[:60]!r} holds no tensor; a state dict of tensors by name was expected."
        )
    return {name.removeprefix(PREFIX): tensor for name, tensor in content.items()}


def check_layers(net: nn.Module, state: Mapping[str, Tensor], path: Path, name: str) -> None:
    """See that tensors are those of a network; counters of batches may be missing.

    Args:
        net: The network.
        state: Tensors by name.
        path: Their file, for the message.
        name: Name of the network, for the message.

    Raises:
        WeightsError: Layers are missing, left over, or of another shape; they are listed.
    """
    wanted = net.state_dict()
    counters = {k for k in wanted if k.endswith("num_batches_tracked")}
    missing = sorted(wanted.keys() - state.keys() - counters)
    extra = sorted(state.keys() - wanted.keys())
    other = [k for k in wanted if k in state and state[k].shape != wanted[k].shape]
    found = [
        f"{len(keys)} {word} ({', '.join(k[:60] for k in keys[:NAMES_TOLD])}{', ...' if len(keys) > NAMES_TOLD else ''})"
        for keys, word in ((missing, "missing"), (extra, "unknown"), (other, "of another shape"))
        if keys
    ]
    if found:
        raise WeightsError(f"{path}: is no checkpoint of {name}: layers {'; '.join(found)}.")


def load_into(net: nn.Module, state: Mapping[str, Tensor], path: Path, name: str) -> None:
    """Put tensors into a network that has exactly these layers; arguments as `check_layers`.

    Raises:
        WeightsError: As `check_layers`, or a layer holds numbers that are not finite.
    """
    check_layers(net, state, path, name)
    broken = [k for k, v in state.items() if v.is_floating_point() and not torch.isfinite(v).all()]
    if broken:
        raise WeightsError(
            f"{path}: layer {broken[0][:60]} holds numbers that are not finite; download the file again."
        )
    net.load_state_dict(dict(state), strict=False)


def load_pretrained(net: nn.Module, path: Path, name: str, *last: str) -> str:
    """Start from weights of another task, which have another last layer: that of the file is left out.

    Args:
        net: Network that gets them; its own last layer stays as it is.
        path: File with a state dict.
        name: torchvision's name of the network.
        last: Beginnings of the names of the layers that are left out, such as ``fc.``.

    Returns:
        SHA-256 of the file.

    Raises:
        WeightsError: The file cannot be read safely, or holds another network.
    """
    state = {k: v for k, v in read_state(path).items() if not k.startswith(last)}
    if not state:
        raise WeightsError(f"{path}: holds no layer of {name}; a state dict saved from it was expected.")
    own = {k: v for k, v in net.state_dict().items() if k.startswith(last)}
    load_into(net, state | own, path, name)
    return file_sha256(path)


def _load(path: Path) -> Any:  # noqa: ANN401
    try:
        size = path.stat().st_size
        if not path.is_file():
            raise WeightsError(f"{path}: is no file; a checkpoint of torch was expected.")
        if size > MOST_BYTES:
            raise WeightsError(
                f"{path}: {size / 1e9:.1f} GB found, more than any network known here has "
                f"(at most {MOST_BYTES / 1e9:.1f} GB); is it the right file?"
            )
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
        _refuse_foreign(path, head, size)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of torch's own past formats
            with torch.serialization.safe_globals(list(PLAIN_NUMBERS)):
                return torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise WeightsError(
            f"{path}: cannot be read ({os_reason(error)}); a checkpoint of torch was expected."
        ) from None
    except pickle.UnpicklingError as error:
        raise WeightsError(_unpickling_sentence(path, str(error))) from None
    except (RuntimeError, EOFError, ValueError, KeyError, TypeError, AttributeError, IndexError, MemoryError):
        # Whatever a damaged file makes the reader stumble over.
        raise WeightsError(
            f"{path}: is damaged or cut short ({size:,} bytes); download the file again."
        ) from None


def _refuse_foreign(path: Path, head: bytes, size: int) -> None:
    """What is plainly no checkpoint is called by its name."""
    if not size:
        raise WeightsError(f"{path}: is empty; download the file again.")
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype", b"<html", b"<?xml", b"<head")):
        raise WeightsError(
            f"{path}: is a web page, not a checkpoint; download the file itself (a page of GitHub links to it)."
        )
    if text.startswith(b"version https://git-lfs"):
        raise WeightsError(f"{path}: is a Git LFS pointer, not the checkpoint; fetch the file itself.")
    if head.startswith(b"PK\x03\x04") and not zipfile.is_zipfile(path):
        raise WeightsError(f"{path}: is cut short ({size:,} bytes); download the file again.")


def _unpickling_sentence(path: Path, said: str) -> str:
    # torch names what the pickle asked for as "GLOBAL module.name" or "global module.name".
    named = re.search(r"GLOBAL ([\w.]{1,80})", said) or re.search(
        r"global ([\w.]{1,80})", said, re.IGNORECASE
    )
    if named:
        return (
            f"{path}: asks for {named[1]} to be run when it is read; only tensors are read here, and nothing "
            "of it was run."
        )
    return f"{path}: is no checkpoint of torch, or is damaged; download the file again."
