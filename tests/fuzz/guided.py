"""Coverage-guided fuzzing with atheris, which lvef does not install: ``python -m tests.fuzz.guided FORMAT -runs=20000``.

What follows FORMAT goes to libFuzzer: ``-max_total_time=600``, ``-rss_limit_mb=3000``, a folder for the corpus. The mutators
are those of `tests.fuzz.mutate`; atheris keeps the inputs that reach a new branch of lvef's own code.
"""

from __future__ import annotations

import importlib
import sys
import tempfile
from pathlib import Path

import atheris
import numpy as np

with atheris.instrument_imports(include=["lvef"]):
    for module in ("dicom", "images", "metaimage", "nifti", "open", "probe", "series", "video"):
        importlib.import_module(f"lvef.io.{module}")
    for module in (
        "measure.serializers",
        "measure.correction",
        "datasets.files",
        "datasets.manifest",
        "inference.card",
    ):
        importlib.import_module(f"lvef.{module}")
    from tests.fuzz.targets import TARGETS, seeds_of

from tests.fuzz.case import Box
from tests.fuzz.mutate import mutated


def main() -> None:
    """Fuzz one format."""
    name, *words = sys.argv[1:]
    seeds = seeds_of(name)
    file = next(iter(seeds[0]))
    folder = Path(tempfile.mkdtemp(prefix="lvef-fuzz-"))
    corpus = folder / "seeds"
    corpus.mkdir()
    for number, files in enumerate(seeds):
        (corpus / f"{number}").write_bytes(next(iter(files.values())))
    box = Box(folder / "box")
    rest = {other: data for other, data in seeds[0].items() if other != file}

    def read(data: bytes) -> None:
        outcome = box.run(name, {file: data, **rest})
        if outcome.fault:
            raise RuntimeError(f"{outcome.kind}: {outcome.fault}")

    def mutate(data: bytes, max_size: int, seed: int) -> bytes:
        return mutated({file: bytes(data)}, np.random.default_rng(seed))[file][:max_size]

    print(f"{len(TARGETS)} formats; {name}: {len(seeds)} seeds in {corpus}")
    atheris.Setup([sys.argv[0], "-len_control=0", *words, str(corpus)], read, custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
