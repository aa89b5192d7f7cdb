"""Looks for settings: a grid that is run through, or a search that learns from its trials, on Optuna.

Trials stand in a storage that several processes and machines may share: a database (``sqlite:///...``, ``postgresql://...``)
or a journal file on a disk they all see. A free machine takes the next one. The run of a trial lies in a folder named after
its settings, so that a trial that was killed goes on from its last checkpoint when its settings are taken up again.
Nothing is sent anywhere: Optuna has no telemetry.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
import socket
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import lightning as L
import optuna
import polars as pl
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, Trial, TrialState

from lvef.core.config import to_mapping
from lvef.core.errors import ConfigError, first_line
from lvef.io.atomic import make_folder, write_text_atomic
from lvef.training.cases import Partition
from lvef.training.fit import fit, make_network
from lvef.training.recipe import Recipe, recipe_from, with_changes
from lvef.training.regression import DivergedError
from lvef.training.run_folder import RunOptions
from lvef.training.training_data import TrainingData

START_UP_TRIALS = 6
"""Trials drawn at random before the search learns, and before any trial is broken off."""

WARM_UP_PART = 0.2
"""Part of the epochs in which no trial is broken off."""

STALE_S = 6 * 3600.0
"""A trial of another machine that has shown no sign of life for so long is given up and taken up anew."""

TRIALS_NAME, BEST_NAME, JOURNAL_NAME = "trials.csv", "best.toml", "journal.log"
"""Files of a search beside the folder of runs."""

BEAT, HOST, PROCESS, DIVERGED, GRID = "beat", "host", "process", "diverged", "grid"
"""What a trial states of itself."""


STATES = ("complete", "pruned", "running", DIVERGED)
"""States of trials that count."""


@dataclass(frozen=True)
class Search:
    """What is asked for.

    Attributes:
        out: Folder of the search.
        grid: Name of a grid, or None for a search.
        trials: Trials of a search that end or are broken off, over all processes.
        storage: Address of a database or path of a journal file; None for a journal in ``out``.
        options: Machine and first weights of each trial.
    """

    out: Path
    grid: str | None
    trials: int
    storage: str | None
    options: RunOptions


@dataclass(frozen=True)
class TuneResult:
    """What a search gave.

    Attributes:
        out: Its folder.
        best: Settings of the best trial by dotted name; empty where none ended.
        best_loss: Its validation loss.
        trials: A row a trial: number, state, settings, loss.
        unended: Trials that another process is at.
    """

    out: Path
    best: dict[str, Any]
    best_loss: float
    trials: tuple[dict[str, Any], ...]
    unended: int = 0

    def as_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "schema": "lvef-tune/1",
            "out": str(self.out),
            "best": self.best,
            "best_loss": None if math.isnan(self.best_loss) else self.best_loss,
            "trials": list(self.trials),
            "unended": self.unended,
        }


def tune(
    recipe: Recipe,
    data: TrainingData,
    search: Search,
    on_trial: Callable[[FrozenTrial], None] = lambda _: None,
) -> TuneResult:
    """Run trials until the grid is through, or as many as asked for have ended.

    Args:
        recipe: Settings from which a trial differs.
        data: Data.
        search: What to try, where.
        on_trial: Called after each trial of this process.

    Raises:
        ConfigError: A setting that the recipe or its network does not know, or a storage that cannot be used.
        DataError: The folder cannot be used.
    """
    make_folder(search.out)
    space = search_space(recipe, search.grid)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        study = _open_study(recipe, search)
        _requeue_lost_trials(study)
        if search.grid is not None:
            for chosen in grid_points(search.grid):
                study.enqueue_trial(chosen, {GRID: search.grid}, skip_if_exists=True)
        partition = data.partition()
        while _has_work(study, search):
            trial = study.ask(dict(space))
            if search.grid is not None and GRID not in trial.user_attrs:
                # Another process took the last one of the grid meanwhile.
                study.tell(trial, state=TrialState.FAIL)
                break
            _run(study, trial, recipe, data, partition, search)
            on_trial(study.trials[trial.number])
        tuned = _results(study, search)
    _write(tuned, recipe)
    return tuned


class _Reporter(L.Callback):
    """Reports to the study each epoch's loss, and breaks off a trial that lags behind."""

    def __init__(self, trial: Trial, prunes: bool) -> None:
        self.trial, self.prunes = trial, prunes

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        loss = float(trainer.callback_metrics.get("val_loss", float("nan")))
        self.trial.set_user_attr(BEAT, time.time())
        if not self.prunes:
            return
        self.trial.report(loss, trainer.current_epoch)
        if self.trial.should_prune():
            raise optuna.TrialPruned


