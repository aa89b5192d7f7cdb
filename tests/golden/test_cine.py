"""The packaged cine's answer in f32, as it was looked at when the network was shipped.

When a change moves it on purpose: look at the new clip and summary, then renew the file with
``python -m tests.golden.test_cine`` and say in the changelog by how much.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from pydicom.data import get_testdata_file

from lvef.measure.options import MeasureOptions
from lvef.measure.pipeline import Measurer

GOLDEN = Path(__file__).with_name("cine.json")
CINE = Path(str(get_testdata_file("examples_ybr_color.dcm", download=False)))


def answer() -> dict:
    measurement, _ = Measurer(MeasureOptions(precision="f32")).measure(CINE)
    volume = measurement.curve.volume
    return {
        "weights": measurement.provenance.weights,
        "status": str(measurement.status),
        "ef_percent": round(measurement.ef_percent, 2),
        "ed_frame": measurement.ed_frame,
        "es_frame": measurement.es_frame,
        "volume_percent_of_largest": [round(v, 1) for v in (100 * volume / volume.max()).tolist()],
    }


def test_the_answer_is_the_one_that_was_looked_at():
    golden, found = json.loads(GOLDEN.read_text()), answer()
    for name in ("weights", "status", "ed_frame", "es_frame"):
        assert found[name] == golden[name]
    # Processors round differently; a change of the method is larger.
    assert found["ef_percent"] == pytest.approx(golden["ef_percent"], abs=0.1)
    assert np.allclose(found["volume_percent_of_largest"], golden["volume_percent_of_largest"], atol=0.3)


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps(answer(), indent=1) + "\n")
