"""The command line of training: what it prints, how it ends, and its network through the code that serves."""

from __future__ import annotations

import json
from importlib import import_module

import pytest

pytest.importorskip("torch")
pytest.importorskip("lightning")
pytest.importorskip("onnx")

from lvef.inference.card import read_card
from lvef.inference.session import open_session
from tests.training.made_up import SIDE, write_store

pytestmark = pytest.mark.training

TWO_STREAM = """
name = "small-two"
family = "two-stream"
epochs = 2
batch_size = 4
[network]
preset = "tuned"
size = 32
frames = 8
widths = [4, 4, 4, 4, 4]
features = 8
fused = 8
[clip]
frames = 9
duration_s = 0.8
size = 32
clips = 2
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return write_store(tmp_path_factory.mktemp("data") / "store", 8)


@pytest.fixture
def recipe(here):
    (here / "two.toml").write_text(TWO_STREAM)
    return here / "two.toml"


def test_train_prints_one_object_and_leaves_a_network_that_serves(run, recipe, store, here):
    done = run("train", recipe, "--data", store, "--out", "run", "--device", "cpu", "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["epochs"] == 2
    assert told["figures"]["validation"]["n"] >= 1
    folder = here / "run" / "small-two"
    card = read_card(folder)
    assert card.kind == "ef-two-stream"
    assert card.clip.n_frames == 9
    assert card.training.command == "lvef train two.toml --data store --out RUN"
    assert card.training.patients == 6
    assert str(here) not in (folder / "card.json").read_text()
    assert "p0" not in (folder / "split.csv").read_text()
    assert len((folder / "split.csv").read_text().splitlines()) == 1 + 8
    import numpy as np

    session = open_session(folder / "model.onnx", precision="f32")
    batch = {p.name: np.zeros((3, 8, SIDE, SIDE), np.float32) for p in session.inputs}
    assert set(batch) == {"spatial", "temporal"}
    answer = session.start(batch)()
    assert answer.shape == (3,)
    assert np.isfinite(answer).all()
    again = run("train", recipe, "--data", store, "--out", "run", "--device", "cpu")
    assert again.exit_code == 0
    assert "2 epochs, 2 of them earlier" in again.stdout


@pytest.mark.slow
def test_folds_print_mean_and_spread(run, recipe, store, here):
    words = ["train", recipe, "--data", store, "--out", "cv", "--device", "cpu", "--folds", 2, "--epochs", 1]
    done = run(*words, "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert len(told["folds"]) == 2
    assert set(told["mean"]) == set(told["spread"]) >= {"mae", "rmse"}
    assert told["pooled"]["n"] == 8
    shown = run(*words)
    assert "+-" in shown.stdout
    assert (here / "cv" / "held_out.csv").is_file()
    one = run(*words[:-4], "--folds", 2, "--fold", 1, "--epochs", 1, "--fresh")
    assert one.exit_code == 1
    assert "holds files but no run.json" in one.stderr


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--set", "loss.colour=3"], 1, "unknown key colour"),
        (["--set", "network.colour=3"], 1, "unknown key colour"),
        (["--set", "nonsense"], 1, "NAME=VALUE"),
        (["--epochs", "0"], 2, "0 is not in the range"),
        (["--device", "tpu"], 2, "tpu"),
        (["--folds", "9"], 1, "8 patients cannot be parted into 9 folds"),
        (["--folds", "1"], 2, "1 is not in the range"),
        (["--fold", "5"], 1, "there is no fold 5"),
        (["--init", "none.ckpt"], 1, "none.ckpt: cannot be read"),
        (["--weight", "1", "--weight", "2"], 1, "2 weights for 1 stores"),
    ],
)
def test_wrong_words_end_in_one_sentence(run, recipe, store, here, words, code, said):
    done = run("train", recipe, "--data", store, "--out", "run", "--device", "cpu", *words)
    assert done.exit_code == code
    assert said in done.stderr
    assert "Traceback" not in done.output
    assert not (here / "run").exists()


def test_a_recipe_with_an_unknown_key_names_file_and_key(run, here, store):
    (here / "r.toml").write_text(TWO_STREAM + "\n[colour]\nred = 1\n")
    done = run("train", "r.toml", "--data", store, "--out", "run")
    assert done.exit_code == 1
    assert done.stderr.startswith("lvef: r.toml: unknown key colour;")
    assert done.stderr.count("\n") == 1


def test_a_gpu_that_is_not_there(run, recipe, store, here):
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    done = run("train", recipe, "--data", store, "--out", "run", "--device", "cuda")
    assert done.exit_code == 1
    assert "no GPU here; give --device cpu" in done.stderr
    assert not (here / "run").exists()


def test_a_store_without_ef(run, recipe, here, tmp_path):
    bare = write_store(tmp_path / "bare", 4, efs=[None] * 4)
    done = run("train", recipe, "--data", bare, "--out", "run")
    assert done.exit_code == 1
    assert "none of its 4 clips has an EF" in done.stderr
    some = write_store(tmp_path / "some", 4, efs=[None, 30.0, 50.0, 60.0])
    done = run("train", recipe, "--data", some, "--out", "run", "--device", "cpu", "--epochs", 1)
    assert done.exit_code == 0, done.output
    assert "1 clips have no EF" in done.stderr


def test_a_trial_run_goes_through_all_steps_and_writes_nothing(run, recipe, store, here):
    words = ("train", recipe, "--data", store, "--out", "run", "--device", "cpu", "--fast-dev-run")
    done = run(*words)
    assert done.exit_code == 0, done.output
    assert "One batch was trained and validated, and the model was exported" in done.stdout
    assert "Nothing was written" in done.stdout
    assert [path.name for path in here.iterdir()] == ["two.toml"]
    told = json.loads(run(*words, "--json", "--folds", 2).stdout)
    assert told["fast_dev_run"] is True
    assert [path.name for path in here.iterdir()] == ["two.toml"]


def test_a_trial_run_meets_what_the_run_would_meet(run, recipe, store, here):
    done = run(
        "train", recipe, "--data", store, "--out", "run", "--fast-dev-run", "--set", "network.colour=3"
    )
    assert done.exit_code == 1
    assert "unknown key colour" in done.stderr


def test_quiet_prints_the_result_alone(run, recipe, store, here):
    done = run(
        "train",
        recipe,
        "--data",
        store,
        "--out",
        "run",
        "--device",
        "cpu",
        "--epochs",
        1,
        "-q",
        "--logger",
        "csv",
    )
    assert done.exit_code == 0, done.output
    assert done.stderr == ""
    assert "1 epoch," in done.stdout
    assert (here / "run" / "metrics.csv").is_file()
    assert not (here / "run" / "tensorboard").exists()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--logger", "tensorbord"], 2, "There is no logger tensorbord; did you mean tensorboard?"),
        (["--logger", "csv,zzz"], 2, "There is no logger zzz; there are csv, tensorboard, mlflow, wandb."),
        (
            ["--logger", "csv,mlflow"],
            1,
            "--logger mlflow needs a package that is not installed: run pip install mlflow.",
        ),
        (["--fast-dev-run", "--average", "run"], 2, "--average trains nothing"),
    ],
)
def test_loggers_and_trial_runs_that_cannot_be(run, recipe, store, here, monkeypatch, words, code, said):
    monkeypatch.setattr(import_module("lvef.training.callbacks"), "find_spec", lambda name: None)
    done = run("train", recipe, "--data", store, "--out", "run", *words)
    assert done.exit_code == code
    assert said in done.stderr
    assert not (here / "run").exists()


@pytest.mark.slow
@pytest.mark.realdata
@pytest.mark.parametrize("name", ["camus-seg", "camus-view"])
def test_a_trial_run_on_camus(run, camus_root, here, name):
    done = run("train", name, "--data", camus_root, "--out", "run", "--device", "cpu", "--fast-dev-run", "-q")
    assert done.exit_code == 0, done.output
    assert "Nothing was written" in done.stdout
    assert not list(here.iterdir())
