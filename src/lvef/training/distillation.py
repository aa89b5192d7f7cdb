"""Several trained segmentation networks as teachers of one: its probabilities learn to be their mean.

Source: Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network", 2015, here without a temperature.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from lvef.core.config import from_mapping
from lvef.core.errors import ConfigError, DataError
from lvef.inference.card import Card, read_card
from lvef.models.segmentation import SegNet, SegNetConfig
from lvef.training.checkpoints import LAST_NAME, read_checkpoint
from lvef.training.run_folder import HELD_OUT_NAME
from lvef.transforms.spec import InputSpec

MIN_PROBABILITY = 1e-6
"""Smaller probabilities of the teachers count as this one in the logarithm."""


@dataclass(frozen=True)
class Teacher:
    """A trained network, and which of the student's channels it is shown."""

    net: SegNet
    channels: tuple[int, ...]


def load_teachers(runs: Sequence[Path], name: str, spec: InputSpec, unseen: Sequence[str]) -> list[Teacher]:
    """Networks of complete runs.

    Args:
        runs: Their folders.
        name: Of the network's folder in each.
        spec: What the student is shown; each teacher is shown the same, in the same brightness, or some of its frames.
        unseen: Patients whom the student does not learn from: no teacher may have learned from them either.

    Raises:
        DataError: There is no such run.
        ConfigError: A teacher is shown other images, or has learned from a patient who is held out.
    """
    return [_load(run, read_card(run / name), spec, unseen) for run in runs]


def _load(run: Path, card: Card, spec: InputSpec, unseen: Sequence[str]) -> Teacher:
    check_held_out(run, unseen)
    offsets = card.input.offsets_s
    like = replace(card.input, offsets_s=spec.offsets_s, brightness=spec.brightness)
    if not set(offsets) <= set(spec.offsets_s) or like != spec:
        raise ConfigError(
            f"{run}: this teacher is shown other images than the network that is trained; size, crop, pad, mean, std and "
            "mirror must be equal, and its frames (input.offsets_s) among those of the network."
        )
    shape = {name: card.architecture[name] for name in SegNetConfig.__dataclass_fields__}
    net = SegNet(from_mapping(SegNetConfig, shape, str(run)))
    state = read_checkpoint(run / f"{LAST_NAME}.ckpt")["state_dict"]
    net.load_state_dict({key.removeprefix("net."): value for key, value in state.items()})
    net.eval().requires_grad_(False)
    return Teacher(net, tuple(spec.offsets_s.index(offset) for offset in offsets))


def check_held_out(run: Path, unseen: Sequence[str]) -> None:
    """See that a run is complete and has not learned from patients who are held out.

    Raises:
        DataError: There is no such run.
        ConfigError: It has learned from one of them.
    """
    names = run / HELD_OUT_NAME
    if not (names.is_file() and (run / f"{LAST_NAME}.ckpt").is_file()):
        raise DataError(f"{run}: no run to start or learn from; {HELD_OUT_NAME} and last.ckpt were expected.")
    known = set(unseen) - set(names.read_text().split())
    if known:
        raise ConfigError(
            f"{run} has learned from {len(known)} of the patients who are held out; choose a run of the same fold."
        )


def distillation_loss(logits: Tensor, shown: Tensor, teachers: Sequence[Teacher]) -> Tensor:
    """Kullback-Leibler divergence of the student from the mean of its teachers, per pixel.

    Args:
        logits: Of the student, ``(b, classes, h, w)``.
        shown: Its input on the network's scale, ``(b, k, h, w)``.
        teachers: At least one.

    Returns:
        A scalar, 0 where the student has the mean probabilities of its teachers.
    """
    with torch.no_grad():
        of_each = [teacher.net(shown[:, list(teacher.channels)]).float().softmax(1) for teacher in teachers]
        aim = torch.stack(of_each).mean(0)
    apart = aim.clamp_min(MIN_PROBABILITY).log() - logits.float().log_softmax(1)
    return (aim * apart).sum(1).mean()
