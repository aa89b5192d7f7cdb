"""Fitting: what comes out, going on after a stop, the same twice, and everything that may go wrong."""

from __future__ import annotations

import errno
import json
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

torch = pytest.importorskip("torch")
L = pytest.importorskip("lightning")

from lvef.core.errors import ConfigError, DataError, WeightsError  # noqa: E402
from lvef.training import fit as fit_module  # noqa: E402
from lvef.training import machine as machine_module  # noqa: E402
from lvef.training.checkpoints import AtomicCheckpointIO, read_checkpoint, start_from  # noqa: E402
from lvef.training.cross_validation import cross_validate  # noqa: E402
from lvef.training.fit import fit  # noqa: E402
from lvef.training.machine import Machine  # noqa: E402
from lvef.training.run_folder import RunOptions  # noqa: E402
from lvef.training.training_data import open_training_data  # noqa: E402
from tests.training.made_up import TinyNet, tiny_recipe, write_store, write_traces  # noqa: E402

pytestmark = pytest.mark.training

CPU = Machine("cpu")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return write_store(tmp_path_factory.mktemp("data") / "store", 12)


@pytest.fixture(autouse=True)
def _tiny(monkeypatch, request):
    if "real" not in request.keywords:
        monkeypatch.setattr(fit_module, "build", lambda family, settings: TinyNet(settings.get("width", 8)))


class Kill(L.Callback):
    """Ends the process's run at the start of an epoch, or in the middle of one."""

    def __init__(self, epoch, batch=None):
        self.epoch, self.batch = epoch, batch

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        if trainer.current_epoch == self.epoch and batch_idx == self.batch:
            raise RuntimeError("killed")

    def on_train_epoch_start(self, trainer, pl_module):
        if trainer.current_epoch == self.epoch and self.batch is None:
            raise RuntimeError("killed")


def run(store, out, recipe=None, callbacks=(), machine=CPU, **order):
    recipe = recipe or tiny_recipe()
    data = open_training_data(recipe, [store])
    return fit(recipe, data, data.partition(), RunOptions(out, machine, network=False, **order), callbacks)


def curve(out):
    return pl.read_csv(out / "metrics.csv").drop("seconds")


def weights(path):
    return read_checkpoint(path)["state_dict"]


def test_a_run_learns_and_leaves_its_papers(store, tmp_path, no_network):
    done = run(store, tmp_path / "run", tiny_recipe(epochs=30, patience=0, optimiser={"learning_rate": 0.05}))
    table = curve(tmp_path / "run")
    assert table["train_loss"][-1] < 0.5 * table["train_loss"][0]
    assert done.val_loss == pytest.approx(table["val_loss"].min(), rel=1e-6)
    assert done.best_epoch == int(table["val_loss"].arg_min())
    names = {p.name for p in (tmp_path / "run").iterdir()}
    assert {
        "run.json",
        "metrics.csv",
        "parts.csv",
        "predictions.csv",
        "best.ckpt",
        "last.ckpt",
        "tensorboard",
    } <= names
    papers = json.loads((tmp_path / "run" / "run.json").read_text())
    assert papers["complete"]
    assert papers["settings"]["recipe"]["epochs"] == 30
    assert len(papers["data"][0]["index_sha256"]) == 64
    assert str(tmp_path) not in json.dumps(papers)
    predictions = pl.read_csv(tmp_path / "run" / "predictions.csv")
    error = (predictions["predicted_percent"] - predictions["ef_percent"]).abs().mean()
    assert error == pytest.approx(done.figures["validation"]["mae"], abs=1e-4)
    parts = pl.read_csv(tmp_path / "run" / "parts.csv")
    assert not set(parts.filter(part="train")["patient"]) & set(parts.filter(part="validation")["patient"])


def test_a_finished_run_can_be_made_longer(store, tmp_path):
    constant = {"learning_rate": 0.01, "schedule": "constant"}
    out = tmp_path / "run"
    run(store, out, tiny_recipe(epochs=2, optimiser=constant))
    longer = run(store, out, tiny_recipe(epochs=4, optimiser=constant))
    assert (longer.epochs, longer.resumed) == (4, 2)
    papers = json.loads((out / "run.json").read_text())
    assert papers["complete"] and papers["prolonged"] == [2]
    assert papers["settings"]["recipe"]["epochs"] == 4
    # With a constant rate it is the run that was as long from the start.
    run(store, tmp_path / "at once", tiny_recipe(epochs=4, optimiser=constant))
    assert curve(out).equals(curve(tmp_path / "at once"))
    with pytest.raises(ConfigError, match=r"recipe\.epochs 4 then and 3 now.*more --epochs"):
        run(store, out, tiny_recipe(epochs=3, optimiser=constant))
    with pytest.raises(ConfigError, match=r"recipe\.seed"):
        run(store, out, tiny_recipe(epochs=9, seed=7, optimiser=constant))


