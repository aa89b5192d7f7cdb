"""Which networks are installed. Distributions announce theirs through the entry-point group ``lvef.weights``.

An entry point names a module with a ``FOLDER``: the folder that holds one subfolder a network.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path

from lvef.core.errors import WeightsError
from lvef.inference.card import CARD_NAME, MODEL_NAME, Card, read_card
from lvef.inference.card_text import MARK, display_name

GROUP = "lvef.weights"
"""Entry-point group of distributions that carry networks."""


@dataclass(frozen=True)
class ModelEntry:
    """An installed network."""

    name: str
    folder: Path
    card: Card

    @property
    def model_path(self) -> Path:
        """The ONNX file."""
        return self.folder / MODEL_NAME


def list_models() -> list[ModelEntry]:
    """All installed networks, by name.

    Raises:
        WeightsError: Two distributions carry a network of the same name.
    """
    found: dict[str, ModelEntry] = {}
    for point in entry_points(group=GROUP):
        root = Path(point.load().FOLDER)
        for folder in sorted(p.parent for p in root.glob(f"*/{CARD_NAME}")):
            card = read_card(folder)
            if card.name in found:
                raise WeightsError(
                    f"The network {card.name} is installed twice, in {found[card.name].folder} and {folder}; uninstall one."
                )
            found[card.name] = ModelEntry(card.name, folder, card)
    return [found[name] for name in sorted(found)]


def first_model_of_kind(kind: str, preferred: str) -> str:
    """Name of an installed network of a kind: the preferred one if it is there, else the first, experimental ones last.

    Raises:
        WeightsError: None of this kind is installed.
    """
    found = [entry for entry in list_models() if entry.card.kind == kind]
    names = [entry.name for entry in sorted(found, key=lambda entry: entry.card.experimental)]
    if not names:
        raise WeightsError(f'No {kind} network is installed: run pip install "lvef[weights]".')
    return preferred if preferred in names else names[0]


def display_name_of(name: str) -> str:
    """A network's name, or the folder it lies in, as it is offered: with the mark where its card has it.

    One that is not there stays as it was given; loading it says what is wrong.
    """
    folder = Path(name)
    if (folder / CARD_NAME).is_file():
        card = read_card(folder)
        return f"{name} ({MARK})" if card.experimental else name
    return next((display_name(entry.card) for entry in list_models() if entry.name == name), name)


def find_model(name: str) -> ModelEntry:
    """A network by name, or by the folder it lies in.

    Raises:
        WeightsError: No such network; the message lists those there are. Or its file is not the one its card names.
    """
    folder = Path(name)
    if (folder / CARD_NAME).is_file():
        card = read_card(folder)
        entry = ModelEntry(card.name, folder, card)
    else:
        installed = {e.name: e for e in list_models()}
        if name not in installed:
            known = ", ".join(installed) or 'none (run pip install "lvef[weights]")'
            raise WeightsError(f"No network named {name}; installed: {known}.")
        entry = installed[name]
    _verify(entry)
    return entry


def _verify(entry: ModelEntry) -> None:
    """The model is there and is the one the card was written for."""
    try:
        digest = hashlib.sha256(entry.model_path.read_bytes()).hexdigest()
    except OSError as error:
        raise WeightsError(
            f"{entry.model_path}: cannot be read ({error.strerror}); install the weights again."
        ) from None
    if digest != entry.card.model_sha256:
        raise WeightsError(
            f"{entry.model_path}: SHA-256 {digest[:12]}... found, the card names {entry.card.model_sha256[:12]}...; "
            "install the weights again."
        )
