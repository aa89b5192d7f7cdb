"""The segmentation family: recipe, cases from stills and animated stills, training, and the mean of several runs.

Source of the mean of runs: Wortsman et al., "Model soups", ICML 2022.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

from lvef.core.config import to_mapping
from lvef.core.errors import ConfigError, DataError
from lvef.core.journal import file_sha256
from lvef.core.serialization import parse_json
from lvef.core.terms import SEGMENTATION, Phase
from lvef.datasets.camus import CamusStill, read_split, read_stills
from lvef.inference.card import EVERY_FRAME, MODEL_NAME, Card
from lvef.io.atomic import atomic_path, make_folder, write_text_atomic
from lvef.models.export import export_segmentation
from lvef.models.mobilenet import BackboneSegmentation, backbone_state
from lvef.models.segmentation import SegNet, SegNetConfig
from lvef.training.animated_stills import FRAME_RATE_HZ, STORED_SIZE, pairs_of, read_animated, still_squares
from lvef.training.camus_run import (
    CamusRecipe,
    CamusResult,
    CamusTask,
    animated_file,
    choose_patients,
    fit_averaged,
    save_camus_card,
    train_on_camus,
)
from lvef.training.checkpoints import LAST_NAME, read_checkpoint
from lvef.training.distillation import Teacher, check_held_out, distillation_loss, load_teachers
from lvef.training.image_augmentation import augment
from lvef.training.losses import area_ratio_error, cross_entropy_and_dice, dice_per_case
from lvef.training.recipe import check_choice
from lvef.training.run_folder import HELD_OUT_NAME, RUN_NAME, RunOptions
from lvef.transforms.frames import brightness_gamma, other_phase_channels

Arrays = tuple[NDArray[np.uint8], NDArray[np.uint8]]
"""Images and labels of the same shape."""

STRUCTURES = ("lv", "myocardium", "la")
"""Structures that are labelled, in the order of their numbers from 1."""

BACKBONE, BACKBONE_NAME = "mobilenet-v2", "mobilenet_v2.pt"
"""The encoder that is trained for other networks, and the file of its state dict."""

VERSION = "1.4.0"
"""Version that a newly trained network gets."""

LIMITS = (
    "Trained on stills of one hospital and one maker's machine; other machines, contrast agents and children were not seen.",
    "A shadow over the ventricle, or a wall that drops out, makes the EF three to five points worse.",
    "A faint lateral wall at end-systole is drawn too far out: on synthetic phantoms the EF is 4 to 7 points too low.",
    "Apical four- and two-chamber views only; other views are not reliably refused.",
    "One view cannot reveal foreshortening.",
    "A2C stills of the dataset have lost their scale and aspect ratio.",
)
"""Known weaknesses."""


@dataclass(frozen=True)
class SegmentationRecipe(CamusRecipe):
    """A training run of the segmentation network. Of its steps two frames of each case count as ``batch_size``."""

    name: str = "camus-seg"
    family: str = SEGMENTATION
    animated_share: float = 0.0
    """Part of the cases that are animated stills; the others are the stills themselves."""
    area_ratio_weight: float = 0.0
    """Weight of `lvef.training.losses.area_ratio_error` in the loss."""
    still_context: float = 0.0
    """Part of the stills that are shown with the other phase before and after; the others fill every channel."""
    alone: float = 0.1
    """Part of the instants of animated stills that fill every channel, without the frames around them."""
    label_weight: float = 0.5
    """Weight of the loss of the labels where there are teachers; without them it is 1."""
    teacher_weight: float = 2.0
    """Weight of `lvef.training.distillation.distillation_loss` where there are teachers."""
    brightness_spread: float = 0.12
    """Standard deviation of the logarithm by which the gamma of a case misses that of ``input.brightness``."""
    network: SegNetConfig = field(default_factory=SegNetConfig)
    """Shape of the network."""
    backbone: str | None = None
    """``mobilenet-v2`` trains MobileNetV2 as the encoder of another network and writes its weights alone: they stand in for
    those of ImageNet where these are out of reach."""

    def __post_init__(self) -> None:
        CamusRecipe.__post_init__(self)
        if self.backbone is not None:
            check_choice("backbone", self.backbone, (BACKBONE,))
            if self.input.brightness:
                raise ConfigError("a backbone is trained without input.brightness; 0 is needed.")


def still_pairs(stills: Iterable[CamusStill], size: int) -> Arrays:
    """ED and ES of every patient and view that has both, each ``(pairs, 2, size, size)`` uint8."""
    pairs = [sorted(pair, key=lambda s: s.phase != Phase.ED) for pair in pairs_of(stills) if len(pair) == 2]
    images, labels = still_squares((still for pair in pairs for still in pair), size)
    return images.reshape(-1, 2, size, size), labels.reshape(-1, 2, size, size)


class FramePairs(Dataset[tuple[Tensor, Tensor]]):
    """Cases of two instants of one heart, each with the frames around it that the model is shown.

    Args:
        stills: Images and labels, each ``(pairs, 2, size, size)`` uint8, ED and ES of one patient and view.
        animated: Frames and labels, each ``(cines, frames, size, size)`` uint8, at `FRAME_RATE_HZ`; or None.
        recipe: Offsets and shares.
    """

    def __init__(self, stills: Arrays, animated: Arrays | None, recipe: SegmentationRecipe) -> None:
        self.stills, self.animated, self.recipe = stills, animated, recipe
        self.rng = np.random.default_rng(recipe.seed)
        share = recipe.animated_share if animated is not None else 0.0
        self.n_animated = round(len(stills[0]) * share / (1 - share))

    def __len__(self) -> int:
        """Cases of an epoch: every pair of stills once, and animated stills by their share."""
        return len(self.stills[0]) + self.n_animated

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """Images and labels, each ``(2 k, size, size)`` uint8: the k frames of the first instant, then of the second."""
        n = len(self.stills[0])
        if index < n or self.animated is None:
            source, picked = self.stills, (index, self._phases())
        else:
            source = self.animated
            picked = (int(self.rng.integers(len(source[0]))), self._instants(source[0].shape[1]))
        return tuple(torch.from_numpy(array[picked[0]][picked[1]]) for array in source)

    def _phases(self) -> NDArray[np.intp]:
        ed = np.zeros(len(self.recipe.input.offsets_s), np.intp)
        if self.rng.random() < self.recipe.still_context:
            ed[other_phase_channels(self.recipe.input.offsets_s)] = 1
        return np.concatenate([ed, 1 - ed])

    def _instants(self, frames: int) -> NDArray[np.intp]:
        # Frame rates of files are sometimes wrong, and heart rates differ: the offsets are stretched by up to a third.
        stretch = self.rng.uniform(0.7, 1.35) if self.rng.random() > self.recipe.alone else 0.0
        offsets = np.array(self.recipe.input.offsets_s) * FRAME_RATE_HZ * stretch
        at = self.rng.integers(frames, size=2)
        return np.clip(np.rint(at[:, None] + offsets[None]), 0, frames - 1).astype(np.intp).ravel()


class SegmentationTask(CamusTask):
    """Network, augmentation, loss and schedule.

    Args:
        recipe: The recipe.
        teachers: Networks whose mean it learns beside the labels.
    """

    def __init__(self, recipe: SegmentationRecipe, teachers: Sequence[Teacher] = ()) -> None:
        shape = replace(recipe.network, in_frames=len(recipe.input.offsets_s))
        super().__init__(recipe, BackboneSegmentation() if recipe.backbone else SegNet(shape))
        # In a tuple, so that their weights are none of this module's: they do not belong into its checkpoint.
        self.teachers = tuple(teachers)

    def on_fit_start(self) -> None:
        """Bring the teachers to the device that computes."""
        for teacher in self.teachers:
            teacher.net.to(self.device)

    def forward(self, grey: Tensor) -> Tensor:
        """Logits of grey images 0-1, ``(b, k, h, w)``."""
        out: Tensor = self.net(self.shown(grey))
        return out

    def to_brightness(self, images: Tensor, spread: Tensor | None = None) -> Tensor:
        """Grey images 0-1 of cases, ``(b, k, h, w)``, with the gamma of a clip, times ``spread`` of each case."""
        target = self.recipe.input.brightness
        if not target:
            return images
        few = (images[:, :, 1::4, 1::4] * 255).round().byte().cpu().numpy()
        gammas = torch.tensor([brightness_gamma(case, target) for case in few], device=images.device)
        gammas = gammas if spread is None else gammas * spread.to(gammas)
        shown: Tensor = images.clamp(min=0) ** gammas[:, None, None, None].to(images)
        return shown

    def training_step(self, batch: list[Tensor], _: int) -> Tensor:
        """Loss of one augmented batch."""
        r = self.recipe
        k, middle = len(r.input.offsets_s), r.input.offsets_s.index(0.0)
        with torch.autocast("cpu", enabled=False):
            images, labels = augment(
                batch[0].float() / 255, batch[1].long(), r.input.size, self.rng, r.augmentation
            )
            if r.input.brightness:
                spread = r.brightness_spread * torch.randn(len(images), generator=self.rng)
                images = self.to_brightness(images, spread.exp())
        # Both instants of a case become cases of their own: first instants, then second ones.
        images = torch.cat([images[:, :k], images[:, k:]])
        target = torch.cat([labels[:, middle], labels[:, k + middle]])
        logits = self(images)
        overlap, ratio = cross_entropy_and_dice(logits, target), area_ratio_error(logits, target)
        loss: Tensor = overlap + r.area_ratio_weight * ratio
        shown = {"overlap": overlap, "ratio": ratio}
        if self.teachers:
            apart = distillation_loss(logits, self.shown(images), self.teachers)
            loss = r.label_weight * loss + r.teacher_weight * apart
            shown["teachers"] = apart
        shown["loss"] = loss
        self.log_dict(shown, on_step=False, on_epoch=True, prog_bar=True)
        return loss

    def validation_step(self, batch: list[Tensor], _: int) -> None:
        """Dice of unseen stills, as they are."""
        far = torch.from_numpy(other_phase_channels(self.recipe.input.offsets_s)).long()
        # ED with ES as its other phase, then ES with ED.
        images = torch.cat([batch[0][:, far], batch[0][:, 1 - far]])
        logits = self(self.to_brightness(images.float() / 255))
        dice = dice_per_case(logits.argmax(1), batch[1].transpose(0, 1).flatten(0, 1).long())
        for k, name in enumerate(STRUCTURES):
            self.log(f"dice_{name}", dice[:, k].nanmean(), prog_bar=k == 0, batch_size=len(dice))


def train_segmentation(
    recipe: SegmentationRecipe, data: Path, options: RunOptions, animated: Path | None = None
) -> CamusResult:
    """Train, resume, or return the result of a complete run.

    Args:
        recipe: Settings; its ``fold`` is held out.
        data: Folder of CAMUS that holds ``database_nifti`` and ``database_split``.
        options: ``init`` is the run folder whose weights are the first ones.
        animated: File of animated stills; made where it is missing. None for one in the run's folder.

    Raises:
        ConfigError: Settings do not fit each other, the machine or an earlier start.
        DataError: A file cannot be read or written.
    """
    used, unseen = choose_patients(recipe, data, options)
    start = load_start(options.init, unseen)
    teachers = load_teachers(options.teachers, recipe.name, recipe.input, unseen)

    def train(precision: Any) -> tuple[Any, dict[str, Any]]:  # noqa: ANN401
        cines = read_animated(animated_file(data, options, animated), used) if recipe.animated_share else None
        cases = FramePairs(still_pairs(read_stills(data, used), STORED_SIZE), cines, recipe)
        shown = still_pairs(read_stills(data, unseen), recipe.input.size) if unseen else None
        net = fit_segmentation(
            recipe, cases, shown, options, precision=precision, start=start, teachers=teachers
        )
        dice = mean_dice(net, recipe, shown) if recipe.backbone and shown else None
        return net, {"cases": len(cases)} | ({"dice_of_left_out": dice} if recipe.backbone else {})

    def write(trained: tuple[Any, dict[str, Any]], minutes: float) -> tuple[str, dict[str, Any]]:
        net, facts = trained
        if recipe.backbone:
            path = options.out / BACKBONE_NAME
            with atomic_path(path) as temporary:
                torch.save(backbone_state(net), temporary)
            return path.name, facts | {"sha256": file_sha256(path)}
        card = write_segmentation(net, recipe, used, minutes, options, options.out / recipe.name)
        return recipe.name, facts | {"model_sha256": card.model_sha256}

    name = options.init.name if options.init else "none"
    named = {"teachers": [run.name for run in options.teachers]} if options.teachers else {}
    return train_on_camus(recipe, options, (used, unseen), train, write, start=name, **named)


def mean_dice(net: nn.Module, recipe: SegmentationRecipe, stills: Arrays) -> dict[str, float]:
    """Mean Dice of stills, each shown alone, by structure.

    Args:
        net: Network of one frame.
        recipe: Its recipe.
        stills: From `still_pairs`, at the network's size.
    """
    images, labels = (torch.from_numpy(array).flatten(0, 1) for array in stills)
    grey = (images[:, None].float() / 255 - recipe.input.mean) / recipe.input.std
    with torch.inference_mode():
        predicted = torch.cat([net(part).argmax(1) for part in grey.split(32)])
    mean = dice_per_case(predicted, labels.long()).nanmean(0).tolist()
    return {name: round(value, 4) for name, value in zip(STRUCTURES, mean, strict=True)}


def average_runs(
    recipe: SegmentationRecipe, runs: Sequence[Path], data: Path, options: RunOptions
) -> CamusResult:
    """One network from several runs that began with the same weights: the mean of theirs.

    What one run learned by chance is averaged out, and the network costs no more than one of them. Weights of runs from
    different random numbers have no meaningful mean.

    Args:
        recipe: Of all runs.
        runs: Their folders.
        data: Folder of CAMUS.
        options: ``out`` gets the network in a folder of its name, ``last.ckpt`` with the mean for --start and --teacher, and
            ``held-out.txt``: patients whom no run has met.

    Raises:
        DataError: A folder holds no complete run, or the runs have different networks.
    """
    patients = read_split(data, "training")
    states, minutes, epochs, unseen = [], 0.0, 0, set(patients)
    for run in runs:
        checkpoint, names, found = _read_run(run)
        states.append(checkpoint["state_dict"])
        unseen &= set(names)
        minutes += found
        epochs += int(checkpoint.get("epoch", -1)) + 1
    task = SegmentationTask(recipe)
    task.load_state_dict(mean_state(states))
    used = [patient for patient in patients if patient not in unseen]
    network = options.out / recipe.name
    write_segmentation(task.net.eval(), recipe, used, minutes, options, network)
    with atomic_path(options.out / f"{LAST_NAME}.ckpt") as temporary:
        torch.save({"state_dict": task.state_dict(), "epoch": epochs - 1}, temporary)
    left_out = "".join(f"{patient}\n" for patient in patients if patient in unseen)
    write_text_atomic(options.out / HELD_OUT_NAME, left_out)
    return CamusResult(options.out, network, epochs, epochs, round(minutes, 1))


def mean_state(states: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Mean of several states, entry by entry; counters stay whole numbers.

    Raises:
        DataError: The states are of different networks.
    """
    first = states[0]
    shapes = [{name: value.shape for name, value in state.items()} for state in states]
    if any(shape != shapes[0] for shape in shapes):
        raise DataError("the runs have different models; runs of one recipe were expected.")
    return {
        name: torch.stack([state[name].float() for state in states]).mean(0).to(value.dtype)
        for name, value in first.items()
    }


