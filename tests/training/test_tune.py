"""Tuning: the report's grid, a search, sharing, going on after a kill."""

from __future__ import annotations

import os
import tomllib

import polars as pl
import pytest

pytest.importorskip("torch")
pytest.importorskip("lightning")
optuna = pytest.importorskip("optuna")

from lvef.core.errors import ConfigError, DataError  # noqa: E402
from lvef.training import fit as fit_module  # noqa: E402
from lvef.training import tune as tune_module  # noqa: E402
from lvef.training.machine import Machine  # noqa: E402
from lvef.training.run_folder import RunOptions  # noqa: E402
from lvef.training.training_data import open_training_data  # noqa: E402
from lvef.training.tune import GRIDS, Search, folder_of, grid_points, search_space, to_toml, tune  # noqa: E402
from tests.training.made_up import TinyNet, tiny_recipe, write_store  # noqa: E402

pytestmark = pytest.mark.training


class Penalised(TinyNet):
    def __init__(self, l1=0.0, l2=0.0):
        super().__init__()


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return write_store(tmp_path_factory.mktemp("data") / "store", 8)


@pytest.fixture(autouse=True)
def _tiny(monkeypatch):
    def build(family, settings):
        try:
            return Penalised(**settings)
        except TypeError as error:
            raise ConfigError(f"unknown key ({error})") from None

    monkeypatch.setattr(fit_module, "build", build)


def search(store, out, recipe, grid=None, trials=3, storage=None):
    data = open_training_data(recipe, [store])
    order = RunOptions(out, Machine("cpu"), network=False)
    return tune(recipe, data, Search(out, grid, trials, storage, order))


def test_the_grid_of_the_report_has_its_16_points():
    points = grid_points("report")
    assert len(points) == len({folder_of(p) for p in points}) == 16
    assert {k: set(v) for k, v in GRIDS["report"].items()} == {
        "optimiser.learning_rate": {1e-3, 1e-4},
        "batch_size": {16, 32},
        "network.l1": {0.01, 0.001},
        "network.l2": {0.01, 0.001},
    }


@pytest.mark.slow
def test_a_grid_is_run_through_once_and_goes_on_after_a_stop(store, tmp_path, monkeypatch, no_network):
    recipe = tiny_recipe(epochs=1)
    real, runs = tune_module.fit, []

    def stopped(*args, **kwargs):
        runs.append(1)
        if len(runs) == 5:
            raise DataError("the disk is full")
        return real(*args, **kwargs)

    monkeypatch.setattr(tune_module, "fit", stopped)
    with pytest.raises(DataError, match="full"):
        search(store, tmp_path / "grid", recipe, "report")
    found = search(store, tmp_path / "grid", recipe, "report")
    assert len(runs) == 17
    table = pl.read_csv(tmp_path / "grid" / "trials.csv")
    assert len(table) == 16
    assert set(table["state"]) == {"complete"}
    assert table.select(*GRIDS["report"]).n_unique() == 16
    assert found.best_loss == pytest.approx(table["val_loss"].min())
    again = search(store, tmp_path / "grid", recipe, "report")
    assert len(runs) == 17, "nothing was left to do"
    assert again.best == found.best


def test_a_search_keeps_to_its_space_and_writes_a_recipe(store, tmp_path):
    space = {
        "optimiser.learning_rate": {"low": 1e-3, "high": 1e-1, "log": True},
        "batch_size": {"choices": [2, 4]},
        "patience": {"low": 2, "high": 5},
    }
    found = search(store, tmp_path / "s", tiny_recipe(epochs=2, search=space), trials=4)
    table = pl.read_csv(tmp_path / "s" / "trials.csv")
    assert len(table) == 4
    assert table["optimiser.learning_rate"].is_between(1e-3, 1e-1).all()
    assert set(table["batch_size"]) <= {2, 4}
    assert table["patience"].is_between(2, 5).all()
    best = tomllib.loads((tmp_path / "s" / "best.toml").read_text())
    assert best["optimiser"]["learning_rate"] == found.best["optimiser.learning_rate"]
    more = search(store, tmp_path / "s", tiny_recipe(epochs=2, search=space), trials=6)
    assert len(more.trials) == 6
    assert more.best_loss <= found.best_loss


