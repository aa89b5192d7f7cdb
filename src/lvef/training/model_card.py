"""The network of a run as it is served: ONNX file, card, and which patients it has seen."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from torch import nn

from lvef.core.config import to_mapping
from lvef.core.errors import LvefError
from lvef.core.terms import EF_CLIP, EF_TWO_STREAM, VOLUME_TRACE
from lvef.datasets.camus import CITATION as CAMUS_CITATION
from lvef.datasets.registry import find_reader
from lvef.inference.card import (
    CARD_NAME,
    INTENDED_USE,
    MODEL_NAME,
    NO_CHECK,
    SPLIT_NAME,
    TRAIN,
    Card,
    CardMetric,
    Training,
    patients_sha256,
    sampling_text,
    split_csv,
)
from lvef.io.atomic import make_folder, write_text_atomic
from lvef.models.families import describe
from lvef.training import recipe as recipes
from lvef.training.cases import Partition
from lvef.training.recipe import Recipe
from lvef.training.run_folder import Run
from lvef.training.training_data import TrainingData
from lvef.transforms.spec import ClipSpec, InputSpec

VERSION = "1.0.0"
"""Version that a newly trained network gets."""

LIMITS = {
    EF_CLIP: NO_CHECK,
    EF_TWO_STREAM: NO_CHECK,
    VOLUME_TRACE: "Draws 21 lines on any frame, whether or not a left ventricle is in it.",
}
"""A known weakness of each kind."""

PERMISSIVE = "Apache-2.0"
"""Terms of phantoms, which anyone may use for any purpose."""

SYNTHETIC = ("lvef-phantom", "camus-motion")
"""Collections that were computed, wholly or in part."""


def write_network(net: nn.Module, run: Run, minutes: float, figures: tuple[CardMetric, ...]) -> Card:
    """Write ``model.onnx``, ``card.json`` and ``split.csv``.

    Args:
        net: With the weights that count.
        run: The run that made it.
        minutes: Time it took.
        figures: Figures of merit on patients it did not learn from.
    """
    from lvef.models.export import export_network

    folder = run.options.out / run.recipe.name
    make_folder(folder)
    export_network(net, run.recipe.family, input_shapes(run.recipe), folder / MODEL_NAME)
    write_text_atomic(folder / SPLIT_NAME, split_csv(run.partition.patients()))
    return save_card(build_card(net, run, minutes, figures), folder)


def save_card(card: Card, folder: Path) -> Card:
    """Write a card beside its ``model.onnx``, with that file's hash; the card as it was written."""
    model = (folder / MODEL_NAME).read_bytes()
    card = replace(card, model_sha256=hashlib.sha256(model).hexdigest())
    write_text_atomic(folder / CARD_NAME, json.dumps(to_mapping(card), indent=2, ensure_ascii=False) + "\n")
    return card


def input_shapes(recipe: Recipe) -> dict[str, tuple[int, ...]]:
    """Shape of each input of a recipe's network, without the batch."""
    clip = recipe.clip
    if recipe.family == recipes.VOLUME_TRACE:
        return {"grey": (1, clip.size, clip.size)}
    if recipe.family == recipes.TWO_STREAM:
        shape = (clip.frames - 1, clip.size, clip.size)
        return {"spatial": shape, "temporal": shape}
    return {"grey": (1, clip.frames, clip.size, clip.size)}


def build_card(net: nn.Module, run: Run, minutes: float, figures: tuple[CardMetric, ...]) -> Card:
    """The card of a trained network."""
    recipe, data, partition, options = run.recipe, run.data, run.partition, run.options
    kind = {recipes.VOLUME_TRACE: VOLUME_TRACE, recipes.TWO_STREAM: EF_TWO_STREAM}.get(recipe.family, EF_CLIP)
    s = recipe.clip
    shown = InputSpec(s.size, data.crop, "black", s.mean, s.std)
    spec = None
    if kind == VOLUME_TRACE:
        shown = InputSpec(**vars(shown) | {"mirror": recipe.augmentation.p_mirror > 0})
    else:
        spec = ClipSpec(s.frames, s.duration_s, s.size, data.crop, s.mean, s.std, s.clips)
        shown = spec.square
    licences = data.words("licence")
    patients = partition.patients()[TRAIN]
    return Card(
        name=recipe.name,
        version=VERSION,
        kind=kind,
        title=recipe.title or f"{recipe.family}, trained by recipe {recipe.name}",
        licence=network_terms(licences) or "that of the training data",
        intended_use=INTENDED_USE,
        input=shown,
        classes=(),
        architecture=describe(recipe.family, net),
        training=Training(
            data=_data_sentence(data, partition),
            licence=" and ".join(licences) or "unknown",
            citation=_citation(data.words("collection")),
            patients=len(patients),
            patients_sha256=patients_sha256(patients),
            recipe=options.recipe_name,
            command=options.command,
            minutes=round(minutes, 1),
        ),
        model_sha256="",
        sampling=sampling_text(spec),
        figures=figures,
        limits=_limits(kind, data.words("collection")),
        clip=spec,
    )


def network_terms(licences: Sequence[str]) -> str:
    """Terms of a network: those of its data, but for data that anyone may use for any purpose.

    Args:
        licences: Of the data.
    """
    return " and ".join([name for name in licences if name != PERMISSIVE] or licences)


def _data_sentence(data: TrainingData, partition: Partition) -> str:
    names = ", ".join(data.words("collection")) or "unnamed collection"
    train, validation, held_out = map(len, partition.patients().values())
    text = f"{names}: {len(partition.train)} cases of {train} patients; validation on {validation} patients"
    return text + (f", {held_out} patients held out" if held_out else "")


def _citation(collections: list[str]) -> str:
    found = []
    for name in collections:
        if name.startswith("camus"):
            found.append(CAMUS_CITATION)
        elif name not in SYNTHETIC and (known := _known(name)):
            found.append(known)
    return "; ".join(dict.fromkeys(found)) or "none"


def _known(name: str) -> str:
    try:
        return find_reader(name).citation
    except LvefError:
        return ""


def _limits(kind: str, collections: list[str]) -> tuple[str, ...]:
    limits = [LIMITS[kind], "Apical views of adults only; other views are not refused by the model itself."]
    if collections and set(collections) <= set(SYNTHETIC):
        limits.append("Trained on synthetic clips alone: no clip of a patient was used.")
    return tuple(limits)