def _run(
    study: optuna.Study,
    trial: Trial,
    recipe: Recipe,
    data: TrainingData,
    partition: Partition,
    search: Search,
) -> None:
    for name, value in ((HOST, socket.gethostname()), (PROCESS, os.getpid()), (BEAT, time.time())):
        trial.set_user_attr(name, value)
    changed_recipe = with_settings(recipe, trial.params)
    options = replace(
        search.options,
        out=search.out / "runs" / folder_of(trial.params),
        network=False,
        title=f"Trial {trial.number + 1}",
    )
    reporter = _Reporter(trial, prunes=search.grid is None)
    try:
        mine = replace(data, recipe=changed_recipe)
        fitted = fit(changed_recipe, mine, partition, options, [reporter])
        study.tell(trial, fitted.val_loss)
    except optuna.TrialPruned:
        study.tell(trial, state=TrialState.PRUNED)
    except DivergedError:
        # A result, not the end of the search.
        trial.set_user_attr(DIVERGED, True)
        study.tell(trial, state=TrialState.FAIL)
    except BaseException:
        _requeue(study, trial)
        study.tell(trial, state=TrialState.FAIL)
        raise


def folder_of(params: Mapping[str, Any]) -> str:
    """Name of the run with these settings."""
    text = json.dumps(dict(sorted(params.items())))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _open_study(recipe: Recipe, search: Search) -> optuna.Study:
    address = search.storage or str(search.out / JOURNAL_NAME)
    pruner = optuna.pruners.MedianPruner(
        START_UP_TRIALS, n_warmup_steps=max(1, round(WARM_UP_PART * recipe.epochs))
    )
    sampler = optuna.samplers.TPESampler(
        n_startup_trials=START_UP_TRIALS,
        multivariate=True,
        constant_liar=True,
        # Processes that draw from one seed would all try the same.
        seed=recipe.seed + (os.getpid() if search.storage else 0),
    )
    try:
        if "://" in address:
            storage: Any = optuna.storages.RDBStorage(address)
        else:
            journal = optuna.storages.journal
            storage = optuna.storages.JournalStorage(
                journal.JournalFileBackend(address, lock_obj=journal.JournalFileOpenLock(address))
            )
        return optuna.create_study(
            storage=storage,
            sampler=sampler,
            pruner=pruner,
            study_name=f"{recipe.name}-{search.grid or 'search'}",
            direction="minimize",
            load_if_exists=True,
        )
    except Exception as error:  # noqa: BLE001  each kind of database has errors of its own
        # An address may hold a password.
        shown = address.partition("://")[0] + "://..." if "@" in address else address
        raise ConfigError(f"storage {shown}: cannot be used ({first_line(error)}).") from None


def _requeue_lost_trials(study: optuna.Study) -> None:
    """Trials whose process is gone: given up, their settings first in line again."""
    for trial in study.get_trials(states=(TrialState.RUNNING,), deepcopy=False):
        attributes = trial.user_attrs
        here = attributes.get(HOST) == socket.gethostname()
        silent_s = time.time() - float(attributes.get(BEAT, time.time()))
        lost = not _is_running(int(attributes.get(PROCESS, 0))) if here else silent_s > STALE_S
        if lost and trial.params:
            _requeue(study, trial)
            study.tell(trial.number, state=TrialState.FAIL)


def _requeue(study: optuna.Study, trial: Trial | FrozenTrial) -> None:
    """Let the settings of a trial be taken up anew, as one of a grid where it was one."""
    grid = trial.user_attrs.get(GRID)
    study.enqueue_trial(trial.params, {GRID: grid} if grid else None)


def _is_running(process: int) -> bool:
    if process == os.getpid():
        return False  # of an earlier search of this process, which ended with an error
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return process > 0


def _has_work(study: optuna.Study, search: Search) -> bool:
    trials = study.get_trials(deepcopy=False)
    if any(trial.state == TrialState.WAITING for trial in trials):
        return True
    return search.grid is None and sum(_state(trial) in STATES for trial in trials) < search.trials


def _state(trial: FrozenTrial) -> str:
    """How it went with a trial; one that was given up and taken up anew counts as the new one."""
    return DIVERGED if trial.user_attrs.get(DIVERGED) else trial.state.name.lower()


