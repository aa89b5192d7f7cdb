"""Recipes: every setting of a training run, read from TOML.

A recipe holds whatever moves the numbers. Where the data lies, which device computes and how many processes load are
words of the command line. An unknown key raises, as does an impossible value; the resolved recipe goes into the
run's ``run.json``.
"""

from __future__ import annotations

import copy
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lvef
from lvef.core.config import from_mapping, read_toml_values
from lvef.core.errors import ConfigError, did_you_mean
from lvef.core.serialization import parse_toml

SMALL_VIDEO = "small-video"
"""Family whose filters are 2-D."""

CLIP_FAMILIES = ("r2plus1d-18", "mvit-v2-s", SMALL_VIDEO)
"""Families that read grey clips and give an EF."""

TWO_STREAM, VOLUME_TRACE = "two-stream", "volume-trace"
"""Families with inputs of their own."""

FAMILIES = (TWO_STREAM, VOLUME_TRACE, *CLIP_FAMILIES)
"""Families of these recipes; those of ``segmentation`` are `lvef.training.segmentation.SegmentationRecipe`."""

LOSSES = ("mse", "mae", "smooth-l1")
"""Names of losses."""

OPTIMISERS = ("adam", "adamw", "muon")
"""Names of optimisers."""

SCHEDULES = ("constant", "one-cycle", "cosine")
"""Names of learning-rate schedules."""

PRECISIONS = ("auto", "32-true", "16-mixed", "bf16-mixed")
"""Arithmetic of training; for ``auto`` see `lvef.training.machine.Machine.precision`."""


@dataclass(frozen=True)
class DataSettings:
    """Which cases are learned from."""

    stores: tuple[str, ...] = ()
    """Prepared stores, where the command line names none."""
    weights: tuple[float, ...] = ()
    """How often a case of each store comes in an epoch: 1 once, 0.5 in every second epoch; empty for once each."""
    validation_fraction: float = 0.2
    """Part of the patients kept for validation where the stores name no validation patients, and inside folds."""
    split_seed: int = 1
    """Of that draw and of the folds, so that runs with other seeds are evaluated on the same patients."""

    def __post_init__(self) -> None:
        if not 0 < self.validation_fraction < 1 or any(w < 0 for w in self.weights):
            raise ConfigError(
                f"data: validation_fraction {self.validation_fraction:g} and weights {list(self.weights)} found; a fraction "
                "between 0 and 1 and weights from 0 were expected."
            )


@dataclass(frozen=True)
class ClipSettings:
    """What a network sees of a clip, or of a frame."""

    frames: int = 32
    """Frames read; of two-stream networks each stream has one fewer."""
    duration_s: float = 2.0
    """Seconds from the first of them to the last."""
    size: int = 112
    """Side of the square in pixels."""
    mean: float = 0.0
    """Subtracted from grey / 255."""
    std: float = 1.0
    """Divides after the mean is subtracted."""
    clips: int = 3
    """Evenly spaced clips that are averaged outside of training."""

    def __post_init__(self) -> None:
        if self.frames < 2 or not self.duration_s > 0 or self.size < 16 or not self.std > 0 or self.clips < 1:
            raise ConfigError(
                f"clip: {self.frames} frames over {self.duration_s:g} s, size {self.size}, std {self.std:g}, clips "
                f"{self.clips} found; at least 2 frames over more than 0 s, size 16, std above 0 and 1 clip were expected."
            )


@dataclass(frozen=True)
class OptimiserSettings:
    """How the weights move."""

    kind: str = "adam"
    """adam, adamw or muon."""
    learning_rate: float = 1e-3
    """Its largest value."""
    weight_decay: float = 0.0
    """Decoupled in adamw and muon, added to the gradient in adam."""
    schedule: str = "constant"
    """constant, one-cycle or cosine, over all epochs."""
    warm_up: float = 0.1
    """Part of the steps in which the rate of one-cycle and cosine rises."""
    gradient_clip: float = 0.0
    """Largest norm of the gradient; 0 for none."""

    def __post_init__(self) -> None:
        check_choice("optimiser: kind", self.kind, OPTIMISERS)
        check_choice("optimiser: schedule", self.schedule, SCHEDULES)
        if not self.learning_rate > 0 or self.weight_decay < 0 or not 0 <= self.warm_up < 1:
            raise ConfigError(
                f"optimiser: learning_rate {self.learning_rate:g}, weight_decay {self.weight_decay:g}, warm_up "
                f"{self.warm_up:g} found; a rate above 0, a decay from 0 and a warm_up from 0 to below 1 were expected."
            )
        if self.gradient_clip < 0:
            raise ConfigError(f"optimiser: gradient_clip {self.gradient_clip:g} found; at least 0 expected.")


