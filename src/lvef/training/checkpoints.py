"""Checkpoints that appear whole or not at all, and are read without running what they say.

The format is Lightning's, but writing is atomic: a disk that is full, or a process that is killed while saving, leaves the
checkpoint before it whole. Reading takes tensors and plain containers only (``weights_only``).
"""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.plugins.io import CheckpointIO
from torch import Tensor, nn

from lvef.core.errors import WeightsError, os_reason
from lvef.io.atomic import atomic_path
from lvef.models.checkpoint import check_layers, load_pretrained, read_state
from lvef.models.mobilenet import load_backbone
from lvef.training.recipe import VOLUME_TRACE

BEST_NAME, LAST_NAME = "best", "last"
"""Stems of the two checkpoints of a run: lowest validation loss, latest epoch."""

PREFIX = "net."
"""What stands before the network's layers in a checkpoint of a run."""

PRETRAINED: dict[str, tuple[str, Callable[[Any, Path], str]]] = {
    VOLUME_TRACE: ("backbone", load_backbone),
    "r2plus1d-18": ("net", lambda net, path: load_pretrained(net, path, "r2plus1d_18", "fc.")),
    "mvit-v2-s": ("net", lambda net, path: load_pretrained(net, path, "mvit_v2_s", "head.")),
}
"""Part of a family's network that weights of other tasks fill, and who reads them. Those of Kinetics expect
`lvef.models.r2plus1d.KINETICS_MEAN`, or `lvef.models.transformer.KINETICS_MEAN`, in the config, with its spread."""


class AtomicCheckpointIO(CheckpointIO):
    """Lightning's checkpoints, written whole or not at all."""

    def save_checkpoint(
        self,
        checkpoint: dict[str, Any],
        path: Any,  # noqa: ANN401
        storage_options: Any = None,  # noqa: ANN401
    ) -> None:
        """Write a checkpoint in place of the one before.

        Raises:
            DataError: It cannot be written, for example on a full disk; the one before is whole.
        """
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(target) as temporary:
            try:
                with temporary.open("wb") as file:
                    torch.save(checkpoint, file)
            except RuntimeError as error:
                # torch's writer covers what the disk said with a complaint of its own.
                cause = error.__context__
                if not isinstance(cause, OSError) and "write" not in str(error).lower():
                    raise
                said = cause.strerror if isinstance(cause, OSError) else None
                raise OSError(0, said or "the disk took no more", str(temporary)) from None

    def load_checkpoint(
        self,
        path: Any,  # noqa: ANN401
        map_location: Any = None,  # noqa: ANN401
        weights_only: bool | None = None,
    ) -> dict[str, Any]:
        """Read a checkpoint; always ``weights_only``, whatever is asked for.

        Raises:
            WeightsError: It is missing, damaged, or would run code.
        """
        return read_checkpoint(Path(path), map_location)

    def remove_checkpoint(self, path: Any) -> None:  # noqa: ANN401
        """Remove a checkpoint, if it is there."""
        Path(path).unlink(missing_ok=True)


class RunCheckpoint(ModelCheckpoint):
    """Lightning's checkpoint of a run under one name: after every epoch, or after one with a better ``monitor``.

    Args:
        folder: Where to; a run may be moved between two starts.
        name: Stem of the file.
        monitor: Metric whose lowest value counts; None for every epoch.
    """

    def __init__(self, folder: Path, name: str, monitor: str | None = None) -> None:
        super().__init__(
            folder,
            name,
            monitor=monitor,
            every_n_epochs=1,
            save_on_train_epoch_end=True,
            enable_version_counter=False,
        )

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """The best value so far, of the file in this folder."""
        score = state_dict["best_model_score"]
        if self.monitor is not None and score is not None:
            path = str(Path(str(self.dirpath)) / f"{self.filename}.ckpt")
            self.best_model_score = self.kth_value = score
            self.best_model_path = self.kth_best_model_path = path
            self.best_k_models = {path: score}


def read_checkpoint(path: Path, map_location: Any = "cpu") -> dict[str, Any]:  # noqa: ANN401
    """A whole checkpoint of a run.

    Raises:
        WeightsError: It is missing, damaged, or would run code.
    """
    remedy = "take it away to start this run anew, or give --fresh"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of torch's own past formats
            found = torch.load(path, map_location=map_location, weights_only=True)
    except OSError as error:
        reason = os_reason(error)
        raise WeightsError(f"{path}: cannot be read ({reason}); a checkpoint was expected.") from None
    except pickle.UnpicklingError:
        raise WeightsError(
            f"{path}: is damaged, or asks for code to be run when it is read, of which nothing was run; {remedy}."
        ) from None
    except (RuntimeError, EOFError, ValueError, KeyError, TypeError, AttributeError, IndexError):
        # Whatever a damaged file makes the reader stumble over.
        raise WeightsError(f"{path}: is damaged or cut short; {remedy}.") from None
    if not isinstance(found, dict) or not isinstance(found.get("state_dict"), dict):
        raise WeightsError(f"{path}: holds no state_dict; a checkpoint of lvef train was expected; {remedy}.")
    return found


def network_state(checkpoint: dict[str, Any]) -> dict[str, Tensor]:
    """The network's tensors by name."""
    state: dict[str, Tensor] = checkpoint["state_dict"]
    return {
        name.removeprefix(PREFIX): value for name, value in state.items() if name.startswith(PREFIX)
    } or state


def start_from(net: nn.Module, path: Path, family: str) -> str:
    """Give a network, or one part of it, the weights of a file.

    Args:
        net: The network.
        path: A checkpoint of ``lvef train``; a state dict of the network or of one of its parts; or one of torchvision,
            whose last layer is left out (ImageNet for volume-trace, Kinetics for r2plus1d-18 and mvit-v2-s).
        family: Of the network.

    Returns:
        The part that was filled, empty for the whole network.

    Raises:
        WeightsError: The file cannot be read safely, or holds another architecture.
    """
    state = {key.removeprefix(PREFIX): value for key, value in read_state(path).items()}
    shapes = {key: value.shape for key, value in state.items()}
    for part, module in net.named_modules():
        wanted = module.state_dict()
        if shapes and {key: value.shape for key, value in wanted.items()} == shapes:
            module.load_state_dict(state)
            return part
    if family in PRETRAINED:
        part, load = PRETRAINED[family]
        # Weights trained on photographs or on videos of people have another last layer.
        load(net.get_submodule(part), path)
        return part
    check_layers(net, state, path, family)
    return ""