def _results(study: optuna.Study, search: Search) -> TuneResult:
    rows = []
    for trial in study.get_trials(deepcopy=False):
        if _state(trial) in STATES:
            rows.append(
                {
                    "trial": trial.number,
                    "state": _state(trial),
                    **trial.params,
                    "val_loss": trial.value if trial.state == TrialState.COMPLETE else None,
                    "epochs_told": len(trial.intermediate_values) or None,
                    "run": f"runs/{folder_of(trial.params)}",
                }
            )
    ended = [row for row in rows if row["state"] == "complete"]
    unended = sum(row["state"] == "running" for row in rows)
    if not ended:
        return TuneResult(search.out, {}, float("nan"), tuple(rows), unended)
    best = study.best_trial
    return TuneResult(search.out, dict(best.params), float(best.value or 0.0), tuple(rows), unended)


def _write(tuned: TuneResult, recipe: Recipe) -> None:
    buffer = io.StringIO()
    pl.DataFrame(list(tuned.trials), infer_schema_length=None).write_csv(buffer)
    write_text_atomic(tuned.out / TRIALS_NAME, buffer.getvalue())
    if tuned.best:
        lines = [
            f"# Best of {len(tuned.trials)} trials of {recipe.name}: validation loss {tuned.best_loss:.6g}."
        ]
        lines += [f"#   --set {name}={value}" for name, value in tuned.best.items()]
        values = with_changes(to_mapping(recipe), tuned.best)
        values.pop("search", None)
        write_text_atomic(tuned.out / BEST_NAME, "\n".join([*lines, to_toml(values)]) + "\n")


GRIDS: dict[str, dict[str, tuple[Any, ...]]] = {
    "report": {
        "optimiser.learning_rate": (1e-3, 1e-4),
        "batch_size": (16, 32),
        "network.l1": (0.01, 0.001),
        "network.l2": (0.01, 0.001),
    }
}
"""Grids by name; ``report`` has the 16 combinations of the report (SPEC 4.1)."""

DEFAULT_SEARCH: dict[str, Any] = {
    "optimiser.learning_rate": {"low": 1e-4, "high": 1e-2, "log": True},
    "batch_size": {"choices": [8, 16, 32]},
}
"""What is varied where a recipe has no ``[search]``."""


def grid_points(name: str) -> list[dict[str, Any]]:
    """Settings of every point of a grid, by dotted name."""
    axes = GRIDS[name]
    return [dict(zip(axes, values, strict=True)) for values in product(*axes.values())]


def search_space(recipe: Recipe, grid: str | None) -> dict[str, BaseDistribution]:
    """What may be drawn, by dotted name; every setting is known to the recipe and its network."""
    if grid is not None:
        if grid not in GRIDS:
            raise ConfigError(f"grid {grid!r} found; {', '.join(GRIDS)} was expected.")
        axes = GRIDS[grid]
        found: dict[str, BaseDistribution] = {
            name: CategoricalDistribution(values) for name, values in axes.items()
        }
        example = {name: values[0] for name, values in axes.items()}
    else:
        wanted = recipe.search or DEFAULT_SEARCH
        found = {name: _distribution(name, how) for name, how in wanted.items()}
        example = {
            name: how["choices"][0] if "choices" in how else how["low"] for name, how in wanted.items()
        }
    make_network(with_settings(recipe, example), float("nan"))
    return found


def with_settings(recipe: Recipe, params: Mapping[str, Any]) -> Recipe:
    """The recipe with some settings replaced, by dotted name.

    Raises:
        ConfigError: A setting that it does not know.
    """
    return recipe_from(with_changes(to_mapping(recipe), params), recipe.name)


def to_toml(values: Mapping[str, Any]) -> str:
    """Nested settings as TOML, simple values before tables.

    Example:
        >>> print(to_toml({"loss": {"kind": "mse"}, "epochs": 3}))
        epochs = 3
        <BLANKLINE>
        [loss]
        kind = "mse"
    """
    simple = [
        f"{key} = {json.dumps(value)}" for key, value in values.items() if not isinstance(value, Mapping)
    ]
    tables = [
        f"\n[{key}]\n{to_toml(value)}"
        for key, value in values.items()
        if isinstance(value, Mapping) and value
    ]
    return "\n".join([*simple, *tables])


def _distribution(name: str, how: Any) -> BaseDistribution:  # noqa: ANN401
    try:
        if set(how) == {"choices"} and how["choices"]:
            return CategoricalDistribution(tuple(how["choices"]))
        if not {"low", "high"} <= set(how) <= {"low", "high", "log"}:
            raise ValueError
        low, high, log = how["low"], how["high"], bool(how.get("log", False))
        if isinstance(low, int) and isinstance(high, int):
            return IntDistribution(low, high, log=log)
        return FloatDistribution(float(low), float(high), log=log)
    except (TypeError, ValueError):
        raise ConfigError(
            f"search: {name} = {how!r} found; {{ low, high, log }} with low below high, or {{ choices }} was expected."
        ) from None
