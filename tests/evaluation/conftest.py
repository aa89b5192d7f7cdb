"""A small fabricated collection, networks to judge on it, and one evaluation of both."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from lvef.evaluation.runner import CaseRunner
from lvef.evaluation.stills.evaluation import Plan, evaluate, load_models
from lvef.evaluation.stills.robustness import PERTURBATIONS
from lvef.inference.catalogue import find_model
from lvef.measure.options import MeasureOptions
from tests.datasets import camus_folder

SOME_PERTURBATIONS = {name: PERTURBATIONS[name] for name in ("gamma 0.5", "sector shadow", "wall drop-out")}
"""Changes of the picture that evaluations of these tests make; `test_robustness` looks at every one."""


def copy_network(folder: Path, mark: str = "") -> Path:
    """A copy of the installed network; with a mark its file differs, its answers do not."""
    shutil.copytree(find_model("camus-seg").folder, folder)
    if mark:
        # One more entry of ONNX metadata (field 14: a key and its value), so that the hash is another.
        letters = mark.encode()
        entry = b"\x0a" + bytes([len(letters)]) + letters + b"\x12\x00"
        model, card = folder / "model.onnx", folder / "card.json"
        model.write_bytes(model.read_bytes() + b"\x72" + bytes([len(entry)]) + entry)
        values = json.loads(card.read_text())
        values["model_sha256"] = hashlib.sha256(model.read_bytes()).hexdigest()
        card.write_text(json.dumps(values))
    return folder


@pytest.fixture(scope="session")
def collection(tmp_path_factory):
    """Eight patients, four of them for validation."""
    return camus_folder.write(tmp_path_factory.mktemp("stills") / "camus", 8)


@pytest.fixture(scope="session")
def twin(tmp_path_factory):
    """A network of another name that answers as the installed one."""
    return copy_network(tmp_path_factory.mktemp("nets") / "run" / "camus-seg", "twin")


@pytest.fixture(scope="session")
def evaluated(collection, twin):
    """Plan and evaluation of two networks, with some changes of the picture."""
    plan = Plan(
        collection, weights=("camus-seg", str(twin)), robustness=True, options=MeasureOptions(precision="f32")
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lvef.evaluation.stills.evaluation.PERTURBATIONS", SOME_PERTURBATIONS)
        return plan, evaluate(plan, load_models(plan), CaseRunner())
