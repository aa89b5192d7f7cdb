"""``lvef weights list | info | verify``, on a made-up model published as docs/how-to/publish-weights.md says."""

from __future__ import annotations

import json
import shutil
import sys

import pytest

from lvef.inference.card import read_card
from lvef.inference.catalogue import find_model

NAME = "made-up"


@pytest.fixture
def folder(here):
    """A model folder: the shipped network under another name."""
    path = here / "models" / NAME
    path.mkdir(parents=True)
    shipped = find_model("camus-seg").folder
    for name in ("model.onnx", "card.json", "interval.json"):
        shutil.copy(shipped / name, path)
    change(path, name=NAME, version="3.0.0", licence="CC0-1.0")
    return path


def change(folder, **values):
    card = folder / "card.json"
    card.write_text(json.dumps(json.loads(card.read_text()) | values))


@pytest.fixture
def package(here, folder, monkeypatch):
    """The same as an installed package with an entry point."""
    module, info = here / "site" / "made_up_weights", here / "site" / "made_up_weights-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: made-up-weights\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[lvef.weights]\nmine = made_up_weights\n")
    shutil.copytree(folder, module / NAME)
    (module / "__init__.py").write_text("import pathlib\nFOLDER = pathlib.Path(__file__).resolve().parent\n")
    monkeypatch.syspath_prepend(str(here / "site"))
    yield module / NAME
    sys.modules.pop("made_up_weights", None)


def test_a_folder_is_a_model(run, folder):
    result = run("weights", "verify", folder)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.split(maxsplit=2) == [
        NAME,
        "3.0.0",
        "ok: card.json, hash, inference, interval.json\n",
    ]
    assert f"Model {NAME}" in run("weights", "info", folder).stdout
    assert json.loads(run("weights", "info", folder, "--json").stdout)["licence"] == "CC0-1.0"
    assert NAME not in run("weights", "list").stdout


def test_a_package_makes_it_available_by_name(run, package):
    assert find_model(NAME).folder == package
    rows = [line.split() for line in run("weights", "list").stdout.splitlines()]
    assert [NAME, "3.0.0", "segmentation", "not", "validated", "externally", "CC0-1.0"] in rows
    names = [model["name"] for model in json.loads(run("weights", "list", "--json").stdout)]
    assert NAME in names and "camus-seg" in names
    found = {one["name"]: one for one in json.loads(run("weights", "verify", "--json").stdout)}
    assert set(found) == set(names)
    assert found[NAME]["folder"] == str(package)
    assert not any(one["problem"] for one in found.values())


def another_file(folder):
    with (folder / "model.onnx").open("ab") as file:
        file.write(b"x")


def no_network(folder):
    import hashlib

    (folder / "model.onnx").write_bytes(b"nothing")
    change(folder, model_sha256=hashlib.sha256(b"nothing").hexdigest())


def other_classes(folder):
    change(folder, classes=["background", "lv"])


def unknown_key(folder):
    change(folder, colour="red")


def other_calibration(folder):
    path = folder / "interval.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"model_sha256": "0" * 64}))


@pytest.mark.parametrize(
    ("damage", "said", "checked"),
    [
        (unknown_key, "unknown key colour", []),
        (another_file, "the card names", ["card.json"]),
        (no_network, "cannot load it", ["card.json", "hash"]),
        (other_classes, "its card and its file do not belong together", ["card.json", "hash"]),
        (other_calibration, "is of another model file", ["card.json", "hash", "inference"]),
    ],
)
def test_what_is_wrong_is_one_sentence_and_exit_code_1(run, folder, damage, said, checked):
    damage(folder)
    result = run("weights", "verify", folder, "camus-seg", "--json")
    assert result.exit_code == 1, result.stderr
    wrong, right = json.loads(result.stdout)
    assert said in wrong["problem"]
    assert wrong["checked"] == checked
    assert right["problem"] == ""
    assert said in " ".join(run("weights", "verify", folder).stdout.split())


def test_quiet_names_only_what_is_wrong(run, folder):
    assert run("weights", "verify", folder, "-q").stdout == ""
    unknown_key(folder)
    said = run("weights", "verify", folder, "camus-view", "-q").stdout
    assert said.startswith(NAME) and "camus-view" not in said


def test_a_name_that_is_not_installed(run):
    for verb in ("verify", "info"):
        result = run("weights", verb, "camus-sge")
        assert (result.exit_code, result.stdout) == (2, "")
        assert "did you mean camus-seg?" in result.stderr


def test_without_a_model(run, monkeypatch):
    monkeypatch.setattr("lvef.inference.catalogue.model_folders", list)
    for verb in ("list", "verify"):
        result = run("weights", verb)
        assert (result.exit_code, result.stdout) == (1, "")
        assert 'pip install "lvef[weights]"' in result.stderr


def test_the_page_names_every_key_of_a_card(repository):
    page = (repository / "docs" / "how-to" / "publish-weights.md").read_text(encoding="utf-8")
    keys = json.loads((find_model("camus-seg").folder / "card.json").read_text())
    keys = {*keys, *keys["training"], *keys["input"], *vars(read_card(find_model("small-video").folder))}
    assert not {key for key in keys if f"`{key}`" not in page}
