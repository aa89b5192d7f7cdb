"""The pages by Streamlit's own test runner: samples, settings, errors; without a browser."""

from __future__ import annotations

import re
from html import unescape

import pytest

pytest.importorskip("streamlit", reason='the page needs pip install "lvef[app]"')

import streamlit as st
from streamlit.testing.v1 import AppTest

from lvef.core.errors import DataError
from lvef.inference.card import display_name, experimental_text
from lvef.inference.catalogue import measuring_models
from lvef.webapp import samples, settings
from lvef.webapp.layout import show_errors
from lvef.webapp.settings import AppSettings

PATIENCE_S = 300


def video():
    from lvef.webapp import page_video

    page_video.page()


def about():
    from lvef.webapp import page_about

    page_about.page()


def html_of(app) -> str:
    return "".join(element.proto.body for element in app.get("html"))


@pytest.fixture
def measured():
    app = AppTest.from_function(video, default_timeout=PATIENCE_S).run()
    return app.button(key="sample-cine").click().run()


def ef_in(app) -> float:
    found = re.search(r'data-ef="([\d.]+)"', html_of(app))
    assert found is not None, html_of(app)
    return float(found[1])


def test_the_sample_is_measured_and_kept_for_this_session_alone(measured):
    assert not measured.exception
    assert 0 < ef_in(measured) < 100
    assert len(measured.session_state["session"].items) == 1
    other = AppTest.from_function(video, default_timeout=PATIENCE_S).run()
    assert other.session_state["session"].items == []


def test_the_sex_gives_the_class_without_measuring_again(measured):
    before = measured.session_state["session"].items[0]
    assert "choose the sex" in html_of(measured)
    from lvef.core.terms import Sex

    app = measured.radio(key="choice-sex").set_value(Sex.FEMALE).run()
    assert "choose the sex" not in html_of(app)
    assert app.session_state["session"].items[0] is before


def test_another_network_measures_again(measured):
    before = ef_in(measured)
    app = measured.selectbox(key="choice-weights").set_value("two-stream-tuned").run()
    assert not app.exception
    assert ef_in(app) != before
    assert len(app.session_state["session"].items) == 1
    assert "no contour and no curve" in html_of(app)
    assert "The network two-stream-tuned is experimental: mean absolute error" in html_of(app)
    offered = app.selectbox(key="choice-weights").options
    assert set(offered) == {display_name(entry.card) for entry in measuring_models()}


def test_the_second_opinion_is_shown_and_leaves_the_ef(measured):
    ef = ef_in(measured)
    app = measured.checkbox(key="choice-second").check().run()
    assert not app.exception
    assert ef_in(app) == ef
    assert "volume-trace-tuned" in html_of(app)
    assert len(app.session_state["session"].items) == 1


def test_a_line_of_known_length_gives_millilitres_and_can_be_removed(measured):
    before = ef_in(measured)
    item = measured.session_state["session"].items[0]
    assert item.result.measurement.edv_ml is None
    height, width = item.result.clip.frames.shape[1:]
    item.scale_line = (width / 2, 0.0, width / 2, height - 1.0, 200.0)
    app = measured.run()
    fresh = app.session_state["session"].items[0]
    m = fresh.result.measurement
    assert m.spacing.source == "manual: line of 200 mm" and m.edv_ml is not None
    assert ef_in(app) == pytest.approx(before, abs=1e-6) and ">EDV<" in html_of(app)
    app = app.button(key=f"scale-remove-{fresh.number}").click().run()
    assert app.session_state["session"].items[0].result.measurement.edv_ml is None


def test_height_without_weight_is_said(measured):
    app = measured.number_input(key="choice-height_cm").set_value(170.0).run()
    assert "give both" in app.warning[0].value


def test_forget_all_empties_the_session(measured):
    app = measured.button(key="forget").click().run()
    assert app.session_state["session"].items == [] and "data-ef" not in html_of(app)


def test_about_marks_experimental_networks_and_tells_external_figures_first():
    text = unescape(html_of(AppTest.from_function(about, default_timeout=PATIENCE_S).run()))
    external, inside = text.index('aria-label="External validation"'), text.index('aria-label="In-domain"')
    assert external < text.index("clips of another hospital") < inside
    networks = text.index('aria-label="Licences"')
    for entry in measuring_models():
        name = f">{display_name(entry.card)}<"
        assert external < text.index(name) < inside < text.index(name, inside) < text.index(name, networks)
        assert experimental_text(entry.card) in text
        for figure in entry.card.external:
            if figure.name == "ef_mae":
                assert f">{figure.value:.1f}" in text[external:inside]


def test_a_missing_network_is_a_sentence_on_the_page():
    settings.use(AppSettings(weights="no-such"))
    try:
        app = AppTest.from_function(video, default_timeout=PATIENCE_S).run()
        app = app.button(key="sample-cine").click().run()
    finally:
        settings.use(AppSettings())
    assert not app.exception
    assert "No network named no-such" in html_of(app)


def test_an_error_of_a_page_is_a_sentence(monkeypatch):
    said = []
    monkeypatch.setattr(st, "html", lambda text, **_: said.append(text))

    def ours():
        raise DataError("The file is wrong.")

    def bug():
        raise KeyError("Musterfrau")

    show_errors(ours)()
    show_errors(bug)()
    assert "The file is wrong." in said[0]
    assert "KeyError" in said[1] and "Musterfrau" not in said[1]


def test_about_has_accuracy_limits_and_licence():
    app = AppTest.from_function(about, default_timeout=PATIENCE_S).run()
    assert not app.exception
    text = html_of(app)
    assert (
        "camus-seg" in text
        and "0.951" in text
        and "10.1109/TMI.2019.2900516" in text
        and "foreshortening" in text
    )


def test_the_phantom_is_that_of_the_command(phantom_clip, phantom_file):
    made = samples.phantom()
    assert made.upload.data == phantom_file.read_bytes()
    assert made.known_ef_percent == phantom_clip.representative.plane_ef_percent
