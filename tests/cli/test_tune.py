"""The command line of tuning."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("torch")
pytest.importorskip("lightning")
pytest.importorskip("optuna")

from tests.cli.test_train import TWO_STREAM
from tests.training.made_up import write_store

pytestmark = pytest.mark.training


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return write_store(tmp_path_factory.mktemp("data") / "store", 8)


def test_a_search_prints_its_trials_and_goes_on(run, here, store):
    (here / "r.toml").write_text(
        TWO_STREAM + '\n[search]\n"optimiser.learning_rate" = { low = 1e-4, high = 1e-2, log = true }\n'
    )
    words = ["tune", "r.toml", "--data", store, "--out", "s", "--device", "cpu", "--epochs", 1]
    done = run(*words, "--trials", 2, "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert len(told["trials"]) == 2
    assert told["best_loss"] == min(row["val_loss"] for row in told["trials"])
    more = run(*words, "--trials", 3)
    assert more.exit_code == 0
    assert "best.toml" in more.stdout
    assert more.stdout.count("complete") == 3
    assert "Trial 3: complete" in more.stderr
    repeated = run("train", "s/best.toml", "--data", store, "--out", "best", "--device", "cpu")
    assert repeated.exit_code == 0, repeated.output


def test_wrong_words(run, here, store):
    (here / "r.toml").write_text(TWO_STREAM)
    words = ["tune", "r.toml", "--data", store, "--out", "s"]
    assert run(*words, "--grid", "report", "--trials", 3).exit_code == 2
    assert run(*words, "--grid", "mine").exit_code == 2
    (here / "v.toml").write_text('name = "v"\nfamily = "small-video"\n[clip]\nsize = 32\n')
    done = run("tune", "v.toml", "--data", store, "--out", "s", "--grid", "report")
    assert done.exit_code == 1
    assert "unknown key l1, l2" in done.stderr
