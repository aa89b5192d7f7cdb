"""Runs JavaScript of the page in node."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

NODE = shutil.which("node")


def run_node(folder: Path, prologue: str, body: str, value: Any = None) -> Any:
    """What a function body returns.

    Args:
        folder: Holds the modules.
        prologue: Imports and what the body needs.
        body: Of an async function.
        value: Its standard input, as JSON.
    """
    script = folder / "run.js"
    script.write_text(
        f"{prologue}const made = await (async () => {{ {body} }})();\nconsole.log(JSON.stringify(made));\n"
    )
    done = subprocess.run(
        [str(NODE), script.name],
        input=json.dumps(value),
        capture_output=True,
        text=True,
        cwd=folder,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
