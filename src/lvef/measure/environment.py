"""Versions and machine of a run, for ``run.json`` and ``lvef info``; nothing of who runs it or where."""

from __future__ import annotations

import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from lvef.inference.session import available_threads

PACKAGES = (
    "numpy",
    "scipy",
    "opencv-python-headless",
    "av",
    "pydicom",
    "pillow",
    "nibabel",
    "openvino",
    "onnxruntime",
    "matplotlib",
)
"""Packages whose version can change a result."""


@cache
def package_versions() -> dict[str, str]:
    """Version of each of `PACKAGES`, without those that are not installed."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def describe_machine() -> dict[str, str | int]:
    """Python, operating system, kind of processor and how many of its threads may be used."""
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
        "machine": platform.machine(),
        "threads": available_threads(),
    }
