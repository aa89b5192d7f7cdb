"""The only way from a file to an EF.

The package can be called as the public function of the same name: ``lvef.measure("clip.dcm")`` is `lvef.api.measure`.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import Any


class _CallablePackage(ModuleType):
    """A package that is also the public function ``lvef.measure``: Python has one attribute ``measure`` for both."""

    def __call__(self, *sources: Any, **options: Any) -> Any:  # noqa: ANN401
        # By name, because that module lies in a higher layer.
        return import_module("lvef.api").measure(*sources, **options)


sys.modules[__name__].__class__ = _CallablePackage