def test_a_run_that_its_patience_ended_can_be_made_longer(store, tmp_path):
    stuck = {"patience": 1, "optimiser": {"learning_rate": 1e-12, "schedule": "one-cycle"}}
    first = run(store, tmp_path / "run", tiny_recipe(epochs=6, **stuck))
    assert first.epochs < 6
    again = run(store, tmp_path / "run", tiny_recipe(epochs=7, **stuck))
    assert again.resumed == first.epochs < again.epochs, "it waits anew for a better epoch"


def test_the_arithmetic_taken_is_reported_recorded_and_kept(store, tmp_path, monkeypatch, capsys):
    taken = []
    trainer = L.Trainer
    monkeypatch.setattr(
        fit_module.L, "Trainer", lambda **given: taken.append(given["precision"]) or trainer(**given)
    )
    monkeypatch.setattr(machine_module, "cpu_has_bf16", lambda: True)
    recipe = tiny_recipe(epochs=2, precision="auto")
    with pytest.raises(RuntimeError, match="killed"):
        run(store, tmp_path / "run", recipe, [Kill(1)])
    assert "Training: " in (said := capsys.readouterr().err) and "precision bf16-mixed\n" in said
    monkeypatch.setattr(machine_module, "cpu_has_bf16", lambda: False)
    run(store, tmp_path / "run", recipe)
    assert "emulated" in capsys.readouterr().err
    assert json.loads((tmp_path / "run" / "run.json").read_text())["precision"] == "bf16-mixed"
    run(store, tmp_path / "other", recipe)
    assert json.loads((tmp_path / "other" / "run.json").read_text())["precision"] == "32-true"
    assert taken == ["bf16-mixed", "bf16-mixed", "32-true"]


def test_mixed_precision_does_not_round_the_answer(store, tmp_path):
    recipe = tiny_recipe(epochs=1, precision="bf16-mixed", optimiser={"learning_rate": 1e-9})
    seen = []

    class Look(L.Callback):
        def on_validation_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
            with torch.autocast("cpu", torch.bfloat16):
                seen.append(pl_module.predicted(batch))

    run(store, tmp_path / "run", recipe, [Look()])
    answers = torch.cat(seen)
    assert answers.dtype == torch.float32
    assert not torch.equal(answers, answers.bfloat16().float())


def test_the_output_starts_at_the_mean_ef(store):
    net = fit_module.make_network(tiny_recipe(), 47.5)
    assert net.output.bias.tolist() == [47.5]
    off = fit_module.make_network(tiny_recipe(output_bias=False), 47.5)
    assert abs(off.output.bias.item()) < 1


@pytest.mark.parametrize(
    ("batch", "workers"), [(None, 0), (1, 0), pytest.param(None, 1, marks=pytest.mark.slow)]
)
def test_a_killed_run_goes_on_to_the_same_curve(store, tmp_path, batch, workers):
    """Two epochs, a kill (before or in the middle of the third), two more: bit for bit the four epochs of a whole run."""
    run(store, tmp_path / "whole")
    with pytest.raises(RuntimeError, match="killed"):
        run(store, tmp_path / "killed", callbacks=[Kill(2, batch)])
    assert len(curve(tmp_path / "killed")) == 2
    done = run(store, tmp_path / "killed", machine=Machine("cpu", workers=workers))
    assert done.resumed == 2
    assert curve(tmp_path / "killed").equals(curve(tmp_path / "whole"))
    for name in ("last.ckpt", "best.ckpt"):
        there, here = weights(tmp_path / "whole" / name), weights(tmp_path / "killed" / name)
        assert all(torch.equal(there[k], here[k]) for k in there)


def test_the_same_seed_gives_the_same_numbers_and_another_does_not(store, tmp_path):
    first, second = run(store, tmp_path / "1"), run(store, tmp_path / "2")
    assert first.figures == second.figures
    assert curve(tmp_path / "1").equals(curve(tmp_path / "2"))
    run(store, tmp_path / "3", tiny_recipe(seed=2))
    assert not curve(tmp_path / "1").equals(curve(tmp_path / "3"))


