"""The worked example of `docs/how-to/add-a-dataset.md` runs, and passes the contract of all readers."""

from __future__ import annotations

import ast
import inspect
import re
import sys
import types

import pytest

from lvef.core.errors import DataError
from lvef.datasets import registry
from tests.contracts import test_readers as contract
from tests.house import ROOT

PAGE = ROOT / "docs" / "how-to" / "add-a-dataset.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.M | re.S)
READS = [
    name
    for name, _ in inspect.getmembers(contract.TestWhatItReads, inspect.isfunction)
    if name.startswith("test")
]
TELLS = [
    name
    for name, _ in inspect.getmembers(contract.TestWhatItTells, inspect.isfunction)
    if name.startswith("test")
]


@pytest.fixture(scope="module")
def reader():
    return module("lvef.datasets.readers.riverside", BLOCKS[0])


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return module("riverside_folder", BLOCKS[1]).write(tmp_path_factory.mktemp("riverside") / "root")


@pytest.fixture
def given(reader, root, monkeypatch, tmp_path):
    """What the contract's tests ask for."""
    monkeypatch.setitem(sys.modules, "lvef.datasets.readers.riverside", reader)
    monkeypatch.setitem(registry.READERS, "riverside", "riverside")
    collection = registry.find_reader("Riverside")
    return {
        "name": "riverside",
        "collection": collection,
        "root": root,
        "imported": collection.read(root, None),
        "tmp_path": tmp_path,
    }


def module(name, code):
    made = types.ModuleType(name)
    exec(compile(code, f"{PAGE.name}:{name}", "exec"), made.__dict__)
    return made


def keep(test, given):
    test(**{name: given[name] for name in inspect.signature(test).parameters})


def test_the_page_has_a_reader_and_a_folder():
    assert len(BLOCKS) == 2
    assert all(ast.get_docstring(ast.parse(block)) for block in BLOCKS)


@pytest.mark.parametrize("name", READS)
def test_the_example_reads_as_the_contract_asks(name, given):
    keep(getattr(contract.TestWhatItReads(), name), given)


@pytest.mark.parametrize("name", TELLS)
def test_the_example_tells_what_the_contract_asks(name, given):
    keep(getattr(contract.TestWhatItTells(), name), given)


def test_the_example_refuses_as_the_contract_asks(given):
    keep(contract.TestWhatItRefuses().test_a_wrong_root_says_what_was_expected, given)


def test_the_example_finds_what_is_wrong(given, tmp_path):
    (tmp_path / "clips.csv").write_text("name,patient,ef,quality\na,p,130,\na.avi,p,50,\n,p,5,\nb,p,x,\n")
    imported = given["collection"].read(tmp_path, None)
    assert {f.code: f.count for f in imported.findings} == {
        "unreadable": 2,
        "unnamed_row": 1,
        "duplicate_rows": 1,
        "ef_out_of_range": 2,
    }
    assert imported.manifest["ef_percent"].null_count() == 2
    with pytest.raises(DataError, match="no clips"):
        given["collection"].read(tmp_path / "nowhere", None)
