# %% [markdown]
# # Measure and inspect one clip
#
# You need an environment with `lvef` ([README](../../README.md)), and no file of your own: the pydicom package
# contains a real apical cine of one second, shorter than that of `lvef demo`.

# %%
import shutil

import lvef

path = shutil.copy(lvef.sample_cine(), "clip.dcm")
result = lvef.measure(path, precision="f32")
result

# %% [markdown]
# In a notebook a result shows itself: EF, warnings, end-diastole (ED), end-systole (ES) and the volume-time curve. The
# values are attributes.

# %%
print(result.status)
print(f"EF {result.ef_percent:.1f} %")
print(result.interval_percent)
print(result.decision, result.view)

# %% [markdown]
# `partial_cycle` means that the clip has one ED and one ES but no complete beat: 30 frames in one second are too few.
# The EF is that of these two frames. `interval_percent` is the 90 % prediction interval: on stills of patients not used
# for training it contained the reference EF in 89 % of cases, and its coverage on clips of other hospitals has not been
# measured ([prediction interval](../explanation/prediction-interval.md)).
#
# Read the warnings before you use an EF.

# %%
for warning in result.warnings:
    print(f"{warning.code}: {warning.text}")

# %% [markdown]
# ## The volume-time curve

# %%
curve = result.curve
print(curve.times_s.shape, curve.volume.shape, curve.calibrated)
print(result.edv_ml, result.measurement.volume_note)

# %% [markdown]
# There are no millilitres: the scale in this file belongs to an image of another size. The EF needs no scale.
#
# ## The contours
#
# `result.tracings` has one tracing for each frame, or None where no ventricle was found. Points are (x, y) in pixels.

# %%
ed = result.tracings[result.measurement.ed_frame]
print("contour", ed.contour.shape, "apex", ed.apex.round(1), "disks", ed.chords.shape)

# %% [markdown]
# The disks give the volume again, here in cubic pixels, and the EF from two tracings.

# %%
from lvef.geometry.ejection import ejection_fraction
from lvef.geometry.simpson import volume_of_tracing

es = result.tracings[result.measurement.es_frame]
print(f"EF {ejection_fraction(volume_of_tracing(ed), volume_of_tracing(es)):.1f} %")

# %% [markdown]
# ## A figure

# %%
result.plot()

# %% [markdown]
# ## Several clips, one table
#
# Errors do not stop a list: a file that cannot be read becomes a result with the status `failed`.

# %%
results = lvef.measure([path, "missing.dcm"], precision="f32")
table = lvef.to_dataframe(results)
table.select("path", "status", "ef_percent", "ef_low_percent", "ef_high_percent", "view")

# %%
print(results[1].reason)

# %% [markdown]
# ## Arrays
#
# An array of frames needs a frame rate, because beats are found in seconds.

# %%
clip = lvef.read_clip(path)
print(clip.frames.shape, clip.frames.dtype)
print(lvef.measure(clip.frames, frame_rate_hz=clip.frame_rate_hz, precision="f32"))

# %% [markdown]
# ## Save
#
# `save` writes what `lvef measure` writes: [the files of a measurement](../reference/measurement-schema.md).

# %%
result.save("results", video=False)
