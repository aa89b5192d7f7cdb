# %% [markdown]
# # Import published weights
#
# The authors of EchoNet-Dynamic published a model that predicts the EF of a clip. `lvef` imports its checkpoint
# without running code from the file. The import needs PyTorch (`make train-env` in a working copy, `pip install
# "lvef[train]"` elsewhere); measuring with the result does not.
#
# This page cannot contain the weights of others. It makes a checkpoint of the same layout **with random numbers**, so
# the EF at the end means nothing. With the authors' file, start at the second step.

# %% [markdown]
# ## 1. A made-up checkpoint

# %%
# needs: torch onnx
import torch

from lvef.models.r2plus1d import R2Plus1d18

torch.manual_seed(0)
net = R2Plus1d18(1)
torch.save(
    {"epoch": 44, "state_dict": {f"module.{name}": value for name, value in net.state_dict().items()}},
    "made-up.pt",
)

# %% [markdown]
# ## 2. Import

# %% language="bash"
# lvef weights import echonet-ef made-up.pt --out echonet-ef
# ls echonet-ef

# %% [markdown]
# The folder is a model like any other: the network as ONNX, and a card with its licence, citation, input and SHA-256.

# %%
import json
from pathlib import Path

card = json.loads(Path("echonet-ef/card.json").read_text(encoding="utf-8"))
{key: card[key] for key in ("name", "kind", "licence", "sampling", "experimental")}

# %% [markdown]
# ## 3. Measure

# %%
import lvef

result = lvef.measure(lvef.sample_cine(), weights="echonet-ef")
print(result)
for warning in result.warnings:
    print(f"{warning.code}: {warning.text}")

# %% [markdown]
# A model that reads an EF from a clip gives no contour and no volume. There is no prediction interval either, until you
# [calibrate](../how-to/calibrate.md) it on patients of your own.
#
# ## What is refused
#
# A checkpoint is a pickle, and reading one can run code. A file with anything but tensors and numbers is refused.

# %%
from lvef.models.published import load_published

torch.save({"state_dict": net.state_dict(), "note": print}, "hostile.pt")
try:
    load_published("echonet-ef", Path("hostile.pt"))
except lvef.LvefError as error:
    print(error)

# %% [markdown]
# Before you rely on an imported model, [evaluate it on your own clips](your-own-labels.py). [All
# options](../how-to/published-weights.md).
