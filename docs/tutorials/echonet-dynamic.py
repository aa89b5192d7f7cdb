# %% [markdown]
# # EchoNet-Dynamic, from download to table
#
# EchoNet-Dynamic is a public dataset: 10,030 apical four-chamber clips with the EF of a clinical report. Its terms
# forbid passing it on, so this page runs on a **made-up miniature in the same layout**: `Videos/`, `FileList.csv` and
# `VolumeTracings.csv` of six phantoms. Replace the folder by yours.

# %% language="bash"
# lvef data info echonet-dynamic

# %% [markdown]
# Register with the owners, download their archive and unpack it. The next cell makes the miniature instead.

# %% language="bash"
# lvef synthesize phantom EchoNet-Dynamic --clips 6 --seed 11 \
#   --rhythm sinus --frame-rate-hz 50
# cd EchoNet-Dynamic
# rm -r Masks Curves *.jsonl *.json *.txt manifest.csv Beats.csv
# ls && head -n 3 FileList.csv VolumeTracings.csv

# %% [markdown]
# ## Import
#
# The manifest is one table with a row for each clip. On the real dataset the findings are known: six rows with another
# frame size, about 93 frames with another number of lines.

# %% language="bash"
# lvef data import echonet-dynamic EchoNet-Dynamic --out echonet.parquet

# %% [markdown]
# ## Explore

# %% language="bash"
# lvef explore echonet.parquet --out explored

# %% [markdown]
# On the real dataset this table shows an EF of 55.7 ± 12.4 % for 10,030 clips; compare it with yours before you go on.
#
# ## Evaluate
#
# On the real dataset choose `--split test`. The miniature has too few test clips, so here all of its clips are
# measured.

# %% language="bash"
# lvef evaluate dataset echonet.parquet --split all \
#   --weights camus-seg --precision f32 --out evaluated > table.txt
# head -n 14 table.txt

# %% [markdown]
# ## The table

# %%
import polars as pl

metrics = pl.read_csv("evaluated/metrics.csv")
chosen = metrics.filter(
    pl.col("metric").is_in(["ef_mae", "ef_rmse", "ef_bias", "ef_r"]),
    pl.col("group").is_null(),
)
chosen.select("method", "metric", "value", "low", "high", "n", "unit", "baseline")

# %% [markdown]
# **What these numbers are not**: they are of six phantoms. `camus-seg` has not been evaluated on EchoNet-Dynamic here.
# Published mean absolute errors on its test patients are 8.55 points for the constant median, 4.05 for the authors'
# model and 3.87 for the best published one.
#
# [Train on EchoNet-Dynamic](../how-to/train-on-echonet-dynamic.md) goes on with training, cross-validation and tuning.
