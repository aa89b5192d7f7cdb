"""The installed networks, as clients are told of them: names and cards, no paths."""

from __future__ import annotations

import dataclasses
from functools import cache
from typing import Any

from lvef.inference.card_text import experimental_text
from lvef.inference.catalogue import list_models


@cache
def installed_model_names() -> frozenset[str]:
    """Names of the installed networks. What is installed does not change while the service runs.

    Raises:
        WeightsError: Two distributions carry a network of the same name.
    """
    return frozenset(entry.name for entry in list_models())


@cache
def installed_model_cards() -> tuple[dict[str, Any], ...]:
    """What the card of each installed network says."""
    return tuple(
        {
            "name": card.name,
            "version": card.version,
            "kind": card.kind,
            "title": card.title,
            "licence": card.licence,
            "intended_use": card.intended_use,
            "trained_on": card.training.data,
            "sha256": card.model_sha256,
            "experimental": card.experimental,
            "experimental_text": experimental_text(card),
            "external": [dataclasses.asdict(figure) for figure in card.external],
            "figures": [dataclasses.asdict(figure) for figure in card.figures],
            "limits": list(card.limits),
        }
        for card in (entry.card for entry in list_models())
    )
