"""A measurer that needs no network: it answers by the file's name."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

from lvef.measure.options import MeasureOptions
from tests.measure.made_up import beating, failed, refused


class FakeMeasurer:
    """Stands in for `lvef.measure.pipeline.Measurer`."""

    made: ClassVar[list[FakeMeasurer]] = []

    def __init__(self, options: MeasureOptions | None = None):
        self.options = options or MeasureOptions()
        self.asked: list[tuple[str, ...]] = []
        card = SimpleNamespace(name="fake", version="1", model_sha256="ab" * 32, licence="CC0-1.0")
        engine = SimpleNamespace(backend="openvino", precision="f32", device="Test CPU")
        entry = SimpleNamespace(card=card)
        self.predictor = SimpleNamespace(entry=entry, engine=engine, structures=(), shape_sha256="")
        self.beat_finder = self.second = self.view_model = self.calibration = self.quality_scale = None
        FakeMeasurer.made.append(self)

    def measure(self, path: Path):
        self.asked.append((str(path),))
        if not path.exists():
            return failed(str(path)), None
        if "stop" in path.name:
            raise KeyboardInterrupt
        if "menu" in path.name:
            return refused(str(path)), beating(10)[1]
        return beating(50, source=str(path), view=self.options.view)

    def measure_pair(self, ed: Path, es: Path):
        self.asked.append((str(ed), str(es)))
        return beating(50, source=f"{ed} + {es}")

    def measure_study(self, folder: Path, files: list[Path]):
        return self.measure_biplane(files[0], files[1])

    def measure_biplane(self, a4c: Path, a2c: Path):
        self.asked.append((str(a4c), str(a2c)))
        both, _ = beating(
            50, source=f"{a4c} + {a2c}", curve=None, tracings=(), single_plane={"A4C": 58.0, "A2C": 61.0}
        )
        return both, {"A4C": beating(50, source=str(a4c)), "A2C": beating(50, source=str(a2c))}
