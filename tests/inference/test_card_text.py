"""The mark of an experimental network, its sentence, and the order of figures: out of domain before in-domain."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lvef.inference.card import NOT_VALIDATED, CardMetric, display_name, experimental_text, metric_text
from lvef.inference.catalogue import find_model, first_model_of_kind, list_models
from lvef.measure.options import MeasureOptions

CARD = find_model(MeasureOptions.weights).card
EXTERNAL = tuple(
    CardMetric(name, value, unit, value, value, 0.95, 9, "clips of another hospital", "clinical report")
    for name, value, unit in (
        ("ef_mae", 11.5, "EF points"),
        ("ef_bias", -3.7, "EF points"),
        ("ef_r", 0.79, ""),
    )
)
INSIDE = CardMetric("ef_mae_a4c", 6.2, "EF points", 5.0, 7.5, 0.95, 50, "50 patients", "expert masks", 12.0)
MADE_UP = replace(CARD, name="n", experimental=True, external=EXTERNAL, figures=(INSIDE,))


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        (
            {},
            "The model n is experimental: mean absolute error of the EF 11.5 points on clips of another hospital (n = 9, "
            "reference: clinical report), bias -3.7, r 0.79; in-domain 6.2 (5.0 to 7.5) points on 50 patients. Do not "
            "rely on its EF.",
        ),
        (
            {"external": (replace(EXTERNAL[0], trivial=13.0),), "figures": ()},
            "The model n is experimental: mean absolute error of the EF 11.5 points on clips of another hospital (n = 9, "
            "reference: clinical report), constant median 13.0. Do not rely on its EF.",
        ),
        (
            {"external": (), "figures": ()},
            f"The model n is experimental: {NOT_VALIDATED}. Do not rely on its EF.",
        ),
        ({"experimental": False}, ""),
    ],
)
def test_the_sentence_takes_its_figures_from_the_card(changes, text):
    assert experimental_text(replace(MADE_UP, **changes)) == text


def test_a_figure_has_an_interval_only_where_one_is_known():
    assert metric_text(EXTERNAL[1]) == (
        "-3.7 EF points, n = 9, clips of another hospital, reference: clinical report"
    )
    assert metric_text(INSIDE) == (
        "6.2 EF points (5 to 7.5), n = 50, 50 patients, reference: expert masks, constant median 12"
    )


def test_the_default_is_not_experimental_and_the_marked_ones_say_why():
    marked = {entry.name for entry in list_models() if entry.card.experimental}
    assert MeasureOptions.weights not in marked
    assert marked == {"small-video", "two-stream-tuned", "volume-trace-tuned"}
    for entry in list_models():
        assert not entry.card.experimental or entry.card.external[0].name == "ef_mae", entry.name
        assert display_name(entry.card).endswith("(experimental)") is entry.card.experimental


def test_an_experimental_network_never_stands_in_for_the_default(monkeypatch):
    one = find_model(MeasureOptions.weights)
    marked, plain = (
        replace(one, name=name, card=replace(one.card, name=name, experimental=mark))
        for name, mark in (("a", True), ("b", False))
    )
    monkeypatch.setattr("lvef.inference.catalogue.list_models", lambda: [marked, plain])
    assert first_model_of_kind("segmentation", "nosuch") == "b"
    assert first_model_of_kind("segmentation", "a") == "a"
