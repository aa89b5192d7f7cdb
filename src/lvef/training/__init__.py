"""Data module, objective and fit for the networks."""

import sys
from importlib.util import find_spec

from lvef.core.errors import MissingExtraError

# `python -m lvef.training.PROGRAM` imports this first, with "-m" for its own name: a sentence instead of a traceback.
if sys.argv[0] == "-m" and not (find_spec("torch") and find_spec("lightning")):
    sys.exit(f"lvef: {MissingExtraError('Training', 'train')}")
