"""The mean of the weights of several runs."""

from __future__ import annotations

import json

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")
pytest.importorskip("onnx")

from lvef.core.errors import DataError  # noqa: E402
from lvef.training.average import main, mean_state  # noqa: E402

pytestmark = pytest.mark.training


def test_the_mean_is_that_of_every_entry():
    states = [{"w": torch.full((2, 3), v), "n": torch.tensor(int(v))} for v in (1.0, 4.0)]
    found = mean_state(states)
    assert torch.equal(found["w"], torch.full((2, 3), 2.5))
    assert found["n"].dtype == torch.int64
    with pytest.raises(DataError, match="different networks"):
        mean_state([states[0], {"w": torch.zeros(3), "n": torch.tensor(1)}])


def test_a_folder_without_a_run_is_reported(tmp_path):
    data = tmp_path / "camus" / "database_split"
    data.mkdir(parents=True)
    (data / "subgroup_training.txt").write_text("patient0001\n")
    (tmp_path / "run.json").write_text(json.dumps({"minutes": 1}))
    with pytest.raises(DataError, match="no finished run"):
        main(
            [
                "recipes/camus-seg.toml",
                "--run",
                str(tmp_path),
                "--data",
                str(data.parent),
                "--out",
                str(tmp_path / "n"),
            ]
        )
