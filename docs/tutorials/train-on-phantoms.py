# %% [markdown]
# # Train on phantoms and evaluate
#
# The whole way from clips to a model of your own, small enough for a laptop. Training needs PyTorch: `make train-env` in a
# working copy, `pip install "lvef[train]"` elsewhere.
#
# Expect a poor model: this page trains on a handful of phantoms for two epochs. What it shows are the steps, which are
# the same for [a real dataset](echonet-dynamic.py).

# %%
# needs: torch lightning onnx
from pathlib import Path

# %% [markdown]
# ## 1. Data
#
# Phantoms come with known EF, and with splits by patient.

# %% language="bash"
# lvef synthesize phantom phantoms --clips 10 --seed 3 \
#   --rhythm sinus --frame-rate-hz 40
# lvef data prepare clips phantoms/manifest.csv --out store

# %% [markdown]
# ## 2. Train
#
# `small-video` is a recipe that comes with lvef. `--set` overrides a setting of it.

# %% language="bash"
# lvef train small-video --data store --out run \
#   --epochs 2 --set batch_size=4 --set clip.clips=1

# %%
sorted(
    p.relative_to("run").as_posix()
    for p in Path("run").rglob("*")
    if p.is_file() and p.suffix in {".ckpt", ".csv", ".json", ".onnx"}
)

# %% [markdown]
# `run/small-video` is the model: `model.onnx` with its card. It measures without torch, like any other.
#
# ## 3. Learning curve

# %%
import polars as pl

pl.read_csv("run/metrics.csv")

# %% [markdown]
# ## 4. Evaluate on clips that training never read
#
# Phantoms of another seed, all in the test split.

# %% language="bash"
# lvef synthesize phantom unseen --clips 4 --seed 99 \
#   --rhythm sinus --frame-rate-hz 40 --all-split test
# lvef evaluate dataset unseen/manifest.csv --weights run/small-video \
#   --weights camus-seg --out evaluated > table.txt
# head -n 12 table.txt

# %% [markdown]
# The first column of numbers is the baseline, which predicts the same EF for every clip. Expect the new network to be no
# better: it saw ten clips. With four test clips the confidence intervals are so wide that no model can be ranked.
# How many clips and epochs a useful network takes is in [the experiments](../../EXPERIMENTS.md).
#
# ## What next
#
# - First weights from single frames make clip networks learn at once: [train](../how-to/train.md#train).
# - Cross-validation by patient and tuning: `lvef train --folds 5`, `lvef tune`.
# - Use the model: `lvef measure clip.avi --weights run/small-video`.
