"""Write `requirements.txt` of the root folder from the lock: `python deploy/root_requirements.py > requirements.txt`.

Platforms that build without Docker look for a file of this name and install it with plain pip. It names the versions of
`requirements/serve.txt` and our two distributions by their folders. It has no hashes: pip takes no folder beside hashed
lines, and no package that the lock leaves out on purpose. Where you can choose the command, install from the lock.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

HEAD = """\
# Made from requirements/serve.txt by deploy/root_requirements.py; renewed by `make lock`.
# For platforms that look for this file. Where you can choose, use the lock with its hashes: requirements/serve.txt.
.
./weights/lvef-weights-camus
"""
"""What stands above the pins."""

PIN = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]*==[^\\#]+?(?=\s*\\?$)", re.MULTILINE)
"""A pinned package of the lock, with its marker, without its hashes."""


def text() -> str:
    """The whole file."""
    lock = (ROOT / "requirements" / "serve.txt").read_text(encoding="utf-8")
    return HEAD + "".join(f"{pin}\n" for pin in PIN.findall(lock))


if __name__ == "__main__":
    sys.stdout.write(text())