def load_start(run: Path | None, unseen: Sequence[str]) -> dict[str, Any] | None:
    """Weights of an earlier run that was not trained on any patient held out here.

    Args:
        run: Its folder, or None for random weights.
        unseen: Patients that are held out.

    Raises:
        DataError: There is no such run.
        ConfigError: It has learned from a patient who is held out here.
    """
    if run is None:
        return None
    check_held_out(run, unseen)
    state: dict[str, Any] = read_checkpoint(run / f"{LAST_NAME}.ckpt")["state_dict"]
    return state


def fit_segmentation(
    recipe: SegmentationRecipe,
    cases: FramePairs,
    validation: Arrays | None,
    options: RunOptions,
    *,
    precision: Any = None,  # noqa: ANN401
    start: dict[str, Any] | None = None,
    teachers: Sequence[Teacher] = (),
) -> Any:  # noqa: ANN401
    """Train, or go on training, and return the averaged network.

    Args:
        recipe: Settings.
        cases: Cases at `lvef.training.animated_stills.STORED_SIZE`.
        validation: From `still_pairs` at the network's size, or None.
        options: Folder of checkpoints and metrics, machine, loggers and progress.
        precision: Arithmetic; None for the recipe's.
        start: State of a task to begin with, instead of random weights.
        teachers: Networks whose mean is learned beside the labels.
    """
    L.seed_everything(recipe.seed, verbose=False)
    task = SegmentationTask(recipe, teachers)
    if start is not None:
        task.load_state_dict(start)
    loader = DataLoader(cases, recipe.batch_size // 2, shuffle=True, drop_last=True)
    shown = DataLoader(TensorDataset(*map(torch.from_numpy, validation)), 25) if validation else None
    fit_averaged(
        task,
        loader,
        options,
        "dice_lv: validation Dice of the LV",
        validation=shown,
        precision=precision,
        check_val_every_n_epoch=2,
    )
    return task.net


def write_segmentation(
    net: SegNet,
    recipe: SegmentationRecipe,
    patients: Sequence[str],
    minutes: float,
    options: RunOptions,
    folder: Path,
) -> Card:
    """Write ``model.onnx`` and ``card.json``; the metrics are added by ``lvef evaluate --write-card``."""
    make_folder(folder)
    offsets = recipe.input.offsets_s
    export_segmentation(net, recipe.input.size, folder / MODEL_NAME, frames=len(offsets))
    sampling = EVERY_FRAME
    if len(offsets) > 1:
        around = ", ".join(f"{s:+g}" for s in offsets if s)
        sampling = (
            f"every frame with those at {around} s around it; of a still, the other phase where it is known"
        )
    more = ", and animated stills made from them" if recipe.animated_share else ""
    return save_camus_card(
        recipe,
        options,
        patients,
        minutes,
        folder,
        data=f"CAMUS, training subgroup, A4C and A2C, ED and ES stills with expert masks{more}",
        version=VERSION,
        kind="segmentation",
        title="Left ventricle, myocardium and left atrium on apical four- and two-chamber frames",
        classes=("background", *STRUCTURES),
        architecture={
            "family": "SegNet",
            "parameters": sum(p.numel() for p in net.parameters()),
            **to_mapping(replace(recipe.network, in_frames=len(offsets))),
        },
        sampling=sampling,
        limits=LIMITS,
    )


def _read_run(run: Path) -> tuple[dict[str, Any], list[str], float]:
    """Checkpoint, patients never seen, and minutes of a complete run."""
    try:
        names = (run / HELD_OUT_NAME).read_text().split()
        minutes = float(parse_json((run / RUN_NAME).read_text())["minutes"])
        return read_checkpoint(run / f"{LAST_NAME}.ckpt"), names, minutes
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise DataError(
            f"{run}: no finished run of the segmentation ({type(error).__name__}: {error}); last.ckpt, {HELD_OUT_NAME} "
            "and run.json were expected."
        ) from None