@dataclass(frozen=True)
class AugmentationSettings:
    """Strengths of what is varied in training; 0 leaves it out. One draw holds for all frames of a clip."""

    shift: float = 0.0
    """Standard deviation of the shift, as part of the side; black comes in, never a normalised zero."""
    log_zoom: float = 0.0
    """Standard deviation of the log of the zoom."""
    rotation_deg: float = 0.0
    """Standard deviation of the turn."""
    p_mirror: float = 0.0
    """Probability of a left-right mirror."""
    log_gamma: float = 0.0
    """Standard deviation of the log of gamma."""
    gain: float = 0.0
    """Standard deviation of the log of the gain."""
    noise: float = 0.0
    """Largest standard deviation of noise in every frame, as part of white."""
    blur: float = 0.0
    """Probability that the image loses resolution, down to half."""
    log_speed: float = 0.0
    """Standard deviation of the log of the time that a clip spans."""

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value < 0 or (name in ("p_mirror", "blur") and value > 1):
                raise ConfigError(
                    f"augmentation: {name} {value:g} found; at least 0 (a probability at most 1) expected."
                )


@dataclass(frozen=True)
class LossSettings:
    """What is made small."""

    kind: str = "mse"
    """mse, mae or smooth-l1, in percent of EF or in parts of the image's side."""
    smooth_l1_beta: float = 5.0
    """Where smooth-l1 turns from square to straight."""
    streams: float = 0.25
    """Weight of each stream's own EF beside the fused one (two-stream only)."""
    ordinal: float = 0.0
    """Weight of the ordinal term, see `lvef.training.losses.ordinal_loss`; 0 leaves it out."""
    ordinal_cuts: tuple[float, ...] = (30.0, 35.0, 40.0, 45.0, 50.0, 55.0, 60.0, 65.0)
    """Cut-offs of the ordinal term, EFs."""
    ordinal_width: float = 3.0
    """Percent of EF over which the probability of being above a cut-off changes."""

    def __post_init__(self) -> None:
        check_choice("loss: kind", self.kind, LOSSES)
        if min(self.streams, self.ordinal) < 0 or min(self.ordinal_width, self.smooth_l1_beta) <= 0:
            raise ConfigError("loss: a negative weight or a width of 0 found; weights from 0 were expected.")


@dataclass(frozen=True)
class Recipe:
    """A training run."""

    name: str
    """Name of the network that comes out."""
    family: str
    """Family of the network."""
    title: str = ""
    """One line for people, for the card."""
    seed: int = 1
    """Of the first weights, of the order of the cases and of everything else random."""
    epochs: int = 50
    """Most passes over the cases."""
    patience: int = 10
    """Epochs without a better validation loss after which training ends; 0 for never."""
    batch_size: int = 16
    """Cases a step."""
    precision: str = "auto"
    """auto, 32-true, 16-mixed or bf16-mixed."""
    output_bias: bool = True
    """Let the output start at the mean EF of the training cases."""
    network: dict[str, Any] = field(default_factory=dict)
    """Settings of the network, those of its family."""
    data: DataSettings = field(default_factory=DataSettings)
    """Cases."""
    clip: ClipSettings = field(default_factory=ClipSettings)
    """What the network sees."""
    optimiser: OptimiserSettings = field(default_factory=OptimiserSettings)
    """How the weights move."""
    augmentation: AugmentationSettings = field(default_factory=AugmentationSettings)
    """What is varied."""
    loss: LossSettings = field(default_factory=LossSettings)
    """What is made small."""
    search: dict[str, Any] = field(default_factory=dict)
    """What ``lvef tune --trials`` varies: setting to ``{low, high, log}`` or ``{choices}``."""

    def __post_init__(self) -> None:
        check_choice("family", self.family, FAMILIES)
        check_choice("precision", self.precision, PRECISIONS)
        if self.epochs < 1 or self.patience < 0 or self.batch_size < 1 or self.seed < 0:
            raise ConfigError(
                f"epochs {self.epochs}, patience {self.patience}, batch_size {self.batch_size}, seed {self.seed} found; at "
                "least 1, 0, 1 and 0 were expected."
            )
        if self.family == TWO_STREAM and (self.clip.mean, self.clip.std) != (0.0, 1.0):
            raise ConfigError(
                f"clip: mean {self.clip.mean:g}, std {self.clip.std:g} found; the two streams have scales of their own, "
                "so 0 and 1 were expected."
            )
        if not self.name or not all(c.isalnum() or c in "-_." for c in self.name) or self.name[0] == ".":
            raise ConfigError(
                f"name {self.name!r} found; letters, digits, hyphens, dots and underscores expected."
            )


