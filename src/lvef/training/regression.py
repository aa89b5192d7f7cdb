"""Training steps of the networks that give numbers: EF of clips, EF of two streams, lines of frames.

Grey levels travel as bytes; scaling, variation and the two streams are computed on the device. Validation looks at what is
served: the fused EF, averaged over several clips, with the base loss alone. Penalties and side terms steer training and
have no say in which weights are kept.
"""

from __future__ import annotations

from typing import Any

import lightning as L
import torch
from torch import Tensor, nn

from lvef.core.errors import DataError
from lvef.training.clip_augmentation import (
    Generators,
    augment_clips,
    batch_generators,
    combine_seeds,
    transform_points,
)
from lvef.training.loading import Batch
from lvef.training.losses import base_loss, ef_loss
from lvef.training.optimisers import optimiser, schedule
from lvef.training.recipe import TWO_STREAM, VOLUME_TRACE, Recipe

EVAL_CLIPS = 16
"""Clips at once outside of training: several clips of a case must not take several times the memory of a training step."""


class DivergedError(DataError):
    """The loss is no longer a number."""


class Task(L.LightningModule):
    """A network and how it is trained.

    Args:
        recipe: Settings.
        net: The network.
    """

    def __init__(self, recipe: Recipe, net: nn.Module) -> None:
        super().__init__()
        self.recipe, self.net = recipe, net
        self._hooks: list[Any] = []

    def on_fit_start(self) -> None:
        """With mixed precision, let the layers that give an EF compute in full: bf16 knows 45.0 and 45.25, none between."""
        for module in self.net.modules():
            if isinstance(module, nn.Linear) and module.out_features == 1:
                self._hooks.append(module.register_forward_hook(_full_precision))

    def on_fit_end(self) -> None:
        """Take the network as it was."""
        for hook in self._hooks:
            hook.remove()
        self._hooks.clear()

    def predicted(self, batch: Batch) -> Tensor:
        """Predictions outside of training: ``(b,)`` EF in percent, or ``(b, 84)`` lines in parts of the side."""
        raise NotImplementedError

    def wanted(self, batch: Batch) -> Tensor:
        """What the predictions should be, same shape."""
        raise NotImplementedError

    def training_loss(self, batch: Batch, by: Generators) -> Tensor:
        """What is made small."""
        raise NotImplementedError

    def on_train_epoch_start(self) -> None:
        """Dropout draws from torch's global source: it starts anew, so that an epoch does not depend on those before."""
        torch.manual_seed(combine_seeds(self.recipe.seed, 4, self.current_epoch, self.global_rank))

    def training_step(self, batch: Batch, step: int) -> Tensor:
        """Loss of a batch."""
        by = batch_generators((self.recipe.seed, 5, self.current_epoch, step, self.global_rank), self.device)
        loss = self.training_loss(batch, by)
        if not bool(torch.isfinite(loss.detach())):
            raise DivergedError(
                f"{self.recipe.name}: the loss is no longer a number in epoch {self.current_epoch}; lower "
                "optimiser.learning_rate, or set optimiser.gradient_clip or precision 32-true."
            )
        self._log_epoch(len(batch["frames"]), train_loss=loss)
        return loss

    def validation_step(self, batch: Batch, _: int) -> None:
        """Loss and mean absolute error of a batch."""
        predicted, wanted = self.predicted(batch).float(), self.wanted(batch)
        loss, mae = base_loss(predicted, wanted, self.recipe.loss), (predicted - wanted).abs().mean()
        self._log_epoch(len(wanted), val_loss=loss, val_mae=mae)

    def _log_epoch(self, cases: int, **values: Tensor) -> None:
        """Log the means over an epoch of values of a batch of so many cases."""
        self.log_dict(values, on_step=False, on_epoch=True, prog_bar=True, sync_dist=True, batch_size=cases)

    def configure_optimizers(self) -> Any:  # noqa: ANN401
        """Optimiser and schedule of the recipe."""
        chosen = optimiser(self.net, self.recipe.optimiser)
        steps = int(self.trainer.estimated_stepping_batches)
        planned = schedule(chosen, self.recipe.optimiser, steps)
        if planned is None:
            return chosen
        return {"optimizer": chosen, "lr_scheduler": {"scheduler": planned, "interval": "step"}}

    def _grey(self, frames: Tensor) -> Tensor:
        """Bytes to 0..1."""
        return frames.float() / 255

    def _scaled(self, grey: Tensor) -> Tensor:
        return (grey - self.recipe.clip.mean) / self.recipe.clip.std


