"""Loggers by name, lines of progress within an epoch, and trial runs."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import ClassVar

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")

from lvef.cli.train_options import LOGGERS  # noqa: E402
from lvef.core.errors import ConfigError  # noqa: E402
from lvef.training import callbacks as module  # noqa: E402
from lvef.training.callbacks import (  # noqa: E402
    EVERY_S,
    VERBOSE_EVERY_S,
    ProgressLines,
    log_settings,
    make_loggers,
    progress_callbacks,
)
from lvef.training.run_folder import RunOptions  # noqa: E402

pytestmark = pytest.mark.training

SETTINGS = {"optimiser.learning_rate": 0.1, "epochs": 2}


class Recorded:
    """Stands in for a logger whose package is not installed here."""

    made: ClassVar[list[Recorded]] = []

    def __init__(self, *words, **settings):
        self.words, self.settings = words, settings
        Recorded.made.append(self)


def kinds(found):
    return [type(one).__name__ for one in found]


def test_csv_and_tensorboard_by_default(tmp_path):
    assert kinds(make_loggers(None, tmp_path, "run")) == ["CSVLogger", "TensorBoardLogger"]
    assert kinds(make_loggers(None, tmp_path, "run", own_table=True)) == ["TensorBoardLogger"]
    assert not list(tmp_path.iterdir()), "files come with the settings"
    loggers = make_loggers(None, tmp_path, "run")
    log_settings(loggers, SETTINGS)
    assert loggers[1].hparams == SETTINGS


def test_a_package_in_part_is_one_sentence():
    class MLFlowLogger:
        def log_hyperparams(self, settings):
            raise ModuleNotFoundError("No module named 'sqlalchemy'")

    with pytest.raises(ConfigError, match=r"--logger mlflow: .*sqlalchemy.*: run pip install mlflow\."):
        log_settings([MLFlowLogger()], SETTINGS)


def test_without_tensorboard_the_table_is_left(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    assert kinds(make_loggers(None, tmp_path, "run")) == ["CSVLogger"]
    assert make_loggers((), tmp_path, "run") == []


def test_mlflow_and_wandb_are_lightnings(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "find_spec", lambda name: name)
    monkeypatch.setattr(module, "MLFlowLogger", Recorded)
    monkeypatch.setattr(module, "WandbLogger", Recorded)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    Recorded.made.clear()
    make_loggers(("mlflow", "wandb", "mlflow"), tmp_path, "small")
    assert [(one.words, one.settings) for one in Recorded.made] == [
        (
            ("lvef",),
            {
                "run_name": "small",
                "tracking_uri": f"sqlite:///{tmp_path / 'mlflow.db'}",
                "artifact_location": str(tmp_path / "mlruns"),
            },
        ),
        ((), {"name": "small", "project": "lvef", "save_dir": tmp_path}),
    ]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:5000")
    make_loggers(("mlflow",), tmp_path, "small")
    assert Recorded.made[-1].settings["tracking_uri"] == "http://127.0.0.1:5000"


@pytest.mark.parametrize("name", ["tensorboard", "mlflow", "wandb"])
def test_what_is_not_installed_is_one_sentence(tmp_path, monkeypatch, name):
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(
        ConfigError, match=f"--logger {name} needs a package that is not installed: run pip install {name}"
    ):
        make_loggers((name,), tmp_path, "run")


def test_the_command_line_knows_the_names():
    assert {module.CSV, module.TENSORBOARD, module.MLFLOW, module.WANDB} == set(LOGGERS)


def trainer(epoch, batches, epochs=4, **values):
    return SimpleNamespace(
        is_global_zero=True,
        current_epoch=epoch,
        max_epochs=epochs,
        num_training_batches=batches,
        callback_metrics={name: torch.tensor(value) for name, value in values.items()},
    )


def test_lines_within_an_epoch_tell_the_time_that_is_left(capsys):
    now = 0.0
    lines = ProgressLines(
        "Training", "cpu", {"val_mae": ("validation MAE", "% EF")}, every_s=30, clock=lambda: now
    )
    lines.on_train_start(trainer(0, 10), None)
    for epoch in range(2):
        state = trainer(epoch, 10, val_mae=5.5)
        lines.on_train_epoch_start(state, None)
        for batch in range(10):
            now += 20.0
            lines.on_train_batch_end(state, None, {"loss": torch.tensor(0.25)}, None, batch)
        lines.on_train_epoch_end(state, None)
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "Training: cpu"
    # Every other batch of 20 s is 30 s or more after the last line.
    assert said[1] == "Training: epoch 1/4, batch 2/10, loss 0.25, epoch ends in 3 min, run ends in 13 min"
    assert said[4] == "Training: epoch 1/4, batch 8/10, loss 0.25, epoch ends in 40 s, run ends in 11 min"
    assert said[5] == "Training: epoch 1/4, validation MAE 5.5 % EF, 3 min, run ends in 10 min"
    assert said[-1] == "Training: epoch 2/4, validation MAE 5.5 % EF, 3 min, run ends in 7 min"
    assert len(said) == 1 + 2 * 5


def test_a_quick_run_has_a_line_an_epoch(capsys):
    lines = ProgressLines("Training", "cpu", {}, every_s=30, clock=lambda: 0.0)
    state = trainer(0, 3, epochs=1)
    lines.on_train_start(state, None)
    for batch in range(3):
        lines.on_train_batch_end(state, None, None, None, batch)
    lines.on_train_epoch_end(state, None)
    assert capsys.readouterr().err.splitlines() == ["Training: cpu", "Training: epoch 1/1, 0 s"]


def test_quiet_and_verbose(tmp_path):
    options = RunOptions(tmp_path)
    assert progress_callbacks(replace(options, quiet=True), "cpu", {}) == []
    [usual] = progress_callbacks(options, "cpu", {})
    [often] = progress_callbacks(replace(options, verbose=True), "cpu", {})
    assert (usual.every_s, often.every_s) == (EVERY_S, VERBOSE_EVERY_S)
