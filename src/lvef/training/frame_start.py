"""First weights for clip networks: how large the ventricle is, learned from single traced frames.

A clip has one label for some hundred images, so that a clip network made of random numbers needs thousands of steps before
it sees that there is a ventricle at all. A traced frame has a label of its own and costs a thirtieth. Here the network, or
the stream of it that sees images, learns the lengths of the 21 lines (long axis and chords) of a frame; its filters over
time start as "this frame alone". The EF is then a matter of comparing frames, and is learned from clips as ever.

``lvef train RECIPE --from-frames`` writes such weights for ``--init``. RECIPE is that of a clip network (small-video,
two-stream tuned); its data were made by ``lvef data prepare volume-traces``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lvef.core.errors import ConfigError
from lvef.io.atomic import atomic_path, check_writable, make_folder
from lvef.models.small_video import SmallVideoNet
from lvef.models.two_stream import TwoStreamNet
from lvef.training.clip_augmentation import augment_clips, batch_generators, transform_points
from lvef.training.fit import make_network
from lvef.training.loading import EpochSampler, OrderedSampler, loader
from lvef.training.machine import Machine
from lvef.training.optimisers import schedule
from lvef.training.recipe import VOLUME_TRACE, OptimiserSettings, Recipe
from lvef.training.run_folder import RunOptions
from lvef.training.training_data import mean_ef, open_training_data

BATCH, RATE, DECAY = 32, 2e-3, 0.02
"""Frames a step, largest rate and decay of AdamW. What is learned here is a start, so they are no settings."""


EPOCHS = 20
"""Passes over the frames unless the command line says otherwise."""

START_NAME = "start.pt"
"""File of the weights."""


@dataclass(frozen=True)
class Start:
    """What came out.

    Attributes:
        path: File of the weights.
        error: Mean absolute error of the lines' lengths on validation frames, in standard deviations of a line's length.
        error_of_mean: The same of always predicting the mean.
    """

    path: Path
    error: float
    error_of_mean: float

    def as_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return vars(self) | {"path": str(self.path)}


def frame_features(net: nn.Module, grey: Tensor) -> Tensor:
    """What a clip network makes of single frames.

    Args:
        net: A small video network, or a two-stream network whose stems are strided.
        grey: ``(b, 1, h, w)``, scaled as the network wants it.

    Returns:
        ``(b, k)``.

    Raises:
        ConfigError: The network sees no single frame.
    """
    if isinstance(net, SmallVideoNet):
        both: Tensor = net.features(grey[:, :, None])
        return both[:, : both.shape[1] // 2]  # mean and peak over one step are the same
    if isinstance(net, TwoStreamNet) and net.config.stem == "strided":
        steps: Tensor = net.spatial(grey)
        return steps[:, 0]
    raise ConfigError(
        f"{type(net).__name__}: only small-video and two-stream-tuned can start from single frames; start this one from "
        "weights of other data with --init."
    )


def forget_neighbours(net: nn.Module) -> None:
    """Let every filter over time start with the present frame alone."""
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, nn.Conv3d) and module.kernel_size[0] > 1:
                middle = module.kernel_size[0] // 2
                module.weight[:, :, :middle] = 0
                module.weight[:, :, middle + 1 :] = 0
            elif isinstance(module, nn.Conv2d) and module.kernel_size == (3, 1):
                module.weight[:, :, [0, 2]] = 0


def write_start(
    recipe: Recipe,
    folders: Sequence[Path],
    options: RunOptions,
    epochs: int,
    progress: Callable[[str], None] = lambda _: None,
) -> Start:
    """Learn the lines' lengths and write the weights.

    Args:
        recipe: Of a clip network.
        folders: Folders of traced frames; their patients are parted as in ``lvef train``.
        options: Folder for `START_NAME`.
        epochs: Passes over the frames.
        progress: Called with a message: device and precision, then the loss of each epoch.

    Raises:
        ConfigError: The network cannot start from frames.
        DataError: A folder cannot be used, or the file cannot be written.
    """
    make_folder(options.out)
    path = options.out / START_NAME
    check_writable(path)
    data = open_training_data(replace(recipe, family=VOLUME_TRACE, network={}), folders)
    parts = data.partition()
    net = make_network(recipe, mean_ef(parts.train))
    size, clip = recipe.clip.size, recipe.clip
    with torch.no_grad():
        features = frame_features(net.eval(), torch.zeros(1, 1, size, size)).shape[1]
    forget_neighbours(net)
    head = nn.Linear(features, 21)
    training, validation = data.part(parts.train, train=True), data.part(parts.validation, train=False)
    known = torch.stack(
        [line_lengths(training[draw]["lines_px"][None], size)[0] for draw in OrderedSampler(len(training))]
    )
    mean, spread = known.mean(0), known.std(0)
    optimiser = torch.optim.AdamW([*net.parameters(), *head.parameters()], lr=RATE, weight_decay=DECAY)
    batches = max(1, len(training) // BATCH)
    planned = schedule(optimiser, OptimiserSettings(learning_rate=RATE, schedule="cosine"), epochs * batches)
    sampler = EpochSampler([1.0] * len(training), recipe.seed)
    machine = Machine("cpu")
    precision = machine.precision(recipe.precision, recipe.family)
    progress(f"Frames: {machine.description(precision)}")
    net.train()
    for epoch in range(epochs):
        sampler.set_epoch(epoch)
        losses = []
        for step, batch in enumerate(loader(training, sampler, BATCH, 0, drop_last=batches > 1)):
            by = batch_generators((recipe.seed, 6, epoch, step), torch.device("cpu"))
            grey, theta = augment_clips(batch["frames"].float() / 255, by, recipe.augmentation)
            wanted = line_lengths(transform_points(batch["lines_px"], theta, size), size)
            with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16-mixed"):
                predicted = head(frame_features(net, (grey - clip.mean) / clip.std)).float()
            loss = nn.functional.smooth_l1_loss(predicted, (wanted - mean) / spread)
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimiser.step()
            if planned is not None:
                planned.step()
            losses.append(float(loss.detach()))
        progress(f"Frames: epoch {epoch + 1}/{epochs}, loss {sum(losses) / len(losses):.4g}")
    net.eval()
    errors, trivial = [], []
    with torch.inference_mode():
        for batch in loader(validation, OrderedSampler(len(validation)), BATCH, 0):
            grey = (batch["frames"].float() / 255 - clip.mean) / clip.std
            wanted = (line_lengths(batch["lines_px"], size) - mean) / spread
            errors.append((head(frame_features(net, grey)) - wanted).abs())
            trivial.append(wanted.abs())
    with atomic_path(path) as temporary:
        torch.save(net.state_dict(), temporary)
    return Start(path, float(torch.cat(errors).mean()), float(torch.cat(trivial).mean()))


def line_lengths(lines_px: Tensor, size: int) -> Tensor:
    """Lengths of the lines.

    Args:
        lines_px: ``(b, 42, 2)`` pixels.
        size: Side of the image in pixels.

    Returns:
        ``(b, 21)`` in parts of the side.
    """
    ends = lines_px.view(len(lines_px), -1, 2, 2) / size
    return (ends[:, :, 1] - ends[:, :, 0]).norm(dim=-1)