class ClipTask(Task):
    """Grey clips ``(b, 1, t, h, w)`` to EF."""

    def outputs(self, grey: Tensor) -> Any:  # noqa: ANN401
        """What the network says of clips ``(b, t, h, w)`` in 0..1."""
        return self.net(self._scaled(grey)[:, None])

    def predicted(self, batch: Batch) -> Tensor:
        """EF ``(b,)``, the mean over the clips of each case."""
        frames: Tensor = batch["frames"]  # (b, clips, t, h, w)
        flat = frames.flatten(0, 1)
        parts = [self.outputs(self._grey(part)) for part in flat.split(EVAL_CLIPS)]
        return torch.cat(parts).float().view(frames.shape[:2]).mean(1)

    def wanted(self, batch: Batch) -> Tensor:
        """EF in percent ``(b,)``."""
        ef: Tensor = batch["ef"]
        return ef

    def training_loss(self, batch: Batch, by: Generators) -> Tensor:
        """Base loss and ordinal term of one clip of each case."""
        grey, _ = augment_clips(self._grey(batch["frames"]), by, self.recipe.augmentation)
        return ef_loss(self.outputs(grey), batch["ef"], self.recipe.loss)


class TwoStreamTask(ClipTask):
    """Two streams to EF; the frames are one more than each stream has."""

    def outputs(self, grey: Tensor) -> Any:  # noqa: ANN401
        """Fused EF, and in training mode those of both streams."""
        return self.net(*streams_of(grey))

    def training_loss(self, batch: Batch, by: Generators) -> Tensor:
        """Loss of the fused EF, of the streams' own EFs as side terms, and the network's penalty."""
        grey, _ = augment_clips(self._grey(batch["frames"]), by, self.recipe.augmentation)
        fused, *sides = self.outputs(grey)
        loss = ef_loss(fused, batch["ef"], self.recipe.loss)
        for side in sides:
            loss = loss + self.recipe.loss.streams * base_loss(side, batch["ef"], self.recipe.loss)
        penalty: Any = getattr(self.net, "penalty", None)
        return loss + penalty() if penalty is not None else loss


class TraceTask(Task):
    """Grey frames ``(b, 1, h, w)`` to 84 numbers."""

    def predicted(self, batch: Batch) -> Tensor:
        """Lines ``(b, 84)`` in parts of the side."""
        out: Tensor = self.net(self._scaled(self._grey(batch["frames"])))
        return out

    def wanted(self, batch: Batch) -> Tensor:
        """Traced lines, as `predicted`."""
        lines: Tensor = batch["lines_px"]
        return lines.flatten(1) / self.recipe.clip.size

    def training_loss(self, batch: Batch, by: Generators) -> Tensor:
        """Base loss of varied frames, whose lines go along."""
        grey, theta = augment_clips(self._grey(batch["frames"]), by, self.recipe.augmentation)
        lines = transform_points(batch["lines_px"], theta, self.recipe.clip.size)
        mirrored = torch.linalg.det(theta[:, :, :2]) < 0
        lines = torch.where(mirrored[:, None, None], swap_chord_ends(lines), lines)
        return base_loss(
            self.net(self._scaled(grey)), lines.flatten(1) / self.recipe.clip.size, self.recipe.loss
        )


def _full_precision(layer: nn.Linear, inputs: tuple[Tensor, ...], out: Tensor) -> Tensor:
    if out.dtype == torch.float32:
        return out
    with torch.autocast(out.device.type, enabled=False):
        return nn.functional.linear(inputs[0].float(), layer.weight.float(), layer.bias.float())


def streams_of(grey: Tensor) -> tuple[Tensor, Tensor]:
    """Both streams on the device, as `lvef.transforms.two_stream.two_streams` makes them.

    Args:
        grey: ``(b, t + 1, h, w)`` float32 in 0..1.

    Returns:
        Frames 1 to t, and differences of consecutive frames, each of mean 0 and standard deviation 1, or 0 where constant.
    """
    with torch.autocast(grey.device.type, enabled=False):
        change = grey[:, 1:] - grey[:, :-1]
        change = change - change.mean((2, 3), keepdim=True)
        spread = change.square().mean((2, 3), keepdim=True).sqrt()
        # A thousandth of one step of a byte is rounding, not motion.
        still = spread < 1e-3 / 255
        return grey[:, 1:], torch.where(
            still, torch.zeros_like(change), change / spread.masked_fill(still, 1.0)
        )


def swap_chord_ends(lines: Tensor) -> Tensor:
    """Lines of a mirrored image in their order again: each chord's ends change places, the axis keeps its own.

    Args:
        lines: ``(b, 42, 2)``, 21 lines with two ends each.
    """
    pairs = lines.view(len(lines), -1, 2, 2)
    return torch.cat([pairs[:, :1], pairs[:, 1:].flip(2)], 1).flatten(1, 2)


def task_for(recipe: Recipe, net: nn.Module) -> Task:
    """The task of a recipe's family."""
    kinds = {TWO_STREAM: TwoStreamTask, VOLUME_TRACE: TraceTask}
    return kinds.get(recipe.family, ClipTask)(recipe, net)
