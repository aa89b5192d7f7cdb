"""A few hundred inputs of the nightly fuzzing, the same ones every time, and what must hold of the mutators."""

from __future__ import annotations

import numpy as np
import pytest

from tests.fuzz.case import Box, make_input
from tests.fuzz.guided import pack, unpack
from tests.fuzz.mutate import STRUCTURED, mutated
from tests.fuzz.mutate_text import raw
from tests.fuzz.targets import TARGETS, seeds_of

SEED = 7

FEW = {
    "avi": 20,
    "gif": 15,
    "png": 20,
    "nifti": 30,
    "metaimage": 30,
    "not-read": 30,
    "csv": 20,
    "predictions": 20,
}
FEW |= {
    "manifest": 8,
    "archive-list": 20,
    "archive-job": 20,
    "correction": 20,
    "journal": 20,
    "truth": 20,
    "result": 20,
    "config": 10,
}
"""Fast formats, and how many inputs of each are read in every run of the tests."""


@pytest.fixture
def box(tmp_path):
    return Box(tmp_path)


def check(box, name, numbers):
    outcomes = {number: box.run(name, make_input(name, SEED, number)) for number in numbers}
    faults = [f"{name} {n}: {found.kind}, {found.fault}" for n, found in outcomes.items() if found.fault]
    assert not faults, "\n".join(["", *faults])


@pytest.mark.parametrize("name", FEW)
def test_a_few_inputs(box, name):
    check(box, name, range(FEW[name]))


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, target in TARGETS.items() if target.needs == "lvef"])
def test_more_inputs(box, name):
    """Without recipes, which are read by packages that load torch; the nightly target has them."""
    check(box, name, range(1000, 1000 + round(60 * TARGETS[name].share)))


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, target in TARGETS.items() if target.needs == "lvef"])
def test_seeds_are_sound(box, name):
    """What is changed must be readable before, or nothing behind the header is ever reached."""
    outcomes = [box.run(name, files) for files in seeds_of(name)]
    assert not [found for found in outcomes if found.fault]
    refused = [found for found in outcomes if ".py:" in found.site]
    assert len(refused) < len(outcomes) or name == "not-read"


def test_the_same_seed_gives_the_same_input():
    for name in ("avi", "png", "csv", "result"):
        assert make_input(name, 3, 5) == make_input(name, 3, 5)
    assert any(make_input("png", 3, n) != make_input("png", 4, n) for n in range(5))
    assert raw(b"", np.random.default_rng(0))


@pytest.mark.parametrize("suffix", STRUCTURED)
def test_mutators_take_any_bytes(suffix):
    """Coverage-guided inputs are changed many times over: a mutator meets what it cannot parse."""
    rng = np.random.default_rng(5)
    made = [
        data
        for name in ("png", "nifti", "bmp", "correction")
        for seed in seeds_of(name)
        for data in seed.values()
    ]
    for data in (b"", b"\n", b"\0" * 9, b"\xff" * 300, b"\x1f\x8b\x08", b"PK\3\4", b"[" * 100_000, *made):
        for cut in (len(data), len(data) // 2):
            for _ in range(8):
                name = f"a{suffix}"
                assert list(mutated({name: data[:cut]}, rng)) == [name]


def test_packed_inputs():
    """Coverage-guided inputs hold the files that differ from a seed; bytes that are no such input are a file."""
    seeds = [{"a": b"1", "b": b"2\n"}, {"c": b"3"}]
    for number, files in ((0, seeds[0]), (0, {"a": b"1", "b": b"\n\n4"}), (1, {"c": b""})):
        assert unpack(pack(number, files, seeds), seeds) == (number, files)
    for data in (b"", b"\n", b"x", b"[9, {}]\n", b"[0, 1]\n", b'["a", {}]', b"[" * 100_000, b"\xff\n"):
        assert unpack(data, seeds) == (0, {"a": data, "b": b"2\n"})


def test_faults_are_seen(box, tmp_path, monkeypatch):
    """What the harness is there for: errors that are no refusals, bad messages, warnings, files that are written."""
    import warnings

    from lvef.core.errors import DataError
    from tests.fuzz import case

    def run(read):
        target = TARGETS["journal"]
        monkeypatch.setitem(case.TARGETS, "made-up", type(target)(target.make, read))
        return box.run("made-up", {"a.txt": b"x"})

    def raising(error):
        def read(path):
            raise error

        return read

    assert run(lambda path: 5).fault == ""
    assert run(raising(DataError("a.txt: is empty."))).fault == ""
    assert run(raising(DataError("is empty."))).kind == "result or message"
    assert run(raising(KeyError("x"))).kind == "traceback"
    assert run(raising(MemoryError())).kind == "memory"
    assert run(lambda path: warnings.warn("odd", stacklevel=1)).kind == "warning"
    assert run(lambda path: (tmp_path / "beside").write_text("x")).kind == "write"