@pytest.mark.slow
def test_loading_in_other_processes_changes_nothing(store, tmp_path):
    recipe = tiny_recipe(epochs=2)
    run(store, tmp_path / "here", recipe)
    data = open_training_data(recipe, [store])
    fit(
        recipe,
        data,
        data.partition(),
        RunOptions(tmp_path / "there", Machine("cpu", workers=1), network=False),
    )
    assert curve(tmp_path / "here").equals(curve(tmp_path / "there"))


def test_a_run_that_ended_is_reported_and_not_repeated(store, tmp_path):
    first = run(store, tmp_path / "run")
    stamp = (tmp_path / "run" / "last.ckpt").stat().st_mtime_ns
    again = run(store, tmp_path / "run")
    assert (tmp_path / "run" / "last.ckpt").stat().st_mtime_ns == stamp
    assert (again.figures, again.resumed) == (first.figures, 4)


def test_other_settings_are_refused_and_named(store, tmp_path):
    run(store, tmp_path / "run")
    with pytest.raises(ConfigError, match=r"recipe\.batch_size 4 then and 2 now"):
        run(store, tmp_path / "run", tiny_recipe(epochs=5, batch_size=2))
    assert run(store, tmp_path / "run", tiny_recipe(epochs=5), fresh=True).epochs == 5


def test_training_stops_when_nothing_gets_better(store, tmp_path):
    recipe = tiny_recipe(epochs=50, patience=3, optimiser={"learning_rate": 1e-12})
    done = run(store, tmp_path / "run", recipe)
    assert done.epochs <= done.best_epoch + 1 + 3 < 50
    rows = curve(tmp_path / "run")
    assert rows["val_loss"].min() == pytest.approx(done.val_loss, rel=1e-6)


def test_a_loss_that_runs_away_ends_in_a_sentence(store, tmp_path):
    recipe = tiny_recipe(optimiser={"learning_rate": 1e30}, epochs=20)
    with pytest.raises((DataError, ConfigError), match="learning_rate"):
        run(store, tmp_path / "run", recipe)


def test_a_full_disk_keeps_the_checkpoint_before(store, tmp_path, monkeypatch):
    whole, saves = torch.save, []

    def full(content, file, *args, **kwargs):
        saves.append(file)
        if len(saves) > 4:
            file.write(b"half of it")
            raise OSError(errno.ENOSPC, "No space left on device")
        return whole(content, file, *args, **kwargs)

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(DataError, match=r"\.ckpt could not be written \(no space left on device\)"):
        run(store, tmp_path / "run")
    monkeypatch.setattr(torch, "save", whole)
    before = read_checkpoint(tmp_path / "run" / "last.ckpt")
    assert before["epoch"] >= 1
    assert not list((tmp_path / "run").glob("*.tmp*"))
    run(store, tmp_path / "whole")
    run(store, tmp_path / "run")
    assert curve(tmp_path / "run").equals(curve(tmp_path / "whole"))