def test_a_trial_that_was_killed_is_taken_up_in_its_own_folder(store, tmp_path):
    recipe = tiny_recipe(epochs=2, search={"optimiser.learning_rate": {"low": 1e-3, "high": 1e-2}})
    search(store, tmp_path / "s", recipe, trials=1)
    data = open_training_data(recipe, [store])
    place = Search(tmp_path / "s", None, 2, None, RunOptions(tmp_path / "s", Machine("cpu"), network=False))
    study = tune_module._open_study(recipe, place)
    lost = study.ask(search_space(recipe, place.grid))
    lost.set_user_attr("host", tune_module.socket.gethostname())
    lost.set_user_attr("process", 2**22 + 5)  # above every process number of Linux
    found = tune(recipe, data, place)
    assert [row["state"] for row in found.trials] == ["complete", "complete"]
    assert found.trials[1]["optimiser.learning_rate"] == lost.params["optimiser.learning_rate"]
    assert found.trials[1]["trial"] == 2


def test_a_trial_of_a_living_process_is_left_alone(store, tmp_path):
    recipe = tiny_recipe(epochs=1, search={"optimiser.learning_rate": {"low": 1e-3, "high": 1e-2}})
    place = Search(tmp_path, None, 2, None, RunOptions(tmp_path, Machine("cpu"), network=False))
    study = tune_module._open_study(recipe, place)
    taken = study.ask(search_space(recipe, place.grid))
    taken.set_user_attr("host", tune_module.socket.gethostname())
    taken.set_user_attr("process", os.getppid())
    found = tune(recipe, open_training_data(recipe, [store]), place)
    assert sorted(row["state"] for row in found.trials) == ["complete", "running"]
    assert found.unended == 1


def test_settings_with_which_the_loss_runs_away_do_not_end_the_search(store, tmp_path):
    space = {"optimiser.learning_rate": {"choices": [1e30, 1e-3]}}
    recipe = tiny_recipe(epochs=6, search=space, optimiser={"kind": "adamw", "weight_decay": 1e10})
    found = search(store, tmp_path / "s", recipe, trials=3)
    assert len(found.trials) == 3
    assert "diverged" in {row["state"] for row in found.trials}


def test_a_database_can_hold_the_trials(store, tmp_path):
    recipe = tiny_recipe(epochs=1, search={"optimiser.learning_rate": {"low": 1e-3, "high": 1e-2}})
    address = f"sqlite:///{tmp_path / 'trials.db'}"
    search(store, tmp_path / "here", recipe, trials=1, storage=address)
    found = search(store, tmp_path / "there", recipe, trials=2, storage=address)
    assert len(found.trials) == 2
    with pytest.raises(ConfigError, match=r"storage postgresql://\.\.\.: cannot be used") as caught:
        search(store, tmp_path / "x", recipe, storage="postgresql://me:secret@nowhere.invalid/db")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("space", "said"),
    [
        ({"colour": {"low": 1, "high": 2}}, "unknown key colour"),
        ({"network.depth": {"choices": [1]}}, "unknown key"),
        ({"batch_size": {"low": 4}}, "low, high, log"),
        ({"batch_size": {"low": 9, "high": 2}}, "low below high"),
        ({"batch_size": 4}, "low, high, log"),
    ],
)
def test_a_wrong_space_is_refused_before_anything_runs(store, tmp_path, space, said):
    with pytest.raises(ConfigError, match=said):
        search(store, tmp_path / "s", tiny_recipe(search=space))
    assert not (tmp_path / "s" / "runs").exists()


def test_a_recipe_survives_toml():
    values = {"name": "x", "loss": {"kind": "mse", "cuts": [1.0, 2.0]}, "on": True, "empty": {}}
    assert tomllib.loads(to_toml(values)) == {k: v for k, v in values.items() if k != "empty"}