def recipe_folders() -> list[Path]:
    """Where the recipes that come with lvef lie: in the package, or beside it in a working copy."""
    package = Path(lvef.__file__).parent
    copy = package.parents[1]
    folders = [package / "recipes", *([copy / "recipes"] if (copy / "pyproject.toml").is_file() else [])]
    return [folder for folder in folders if folder.is_dir()]


def find_recipe(given: Path) -> Path:
    """A recipe's file: the one given, or the one that comes with lvef under that name.

    Args:
        given: A file, or a name such as ``small-video``.

    Raises:
        ConfigError: It is a bare name, and neither a file nor a recipe of lvef; those there are are named.
    """
    if given.exists() or given.name != str(given):
        return given
    known = {
        path.stem: path for folder in reversed(recipe_folders()) for path in sorted(folder.glob("*.toml"))
    }
    found = known.get(given.name.removesuffix(".toml"))
    if found is None:
        hint = did_you_mean(given.name, known)
        raise ConfigError(
            f"{given}: is no file, and no recipe of lvef{hint}{' There' if hint else '; there'} are "
            f"{', '.join(sorted(known)) or 'none'}."
        )
    return found


def read_recipe(path: Path, changes: Mapping[str, Any] | None = None) -> Recipe:
    """Read a recipe.

    Args:
        path: TOML file, or the name of a recipe of lvef; see `find_recipe`.
        changes: Settings by dotted name, for example ``optimiser.learning_rate``, that replace those of the file.

    Raises:
        ConfigError: The file is missing, is not TOML, has an unknown key or an impossible value; it is named.
    """
    path = find_recipe(path)
    return recipe_from(with_changes(read_values(path), changes or {}), str(path))


def with_changes(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Nested values with some replaced.

    Args:
        values: Nested; left as they are.
        changes: New values by dotted name.

    Raises:
        ConfigError: A name leads through something that has no settings.

    Example:
        >>> with_changes({"loss": {"kind": "mse"}}, {"loss.kind": "mae", "epochs": 3})
        {'loss': {'kind': 'mae'}, 'epochs': 3}
    """
    new: dict[str, Any] = copy.deepcopy(dict(values))
    for name, value in changes.items():
        *tables, key = name.split(".")
        place = new
        for table in tables:
            place = place.setdefault(table, {})
            if not isinstance(place, dict):
                raise ConfigError(f"{name}: {table} is no table of settings.")
        place[key] = value
    return new


def parse_change(text: str) -> tuple[str, Any]:
    """A dotted name and its value from ``NAME=VALUE``, the value as TOML writes it; bare words are text.

    Raises:
        ConfigError: There is no ``=``.

    Example:
        >>> parse_change("optimiser.learning_rate=1e-4"), parse_change("loss.kind=mae")
        (('optimiser.learning_rate', 0.0001), ('loss.kind', 'mae'))
    """
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise ConfigError(f"{text!r} found; NAME=VALUE was expected, for example loss.kind=mae.")
    try:
        return name.strip(), parse_toml(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return name.strip(), value.strip()


def read_values(path: Path) -> dict[str, Any]:
    """The plain values of a TOML file.

    Raises:
        ConfigError: It is missing or is not TOML.
    """
    return read_toml_values(path, "a recipe")


def recipe_from(values: dict[str, Any], where: str) -> Recipe:
    """A recipe from plain values.

    Args:
        values: Nested as in the file.
        where: What to call them in messages.

    Raises:
        ConfigError: As `read_recipe`.
    """
    try:
        return from_mapping(Recipe, values, where)
    except ConfigError as error:
        # What a setting says of itself does not know its file.
        sentence = str(error)
        raise ConfigError(sentence if sentence.startswith(where) else f"{where}: {sentence}") from None


def check_choice(name: str, value: str, known: tuple[str, ...]) -> None:
    """See that a setting has one of its values.

    Raises:
        ConfigError: It has not.
    """
    if value not in known:
        raise ConfigError(f"{name} {value!r} found; {', '.join(known)} were expected.")
