"""Weights of our own for the report's backbone: the whole command on four patients, and its bad input."""

from __future__ import annotations

import json

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")
pytest.importorskip("onnx")

from lvef.core.errors import DataError  # noqa: E402
from lvef.datasets.camus import read_split  # noqa: E402
from lvef.models.checkpoint import digest_of  # noqa: E402
from lvef.models.mobilenet import load_backbone  # noqa: E402
from lvef.models.volume_trace import OWN_BACKBONE, VolumeTraceNet  # noqa: E402
from lvef.training import own_backbone  # noqa: E402
from lvef.training.own_backbone import WEIGHTS_NAME, main  # noqa: E402

pytestmark = pytest.mark.training

RECIPE = 'name = "b"\nepochs = 1\nbatch_size = 8\n[input]\nsize = 64\n'


@pytest.mark.realdata
@pytest.mark.filterwarnings("ignore")  # Lightning's and torch's advice to programmers
def test_four_patients_give_weights_that_the_report_s_network_takes(camus_root, tmp_path, monkeypatch):
    patients = read_split(camus_root, "training")
    monkeypatch.setattr(own_backbone, "read_split", lambda root, name: patients[:6])
    (tmp_path / "out.txt").write_text("\n".join(patients[4:6]) + "\n")
    (tmp_path / "r.toml").write_text(RECIPE)
    run = tmp_path / "run"
    words = [str(tmp_path / "r.toml"), "--data", str(camus_root), "--out", str(run)]
    main([*words, "--leave-out", str(tmp_path / "out.txt")])
    told = json.loads((run / "run.json").read_text())
    assert told["patients"] == patients[:4]
    assert set(told["dice_of_left_out"]) == {"lv", "myocardium", "la"}
    assert told["sha256"] == digest_of(run / WEIGHTS_NAME)
    assert load_backbone(VolumeTraceNet(OWN_BACKBONE).backbone, run / WEIGHTS_NAME) == told["sha256"]


@pytest.mark.realdata
def test_a_name_nobody_knows_is_reported(camus_root, tmp_path):
    (tmp_path / "r.toml").write_text(RECIPE)
    (tmp_path / "out.txt").write_text("patient9999\n")
    words = [str(tmp_path / "r.toml"), "--data", str(camus_root), "--out", str(tmp_path / "run")]
    with pytest.raises(DataError, match="patient9999"):
        main([*words, "--leave-out", str(tmp_path / "out.txt")])
    with pytest.raises(DataError, match="cannot be read"):
        main([*words, "--leave-out", str(tmp_path / "none.txt")])
