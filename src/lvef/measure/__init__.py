"""The only way from a file to an EF.

The package can be called as the public function of the same name: ``lvef.measure("clip.dcm")`` is `lvef.api.measure`.
"""

from __future__ import annotations

import inspect
import sys
from importlib import import_module
from types import ModuleType
from typing import Any


class _CallablePackage(ModuleType):
    """A package that is also the public function ``lvef.measure``: Python has one attribute ``measure`` for both."""

    def __call__(self, *sources: Any, **options: Any) -> Any:  # noqa: ANN401
        # By name, because that module lies in a higher layer.
        return import_module("lvef.api").measure(*sources, **options)

    @property
    def __signature__(self) -> inspect.Signature:
        """Arguments of the function, for ``lvef.measure?`` in a notebook."""
        return inspect.signature(import_module("lvef.api").measure)

    @property
    def __doc__(self) -> str:  # type: ignore[override]
        """Docstring of the function, for ``help(lvef.measure)``."""
        return str(import_module("lvef.api").measure.__doc__)


sys.modules[__name__].__class__ = _CallablePackage
