"""Every collection by name. Readers are loaded when they are asked for."""

from __future__ import annotations

import importlib

from lvef.core.errors import ConfigError
from lvef.datasets.collection import Collection

READERS = {
    "echonet-dynamic": "echonet_dynamic",
    "camus": "camus",
    "echonet-pediatric": "echonet_pediatric",
    "hmc-qu": "hmc_qu",
    "tmed-2": "tmed2",
    "folder": "folder",
    "dicom": "dicom_studies",
}
"""Name on the command line -> module in `lvef.datasets.readers`, which holds `COLLECTION`."""


def find_collection(name: str) -> Collection:
    """The collection of that name.

    Raises:
        ConfigError: There is none; the message lists those there are.
    """
    module = READERS.get(name.lower().replace("_", "-"))
    if module is None:
        raise ConfigError(f"no collection is called {name!r}; known are {', '.join(READERS)}.")
    found: Collection = importlib.import_module(f"lvef.datasets.readers.{module}").COLLECTION
    return found
