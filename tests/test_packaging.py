"""What is published: contents of both wheels, citation, templates, workflow, hooks."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import zipfile
from datetime import date

import pytest
import yaml

import lvef
from hatch_build import description
from tests.house import ROOT, SOURCE, WEIGHTS, project


@pytest.fixture(scope="module")
def wheels(tmp_path_factory):
    """Names of the files in both wheels, built without network."""
    out = tmp_path_factory.mktemp("wheels")
    for folder in (ROOT, WEIGHTS):
        subprocess.run(
            [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)],
            cwd=folder,
            check=True,
            capture_output=True,
        )
    built = sorted(out.glob("*.whl"))
    assert [p.name.split("-")[0] for p in built] == ["lvef", "lvef_weights_camus"]
    return [zipfile.ZipFile(p) for p in built]


def test_the_wheel_holds_every_file_of_the_package_and_nothing_else(wheels):
    names = set(wheels[0].namelist())
    package = {
        f"lvef/{p.relative_to(SOURCE).as_posix()}"
        for p in SOURCE.rglob("*")
        if p.is_file() and "__pycache__" not in p.parts
    }
    recipes = {f"lvef/recipes/{p.name}" for p in (ROOT / "recipes").glob("*.toml")}
    assert {"lvef/py.typed", "lvef/__init__.pyi", "lvef/measure/measurement.schema.json"} <= package
    assert len(recipes) > 5
    information = {n for n in names if n.startswith(f"lvef-{lvef.__version__}.dist-info/")}
    assert names - information == package | recipes
    assert f"lvef-{lvef.__version__}.dist-info/licenses/LICENSE" in information


def test_the_wheel_of_the_weights_holds_models_cards_and_licence(wheels):
    names = set(wheels[1].namelist())
    models = {p.parent.name for p in WEIGHTS.glob("src/lvef_weights_camus/*/card.json")}
    assert len(models) == 5
    for name in models:
        assert {f"lvef_weights_camus/{name}/{file}" for file in ("model.onnx", "card.json")} <= names
    assert any(n.endswith("licenses/LICENSE") for n in names)


def test_a_registry_can_show_the_description(wheels):
    for wheel in wheels:
        [name] = [n for n in wheel.namelist() if n.endswith("METADATA")]
        head, _, shown = wheel.read(name).decode().partition("\n\n")
        assert "Description-Content-Type: text/markdown" in head
        assert shown.startswith("# ")
        assert not re.search(r"\]\((?![a-z]+:|#)", shown), "a relative link leads nowhere there"


def test_the_distributions_need_no_package_of_tests_or_docs():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert not {"zensical", "jupytext", "pytest"} & {
        re.split(r"[>=\[;]", d)[0] for d in extras["dependencies"]
    }


def releases() -> list[tuple[tuple[int, ...], date]]:
    """Versions and dates of the released sections of the CHANGELOG, as they stand there."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    heads = re.findall(r"^## (.+)$", text, re.M)
    assert heads[0] == "[Unreleased]"
    found = [re.fullmatch(r"\[(\d+\.\d+\.\d+)\] - (\d{4}-\d\d-\d\d)", head) for head in heads[1:]]
    assert all(found), heads
    return [(numbers(m[1]), date.fromisoformat(m[2])) for m in found if m]


def numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def test_the_newest_section_of_the_changelog_is_this_version():
    found = releases()
    assert found[0][0] == numbers(lvef.__version__)
    assert found == sorted(found, reverse=True)
    kinds = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    for section in text.split("\n## ")[1:]:
        kept = re.findall(r"^### (.+)$", section, re.M)
        assert len(kept) == len(set(kept)) and set(kept) <= kinds, section.splitlines()[0]


def test_the_extra_takes_weights_of_this_repository():
    [wanted] = project()["project"]["optional-dependencies"]["weights"]
    lowest = numbers(wanted.removeprefix("lvef-weights-camus>="))
    ours = numbers(project(WEIGHTS)["project"]["version"])
    assert lowest <= ours <= numbers(lvef.__version__)


def test_links_of_the_description_lead_somewhere_on_a_registry():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    relative = re.compile(r"\]\((?![a-z]+:|#)[^)]*\)")
    assert len(relative.findall(readme)) > 10
    plain = description(readme, "", "1.2.3")
    assert not relative.search(plain) and "![" not in plain
    assert "the page with a measured clip" not in plain.lower()
    blocks = re.compile(r"^```.*?^```$", re.M | re.S)
    assert blocks.findall(plain) == blocks.findall(readme)
    linked = description(readme, "https://example.org/a/lvef", "1.2.3")
    assert not relative.search(linked)
    assert "[Apache-2.0](https://example.org/a/lvef/blob/v1.2.3/LICENSE)" in linked
    assert "(https://example.org/a/lvef/raw/v1.2.3/docs/images/demo-summary.png)" in linked
    assert linked.count("https://doi.org/") == readme.count("https://doi.org/")


def test_the_citation_is_that_of_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["cff-version"] == "1.2.0"
    assert {"message", "title", "authors"} <= citation.keys()
    assert citation["version"] == lvef.__version__
    assert citation["date-released"] == releases()[0][1]
    assert citation["license"] == "Apache-2.0"
    assert [r["doi"] for r in citation["references"]] == ["10.1109/TMI.2019.2900516"]


def test_the_workflow_runs_what_a_developer_runs():
    text = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    workflow = yaml.safe_load(text)
    [job] = workflow["jobs"].values()
    assert [step["run"] for step in job["steps"] if "run" in step] == [".ci/run"]
    assert workflow["permissions"] == {"contents": "read"}
    assert "{{ secrets" not in text
    pythons = job["strategy"]["matrix"]["python"]
    assert pythons == ["3.11", "3.14"], "the oldest and the newest that pyproject.toml and the Makefile name"


@pytest.mark.parametrize("name", ["bug", "feature"])
def test_issue_forms_have_what_a_forge_reads(name):
    form = yaml.safe_load((ROOT / ".github" / "ISSUE_TEMPLATE" / f"{name}.yml").read_text(encoding="utf-8"))
    assert {"name", "description", "body"} <= form.keys()
    fields = [part for part in form["body"] if part["type"] != "markdown"]
    assert len({part["id"] for part in fields}) == len(fields)
    assert all(part["attributes"]["label"] or part["type"] == "checkboxes" for part in fields)
    if name == "bug":
        assert any(part["type"] == "checkboxes" for part in fields), "no patient data, confirmed"


def test_hooks_run_tools_that_make_check_runs():
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    [repo] = config["repos"]
    assert repo["repo"] == "local", "nothing is downloaded from a forge"
    check = (ROOT / "Makefile").read_text(encoding="utf-8").split("\ncheck:", 1)[1].split("\n\n", 1)[0]
    for hook in repo["hooks"]:
        tool = hook["entry"].split()[0].removeprefix(".venv/bin/")
        assert f"$(BIN)/{tool}" in check
