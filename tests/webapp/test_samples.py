"""The samples of the page."""

from __future__ import annotations

import pytest

from lvef.core.errors import DataError
from lvef.webapp import samples as module
from lvef.webapp.samples import SAMPLES, sample_of, samples


def test_only_samples_that_are_there_are_offered(monkeypatch, tmp_path):
    monkeypatch.setattr(module, "_long_cine_path", lambda: None)
    assert "long-cine" not in [sample.name for sample in samples()] and sample_of("long-cine") is None
    with pytest.raises(DataError, match="not installed"):
        module._long_cine()
    cine = tmp_path / "cine.dcm"
    cine.write_bytes(b"DICM")
    monkeypatch.setattr(module, "_long_cine_path", lambda: cine)
    assert samples()[0].name == "long-cine" and sample_of("long-cine").files()[0][0].data == b"DICM"


@pytest.mark.slow
def test_each_has_the_files_of_its_kind():
    known = {}
    for sample in SAMPLES:
        if sample.is_there():
            files, known[sample.name] = sample.files()
            assert len(files) == (1 if sample.kind == "clip" else 2) and all(file.data for file in files)
    assert known["cine"] is None and known["phantom"] == known["stills"] == pytest.approx(54.95, abs=0.01)
    # That of the body in space, not of a plane.
    assert known["study"] == pytest.approx(55.0, abs=0.1)