FULL = """
import resource, signal, sys, torch
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from lvef.core.errors import DataError
from lvef.training.checkpoints import AtomicCheckpointIO
path = Path(sys.argv[1]) / "last.ckpt"
AtomicCheckpointIO().save_checkpoint({"state_dict": {"a": torch.ones(3)}}, path)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
try:
    AtomicCheckpointIO().save_checkpoint({"state_dict": {"a": torch.ones(300_000)}}, path)
except DataError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits of POSIX")
@pytest.mark.slow
def test_a_file_that_cannot_grow_ends_in_a_sentence(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "could not be written" in done.stdout
    assert torch.equal(read_checkpoint(tmp_path / "last.ckpt")["state_dict"]["a"], torch.ones(3))
    assert {p.name for p in tmp_path.iterdir()} == {"last.ckpt"}


class Hostile:
    def __reduce__(self):
        return Path.touch, (Path(self.mark),)


@pytest.mark.parametrize("kind", ["hostile", "cut", "noise", "list"])
def test_a_bad_checkpoint_is_never_run(store, tmp_path, kind):
    with pytest.raises(RuntimeError, match="killed"):
        run(store, tmp_path / "run", callbacks=[Kill(1)])
    last, mark = tmp_path / "run" / "last.ckpt", tmp_path / "mark"
    if kind == "hostile":
        bad = Hostile()
        bad.mark = str(mark)
        last.write_bytes(pickle.dumps({"state_dict": bad}))
    elif kind == "cut":
        last.write_bytes(last.read_bytes()[:1000])
    elif kind == "noise":
        last.write_bytes(np.random.default_rng(0).bytes(5000))
    else:
        torch.save([1, 2], last)
    with pytest.raises(WeightsError, match=r"last\.ckpt: .*--fresh"):
        run(store, tmp_path / "run")
    assert not mark.exists()


def test_a_checkpoint_of_another_architecture(store, tmp_path):
    with pytest.raises(RuntimeError, match="killed"):
        run(store, tmp_path / "a", callbacks=[Kill(1)])
    with pytest.raises(RuntimeError, match="killed"):
        run(store, tmp_path / "b", tiny_recipe(network={"width": 16}), callbacks=[Kill(1)])
    (tmp_path / "a" / "last.ckpt").write_bytes((tmp_path / "b" / "last.ckpt").read_bytes())
    with pytest.raises(WeightsError, match=r"is no checkpoint of small-video: layers \d of another shape"):
        run(store, tmp_path / "a")
    with pytest.raises(WeightsError, match="another shape"):
        run(store, tmp_path / "c", init=tmp_path / "b" / "best.ckpt")
    assert not (tmp_path / "c").exists()


def test_first_weights_of_the_whole_or_of_a_part(tmp_path):
    torch.manual_seed(3)
    given, net = TinyNet(), TinyNet()
    torch.save(given.filters.state_dict(), tmp_path / "part.pt")
    assert start_from(net, tmp_path / "part.pt", "tiny") == "filters"
    assert torch.equal(net.filters.weight, given.filters.weight)
    assert not torch.equal(net.output.weight, given.output.weight)
    AtomicCheckpointIO().save_checkpoint(
        {"state_dict": {f"net.{k}": v for k, v in given.state_dict().items()}}, tmp_path / "w.ckpt"
    )
    assert start_from(net, tmp_path / "w.ckpt", "tiny") == ""
    assert torch.equal(net.output.weight, given.output.weight)


def test_no_gpu_where_one_is_asked_for(store, tmp_path):
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    recipe = tiny_recipe()
    data = open_training_data(recipe, [store])
    with pytest.raises(ConfigError, match="finds no GPU here; give --device cpu"):
        fit(recipe, data, data.partition(), RunOptions(tmp_path / "run", Machine("cuda")))
    assert not (tmp_path / "run").exists()


def test_folders_that_cannot_be_used(store, tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match="cannot be made or used"):
        run(store, tmp_path / "file")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.doc").write_text("x")
    with pytest.raises(DataError, match=r"holds files but no run\.json"):
        run(store, tmp_path / "other")
    assert (tmp_path / "other" / "thesis.doc").read_text() == "x"


def test_stores_that_do_not_fit(store, tmp_path):
    with pytest.raises(ConfigError, match="prepare it with --size 64"):
        open_training_data(tiny_recipe(clip={"size": 64}), [store])
    with pytest.raises(ConfigError, match="no data given"):
        open_training_data(tiny_recipe(), [])
    with pytest.raises(ConfigError, match="2 weights for 1 stores"):
        open_training_data(tiny_recipe(data={"weights": [1.0, 2.0]}), [store])
    with pytest.raises(DataError, match="none of its 3 clips has an EF"):
        open_training_data(tiny_recipe(), [write_store(tmp_path / "no-ef", 3, efs=[None] * 3)])
    with pytest.raises(DataError, match="a store was expected"):
        open_training_data(tiny_recipe(), [tmp_path / "nothing"])
    with pytest.raises(DataError, match="a folder of traced frames was expected"):
        open_training_data(tiny_recipe(family="volume-trace"), [store])
    two = write_store(tmp_path / "two", 3, frames=9, kind="two-stream")
    with pytest.raises(ConfigError, match="small-video needs clips"):
        open_training_data(tiny_recipe(), [two])
    with pytest.raises(ConfigError, match="samples have 9 frames"):
        open_training_data(
            tiny_recipe(family="two-stream", clip={"size": 32, "frames": 29, "duration_s": 1.12}), [two]
        )


def test_stores_are_mixed_by_weight(store, tmp_path):
    other = write_store(tmp_path / "other", 6, patients=[f"q{i}" for i in range(6)])
    recipe = tiny_recipe(data={"weights": [0.5, 2.0], "validation_fraction": 0.25}, epochs=1, batch_size=5)
    data = open_training_data(recipe, [store, other])
    parts = data.partition()
    done = fit(recipe, data, parts, RunOptions(tmp_path / "run", CPU, network=False))
    assert {case.store for case in parts.train} == {0, 1}
    assert done.epochs == 1
    told = json.loads((tmp_path / "run" / "run.json").read_text())["data"]
    assert [row["cases"] for row in told] == [12, 6]


def test_cross_validation_judges_every_patient_once(store, tmp_path):
    recipe = tiny_recipe(epochs=2)
    data = open_training_data(recipe, [store])
    found = cross_validate(recipe, data, RunOptions(tmp_path / "cv", CPU, network=False), 3)
    held_out = pl.read_csv(tmp_path / "cv" / "held_out.csv")
    assert sorted(held_out["patient"]) == sorted(f"p{i}" for i in range(12))
    maes = [one.figures["held_out"]["mae"] for one in found.folds]
    assert found.mean["mae"] == pytest.approx(np.mean(maes))
    assert found.spread["mae"] == pytest.approx(np.std(maes, ddof=1))
    assert found.pooled["n"] == 12
    stamp = (tmp_path / "cv" / "fold-0" / "last.ckpt").stat().st_mtime_ns
    again = cross_validate(recipe, data, RunOptions(tmp_path / "cv", CPU, network=False), 3)
    assert again.mean == found.mean
    assert (tmp_path / "cv" / "fold-0" / "last.ckpt").stat().st_mtime_ns == stamp
    with pytest.raises(DataError, match="12 patients cannot be parted into 13 folds"):
        cross_validate(recipe, data, RunOptions(tmp_path / "cv13", CPU), 13)
    assert not (tmp_path / "cv13").exists()


def test_two_runs_do_not_write_into_one_folder(store, tmp_path):
    from lvef.training.run_folder import locked

    (tmp_path / "run").mkdir()
    with locked(tmp_path / "run"), pytest.raises(DataError, match="another run is writing there"):
        run(store, tmp_path / "run")


class TinyLines(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.net = torch.nn.Sequential(torch.nn.AvgPool2d(8), torch.nn.Flatten(), torch.nn.Linear(196, 84))

    def forward(self, grey):
        return torch.sigmoid(self.net(grey))


def test_lines_are_learned_and_evaluated_in_their_own_units(tmp_path, monkeypatch):
    monkeypatch.setattr(fit_module, "build", lambda family, settings: TinyLines())
    folder = write_traces(tmp_path / "traces", patients=4)
    recipe = tiny_recipe(
        family="volume-trace",
        epochs=60,
        patience=0,
        clip={"size": 112},
        loss={"kind": "mae"},
        augmentation={},
        optimiser={"learning_rate": 0.02},
    )
    data = open_training_data(recipe, [folder])
    done = fit(recipe, data, data.partition(), RunOptions(tmp_path / "run", CPU, network=False))
    figures = done.figures["validation"]
    assert figures["n"] == 2
    assert figures["ef_n"] == 1
    assert figures["mae"] < 0.08
    assert figures["mae_lengths"] > figures["mae"]
    assert pl.read_csv(tmp_path / "run" / "metrics.csv")["train_loss"][-1] < 0.07


def test_a_frozen_backbone_without_weights_is_refused(tmp_path, monkeypatch):
    net = TinyLines()
    net.config = SimpleNamespace(frozen=True)
    monkeypatch.setattr(fit_module, "build", lambda family, settings: net)
    folder = write_traces(tmp_path / "traces", patients=4)
    recipe = tiny_recipe(
        family="volume-trace", epochs=1, clip={"size": 112}, loss={"kind": "mae"}, augmentation={}
    )
    data = open_training_data(recipe, [folder])
    order = RunOptions(tmp_path / "run", CPU, network=False)
    with pytest.raises(ConfigError, match=r"no weights were given.*--init FILE"):
        fit(recipe, data, data.partition(), order)
    assert not (tmp_path / "run").exists()
    torch.save(net.state_dict(), tmp_path / "first.pt")
    assert fit(recipe, data, data.partition(), replace(order, init=tmp_path / "first.pt")).epochs == 1
