"""``python -m docsite``: build the documentation site without network and check it."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

from docsite.check import faults_of_site
from docsite.commands import command_pages
from docsite.model_cards import card_table, write_cards
from docsite.notebooks import write_notebooks
from docsite.pages import ROOT, stage, write
from lvef.cli.main import main as command_line
from lvef.core.serialization import to_json
from lvef.measure.serializers import measurement_schema

SOURCE, SITE = ROOT / "out" / "site-source", ROOT / "out" / "site"
"""What `build` writes; the same as in ``mkdocs.yml``."""


def build(execute: bool = True) -> list[str]:
    """Build the site.

    Args:
        execute: Run the notebooks; without it their pages have no outputs.

    Returns:
        What is wrong with it.
    """
    # Commands in notebooks are those of this environment.
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    for folder in (SOURCE, SITE):
        shutil.rmtree(folder, ignore_errors=True)
    schema = "measurement.schema.json"
    stage(
        SOURCE,
        {
            "commands": command_pages(command_line),
            "models": card_table(),
            "schema": f"[Download the schema]({schema})",
        },
    )
    write(SOURCE / "reference" / schema, to_json(measurement_schema()))
    write_cards(SOURCE)
    for name in write_notebooks(SOURCE, execute):
        print(f"Not executed: {name}", file=sys.stderr)
    done = subprocess.run([sys.executable, "-m", "zensical", "build", "--strict"], cwd=ROOT, check=False)
    faults = faults_of_site(SITE)
    return [*faults, "zensical: see above"] if done.returncode else faults


def main() -> None:
    """Build, print what is wrong, and exit with 1 if anything is."""
    parser = argparse.ArgumentParser(prog="python -m docsite", description=__doc__)
    parser.add_argument("--no-notebooks", action="store_true", help="do not execute the notebooks")
    faults = build(not parser.parse_args().no_notebooks)
    for fault in faults:
        print(fault)
    if faults:
        sys.exit(1)
    print(f"Open {SITE.relative_to(ROOT) / 'index.html'}", file=sys.stderr)


if __name__ == "__main__":
    main()
