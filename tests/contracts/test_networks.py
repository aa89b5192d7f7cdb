"""What every installed distribution of networks must hold to."""

from __future__ import annotations

import hashlib
import json
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from lvef.inference.card import CARD_NAME, MODEL_NAME, SPLIT_NAME, read_card
from lvef.inference.catalogue import GROUP
from lvef.measure.interval import INTERVAL_NAME
from lvef.measure.quality_score import QUALITY_NAME

POINTS = {point.name: point for point in entry_points(group=GROUP)}


def folders(name):
    root = Path(POINTS[name].load().FOLDER)
    return sorted(p.parent for p in root.glob(f"*/{CARD_NAME}"))


def test_the_camus_networks_are_installed():
    assert "camus" in POINTS


@pytest.mark.parametrize("name", POINTS)
class TestDistribution:
    def test_holds_networks_and_nothing_else(self, name):
        assert folders(name)
        for folder in folders(name):
            names = {p.name for p in folder.iterdir()}
            # Who learned and who chose, hashed, so that `lvef evaluate` can refuse them.
            assert names - {SPLIT_NAME, QUALITY_NAME, INTERVAL_NAME} == {CARD_NAME, MODEL_NAME}

    def test_quality_and_interval_belong_to_the_model(self, name):
        for folder in folders(name):
            for path in (folder / QUALITY_NAME, folder / INTERVAL_NAME):
                if path.is_file():
                    assert json.loads(path.read_text())["model_sha256"] == read_card(folder).model_sha256

    def test_card_and_file_belong_together(self, name):
        for folder in folders(name):
            card = read_card(folder)
            assert card.name == folder.name
            assert card.model_sha256 == hashlib.sha256((folder / MODEL_NAME).read_bytes()).hexdigest()

    def test_licence_is_that_of_the_distribution(self, name):
        expression = POINTS[name].dist.metadata["License-Expression"]
        for folder in folders(name):
            assert read_card(folder).licence == expression

    def test_card_says_what_it_is_for(self, name):
        for folder in folders(name):
            card = read_card(folder)
            assert "not a medical device" in card.intended_use.lower()
            assert card.limits
