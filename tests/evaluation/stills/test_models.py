"""Who is evaluated on whom: splits, lists, folds, labels, and every sentence for what is missing."""

from __future__ import annotations

import hashlib
import json

import pytest

from lvef.core.errors import ConfigError, DataError, WeightsError
from lvef.datasets.camus import read_names, read_split
from lvef.evaluation.stills.evaluation import POOLED_LABEL, TEST_SET_WARNING, Plan, load_models
from lvef.measure.options import MeasureOptions
from tests.evaluation.conftest import copy_network

F32 = MeasureOptions(precision="f32")


def plan(collection, **options):
    return Plan(collection, options=F32, **options)


def run_folder(root, name, patients, mark=""):
    folder = root / name
    folder.mkdir()
    (folder / "held-out.txt").write_text("\n".join(patients) + "\n")
    copy_network(folder / "camus-seg", mark)
    return folder


def test_a_split_and_a_list(collection, tmp_path):
    models = load_models(plan(collection))
    [model] = models.models
    assert model.patients == read_split(collection, "validation")
    assert models.labels == ["camus-seg"]
    assert models.split == "CAMUS validation"
    names = tmp_path / "some.txt"
    names.write_text("patient0001 patient0002\npatient0001\n")
    models = load_models(plan(collection, patients=names))
    assert models.models[0].patients == ["patient0001", "patient0002"]
    assert models.split == "patients of some.txt"


def test_the_testing_patients_are_evaluated_with_a_word_on_what_for(collection):
    split = collection / "database_split" / "subgroup_testing.txt"
    before = split.read_text() if split.exists() else None
    split.write_text("patient0003\n")
    try:
        models = load_models(plan(collection, split="testing"))
    finally:
        split.unlink() if before is None else split.write_text(before)
    assert models.models[0].patients == ["patient0003"]
    assert models.split == "CAMUS testing"
    assert TEST_SET_WARNING in models.notices
    assert TEST_SET_WARNING not in load_models(plan(collection)).notices


def test_labels_tell_networks_apart(collection, twin, tmp_path):
    assert load_models(plan(collection, weights=("camus-seg", str(twin)))).labels == [
        "camus-seg",
        "run/camus-seg",
    ]
    other = copy_network(tmp_path / "other", "other")
    card = json.loads((other / "card.json").read_text())
    card["name"] = "big"
    (other / "card.json").write_text(json.dumps(card))
    assert load_models(plan(collection, weights=("camus-seg", str(other)))).labels == ["camus-seg", "big"]
    card |= {"name": "camus-seg", "version": "9.9.9"}
    (other / "card.json").write_text(json.dumps(card))
    labels = load_models(plan(collection, weights=("camus-seg", str(other)))).labels
    assert labels[1] == "camus-seg 9.9.9"


def test_the_same_network_twice_is_refused(collection, tmp_path):
    copy = copy_network(tmp_path / "copy")
    with pytest.raises(ConfigError, match="are the same model"):
        load_models(plan(collection, weights=("camus-seg", str(copy))))


def test_folds_are_evaluated_apart(collection, tmp_path):
    first, second = read_split(collection, "training"), read_split(collection, "validation")
    runs = (run_folder(tmp_path, "fold0", first, "a"), run_folder(tmp_path, "fold1", second, "b"))
    models = load_models(plan(collection, runs=runs))
    assert models.labels == [POOLED_LABEL]
    assert [model.patients for model in models.models] == [first, second]
    weights = models.weights_of(POOLED_LABEL)
    assert len({w.sha256 for w in weights}) == 2
    assert [w.patients for w in weights] == [4, 4]
    assert "2 runs" in models.split


def test_a_patient_held_out_twice_is_refused(collection, tmp_path):
    names = read_split(collection, "training")
    runs = (run_folder(tmp_path, "fold0", names), run_folder(tmp_path, "fold1", names[-1:]))
    with pytest.raises(DataError, match=rf"{names[-1]} is held out by .*fold0 and by .*fold1"):
        load_models(plan(collection, runs=runs))


def test_runs_that_are_not_whole(collection, tmp_path):
    run = run_folder(tmp_path, "fold0", ["patient0001"])
    copy_network(run / "second", "second")
    with pytest.raises(DataError, match="found: camus-seg, second"):
        load_models(plan(collection, runs=(run,)))
    bare = tmp_path / "bare"
    bare.mkdir()
    with pytest.raises(DataError, match=r"held-out\.txt: cannot be read"):
        load_models(plan(collection, runs=(bare,)))
    (bare / "held-out.txt").write_text("patient0001\n")
    with pytest.raises(DataError, match="found: none"):
        load_models(plan(collection, runs=(bare,)))


def test_what_is_not_there(collection, tmp_path):
    with pytest.raises(DataError, match="no such folder"):
        load_models(plan(tmp_path / "none"))
    with pytest.raises(DataError, match="list of CAMUS validation patients is missing"):
        load_models(plan(tmp_path))
    with pytest.raises(WeightsError, match="No model named nothing"):
        load_models(plan(collection, weights=("nothing",)))
    (tmp_path / "empty.txt").write_text("\n")
    with pytest.raises(DataError, match="is empty"):
        read_names(tmp_path / "empty.txt")


def test_training_patients_among_those_evaluated_are_a_warning(collection, tmp_path):
    seen = read_split(collection, "training")
    network = copy_network(tmp_path / "net")
    card = json.loads((network / "card.json").read_text())
    card["training"]["patients_sha256"] = hashlib.sha256("\n".join(sorted(seen)).encode()).hexdigest()
    (network / "card.json").write_text(json.dumps(card))
    [notice] = load_models(plan(collection, weights=(str(network),), split="training")).notices
    assert "4 of the 4 patients evaluated here are among them" in notice
    assert not load_models(plan(collection, weights=(str(network),))).notices
    assert not load_models(plan(collection, split="training")).notices
