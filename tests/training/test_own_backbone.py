"""Weights of our own for the report's backbone: the whole command on four patients, and its bad input."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")
pytest.importorskip("onnx")

from lvef.cli.train import train  # noqa: E402
from lvef.core.errors import DataError  # noqa: E402
from lvef.datasets.camus import read_split  # noqa: E402
from lvef.models.mobilenet import load_backbone  # noqa: E402
from lvef.models.volume_trace import OWN_BACKBONE, VolumeTraceNet  # noqa: E402
from lvef.training import camus_run  # noqa: E402
from lvef.training.segmentation import BACKBONE_NAME  # noqa: E402

pytestmark = pytest.mark.training

RECIPE = 'name = "b"\nfamily = "segmentation"\nbackbone = "mobilenet-v2"\nepochs = 1\nbatch_size = 8\n[input]\nsize = 64\n'


def run(recipe, data, out, *words):
    return CliRunner().invoke(train, [str(recipe), "--data", str(data), "--out", str(out), *words, "--json"])


@pytest.fixture
def recipe(tmp_path):
    (tmp_path / "r.toml").write_text(RECIPE)
    return tmp_path / "r.toml"


@pytest.mark.realdata
@pytest.mark.filterwarnings("ignore")  # Lightning's and torch's advice to programmers
def test_four_patients_give_weights_that_the_report_s_network_takes(
    camus_root, recipe, tmp_path, monkeypatch
):
    patients = read_split(camus_root, "training")[:6]
    monkeypatch.setattr(camus_run, "read_split", lambda root, name: patients)
    (tmp_path / "out.txt").write_text("\n".join(patients[4:]) + "\n")
    done = run(recipe, camus_root, tmp_path / "run", "--leave-out", str(tmp_path / "out.txt"))
    assert done.exit_code == 0, done.output
    weights = tmp_path / "run" / BACKBONE_NAME
    assert json.loads(done.stdout)["network"] == str(weights)
    told = json.loads((tmp_path / "run" / "run.json").read_text())
    assert told["patients"] == 4
    assert (tmp_path / "run" / "held-out.txt").read_text().split() == patients[4:]
    assert set(told["dice_of_left_out"]) == {"lv", "myocardium", "la"}
    assert load_backbone(VolumeTraceNet(OWN_BACKBONE).backbone, weights) == told["sha256"]


def test_a_name_nobody_knows_is_reported(recipe, tmp_path):
    (tmp_path / "database_split").mkdir()
    (tmp_path / "database_split" / "subgroup_training.txt").write_text("patient0001\n")
    (tmp_path / "out.txt").write_text("patient9999\n")
    for name, message in (("out.txt", "patient9999"), ("none.txt", "cannot be read")):
        done = run(recipe, tmp_path, tmp_path / "run", "--leave-out", str(tmp_path / name))
        assert isinstance(done.exception, DataError)
        assert message in str(done.exception)
