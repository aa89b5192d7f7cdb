"""``lvef weights import`` from end to end, and every sentence it says instead."""

from __future__ import annotations

import json

import numpy as np
import pytest

from lvef.cli.weights import TITLES
from lvef.inference.card import read_card
from lvef.inference.catalogue import find_model, open_model

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from lvef.models.published import PUBLISHED, load_published  # noqa: E402
from tests.models.fabricated import lived  # noqa: E402

pytestmark = pytest.mark.training


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    """Files of both layouts with random numbers, as DataParallel names their layers."""
    folder = tmp_path_factory.mktemp("checkpoints")
    for name, published in PUBLISHED.items():
        torch.manual_seed(5)
        net = lived(published.network()).net
        state = {f"module.{k}": v for k, v in net.state_dict().items()}
        torch.save({"epoch": 1, "state_dict": state, "r2": np.float64(0.8)}, folder / f"{name}.pt")
    return folder


def test_the_command_knows_what_can_be_imported():
    assert set(TITLES) == set(PUBLISHED)


@pytest.mark.slow
@pytest.mark.parametrize("name", PUBLISHED)
def test_import_writes_a_network_that_gives_the_same_numbers(run, here, checkpoints, name):
    file = checkpoints / f"{name}.pt"
    result = run("weights", "import", name, file, "--out", "net", "--json")
    assert result.exit_code == 0, result.stderr
    said = json.loads(result.stdout)
    assert "lvef measure FILE --weights net" in result.stderr
    assert {p.name for p in (here / "net").iterdir()} == {"card.json", "model.onnx"}

    entry = find_model(str(here / "net"))
    assert entry.card.name == name
    assert said["model_sha256"] == entry.card.model_sha256
    assert said["source_sha256"] == entry.card.architecture["source_sha256"]
    assert said["citation"] == entry.card.training.citation
    assert "10.1038/s41586-020-2145-8" in said["citation"]
    assert entry.card.licence == "as published by its authors"
    assert "not a medical device" in entry.card.intended_use.lower()

    grey = np.random.default_rng(0).integers(0, 256, (1, *PUBLISHED[name].shape)).astype(np.float32)
    # The card's scale brings bytes back to what the network reads.
    shown = (grey / 255 - entry.card.input.mean) / entry.card.input.std
    out = open_model(entry, precision="f32").start(shown.astype(np.float32))()
    with torch.inference_mode():
        truth = load_published(name, file)(torch.from_numpy(grey)).numpy()
    assert out.shape == truth.shape
    assert np.abs(out - truth).max() < 1e-4 * max(1, np.abs(truth).max())

    # Once more into the same folder, smaller and for clips that are cut already.
    result = run("weights", "import", name, file, "--out", "net", "--half", "--crop", "whole")
    assert result.exit_code == 0, result.stderr
    assert said["source_sha256"] in result.stdout
    again = find_model(str(here / "net")).card
    assert (again.architecture["stored"], again.input.crop) == ("float16", "whole")
    assert (here / "net" / "model.onnx").stat().st_size < 0.6 * said["model_bytes"]


@pytest.mark.slow
def test_a_clip_is_that_of_the_authors(run, here, checkpoints):
    assert (
        run("weights", "import", "echonet-ef", checkpoints / "echonet-ef.pt", "--out", "net").exit_code == 0
    )
    card = read_card(here / "net")
    assert card.clip is not None
    assert card.clip.n_frames == 32
    # 32 frames, every second one at 50 Hz.
    assert card.clip.duration_s / 31 == pytest.approx(2 / 50)


def test_another_network_leaves_no_folder(run, here, checkpoints):
    result = run("weights", "import", "echonet-ef", checkpoints / "echonet-lv.pt", "--out", "net")
    assert result.exit_code == 1
    assert "for this file run lvef weights import echonet-lv" in result.stderr
    assert not list(here.iterdir())


def test_a_web_page_is_called_one(run, here):
    (here / "file.pt").write_text("<!DOCTYPE html><html></html>")
    result = run("weights", "import", "echonet-lv", "file.pt", "--out", "net")
    assert result.exit_code == 1
    assert result.stderr.startswith("lvef: file.pt: is a web page, not a checkpoint")
    assert not (here / "net").exists()


def test_a_folder_of_other_things_is_left_alone(run, here, checkpoints):
    (here / "net").mkdir()
    (here / "net" / "thesis.txt").write_text("mine")
    result = run("weights", "import", "echonet-ef", checkpoints / "echonet-ef.pt", "--out", "net")
    assert result.exit_code == 1
    assert "net: holds thesis.txt already" in result.stderr
    assert [p.name for p in (here / "net").iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize(
    "words",
    [("echonet", "file.pt", "--out", "net"), ("echonet-ef", "file.pt"), ("echonet-ef", "--out", "net")],
)
def test_wrong_words(run, words):
    assert run("weights", "import", *words).exit_code == 2
