# %% [markdown]
# # Your own labels
#
# You have clips and a reference EF for each. How far off is `lvef` on them? This page makes six synthetic phantoms in
# place of your clips; everything after the first cell is what you do with your own.

# %% language="bash"
# lvef synthesize phantom phantoms --clips 6 --seed 7 \
#   --rhythm sinus --frame-rate-hz 50

# %% [markdown]
# ## 1. A table of labels
#
# One row for each clip. Only `path` is required; `patient` keeps the clips of a patient together, and `EF` is in
# percent. Column titles are [recognised](../how-to/datasets.md#your-own-data) in many spellings.

# %%
import polars as pl

labels = pl.read_csv("phantoms/FileList.csv").select(
    path="phantoms/Videos/" + pl.col("FileName") + ".avi",
    patient=pl.col("FileName"),
    EF=pl.col("EF").round(1),
    view=pl.lit("A4C"),
)
labels.write_csv("labels.csv")
labels

# %% [markdown]
# ## 2. A manifest
#
# The import checks files and labels and lists findings: what is missing, doubled or doubtful.

# %% language="bash"
# lvef data import folder labels.csv --out manifest.csv
# lvef data check manifest.csv

# %% [markdown]
# ## 3. Evaluate
#
# Every clip is measured with the code that users run.

# %% language="bash"
# lvef evaluate dataset manifest.csv --split all \
#   --weights camus-seg --precision f32 --out evaluated > table.txt
# head -n 14 table.txt

# %% [markdown]
# Read three things:
#
# - **the baseline**, which predicts the median EF for every clip: an error close to it is worthless;
# - **the confidence interval** in brackets: with six clips it is wide, and says little about other clips;
# - **clips without an EF**: a model that refuses the difficult clips looks better.
#
# These are phantoms. The error on them is not the error on patients.
#
# `evaluated/index.html` is a page with all tables and plots. `cases.csv` has one row for each clip.

# %%
cases = pl.read_csv("evaluated/cases.csv")
chosen = cases.select("item", "ef_reference_percent", "ef_percent", "difference_points")
chosen.sort("ef_reference_percent")

# %% [markdown]
# ## 4. Look at the worst case

# %%
import lvef

worst = cases.sort(pl.col("difference_points").abs(), nulls_last=True, descending=True).row(0, named=True)
result = lvef.measure(f"{worst['item']}.avi", precision="f32")
result.plot()

# %% [markdown]
# If the contour is wrong on your clips, [correct it](../how-to/correct.md), or [train a model](train-on-phantoms.py) of
# your own. To compare several models on the same clips, repeat `--weights`: the table then has the difference with its
# confidence interval.
