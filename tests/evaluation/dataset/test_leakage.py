"""Data leakage: a patient of the training among those that are evaluated is found in every way."""

from __future__ import annotations

import hashlib
import json
import shutil

import pytest

from lvef.core.errors import DataError, WeightsError
from lvef.evaluation.dataset.cases import check_network, check_splits, read_cases
from lvef.inference.catalogue import find_model
from tests.evaluation.dataset.made_up import rows, write


def digest(names):
    return hashlib.sha256("\n".join(sorted(names)).encode()).hexdigest()


@pytest.fixture
def manifest(tmp_path):
    """Three test clips (patients 1 to 3), two of train (11, 12), two of val (21, 22)."""
    return write(
        tmp_path / "m.csv",
        rows([60.0, 50.0, 40.0], root=tmp_path),
        rows([55.0, 45.0], root=tmp_path, split="train", start=11),
        rows([55.0, 45.0], root=tmp_path, split="val", start=21),
    )


def network(folder, trained_on, parts=None):
    """A copy of the installed network's card that was trained on patients of these numbers."""
    shutil.copytree(find_model("camus-seg").folder, folder)
    values = json.loads((folder / "card.json").read_text())
    values["training"]["patients_sha256"] = digest(f"patient{n:03d}" for n in trained_on)
    (folder / "card.json").write_text(json.dumps(values))
    if parts:
        lines = [
            f"{hashlib.sha256(f'patient{n:03d}'.encode()).hexdigest()},{part}" for n, part in parts.items()
        ]
        (folder / "split.csv").write_text("\n".join(["patient_sha256,part", *lines]) + "\n")
    return folder


def test_an_honest_network(tmp_path, manifest):
    found = read_cases(manifest, "test")
    assert check_splits(found, "m.csv") == []
    assert (
        check_network(network(tmp_path / "n", (11, 12), {11: "train", 12: "train", 21: "validation"}), found)
        == []
    )
    assert check_network(tmp_path / "n" / "card.json", found) == []


@pytest.mark.parametrize(
    "trained_on", [(1, 2, 3), (1, 2, 3, 11, 12), (1, 2, 3, 21, 22), (1, 2, 3, 11, 12, 21, 22)]
)
def test_the_cards_hash_of_any_union_of_splits(tmp_path, manifest, trained_on):
    with pytest.raises(DataError, match=r"3 patients .* evaluate it on patients it has not seen"):
        check_network(network(tmp_path / "n", trained_on), read_cases(manifest, "test"))


def test_one_patient_in_the_file_of_the_training(tmp_path, manifest):
    folder = network(tmp_path / "n", (2, 11), {2: "train", 11: "train", 3: "held_out"})
    with pytest.raises(DataError, match=r"1 patient \(patient002\) is in the split test"):
        check_network(folder, read_cases(manifest, "test"))


def test_validation_patients_are_reported(tmp_path, manifest):
    folder = network(tmp_path / "n", (11,), {11: "train", 21: "validation", 22: "validation"})
    assert check_network(folder, read_cases(manifest, "test")) == []
    [notice] = check_network(folder, read_cases(manifest, "val"))
    assert "were selected with 2 of the 2" in notice


def test_the_training_part_itself_may_be_evaluated_and_is_named(tmp_path, manifest):
    folder = network(tmp_path / "n", (11, 12))
    found = read_cases(manifest, "train")
    assert "remembered" in check_splits(found, "m.csv")[0]
    assert "was trained on 2 of the 2" in check_network(folder, found)[0]
    every = read_cases(manifest, "all")
    assert "2 of the 7 patients" in check_splits(every, "m.csv")[0]
    assert "2 of the 7" in check_network(folder, every)[0]


@pytest.mark.parametrize("split", ["train", "val"])
def test_a_manifest_with_a_patient_in_two_splits(tmp_path, split):
    path = write(
        tmp_path / "m.csv",
        rows([60.0, 50.0], root=tmp_path),
        rows([55.0, 45.0], root=tmp_path, split=split, start=11, patient=["patient002", "patient011"]),
    )
    found = read_cases(path, "test")
    if split == "val":
        assert "patient002" in check_splits(found, str(path))[0]
        return
    with pytest.raises(DataError, match=r"1 patient \(patient002\) is in the split test and in train"):
        check_splits(found, str(path))


def test_files_that_are_none(tmp_path, manifest):
    found = read_cases(manifest, "test")
    with pytest.raises(WeightsError, match="no card there"):
        check_network(tmp_path / "nowhere", found)
    folder = network(tmp_path / "n", (11,))
    (folder / "split.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match="patient_sha256 and part were expected"):
        check_network(folder, found)
