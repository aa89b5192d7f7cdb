# %% [markdown]
# # Gallery
#
# Every image is made when this page is built, by the code above it. The real cine is that of the pydicom package; all
# other clips are synthetic phantoms, which show no patient.

# %% [markdown]
# ## A real cine, measured

# %%
import lvef

lvef.measure(lvef.sample_cine(), precision="f32").plot()

# %% [markdown]
# ## A phantom, measured
#
# Its EF is known. `render_phantom` returns the clip with its truth.

# %%
from lvef.synthesis.phantom.render import sample_phantom

phantom = sample_phantom()
result = lvef.measure(phantom.clip, precision="f32")
true_ef = phantom.representative.plane_ef_percent
print(f"true EF {true_ef:.1f} %, measured {result.ef_percent:.1f} %")
result.plot()

# %% [markdown]
# ## Measured against true volumes
#
# The same phantom. The measured ventricle is about 40 ml too large on every frame: `camus-seg` places the faint lateral
# wall of a phantom too far outside. The curve has the right shape, and the EF is too low.

# %%
import matplotlib.pyplot as plt

figure, axes = plt.subplots(figsize=(8, 3.2), layout="constrained")
times = result.curve.times_s
axes.plot(times, phantom.plane_volume_ml, color="#5d6670", label="true")
axes.plot(times, result.curve.volume, color="#0072b2", label="measured")
axes.set(xlabel="time (s)", ylabel="volume (ml)", ylim=(0, None))
axes.legend(frameon=False, ncols=2)
axes.spines[["top", "right"]].set_visible(False)

# %% [markdown]
# ## Contours over a beat

# %%
ed, es = result.measurement.ed_frame, result.measurement.es_frame
figure, axes = plt.subplots(1, 5, figsize=(10, 2.3), layout="constrained")
for axis, frame in zip(axes, range(ed, es + 1, max(1, (es - ed) // 4)), strict=False):
    axis.imshow(phantom.clip.frames[frame], cmap="gray")
    for tracing, colour in ((phantom.tracings[frame], "#f0a01e"), (result.tracings[frame], "#3cd7aa")):
        axis.plot(*tracing.contour.T, color=colour, linewidth=1.2)
    axis.set_title(f"{times[frame]:.2f} s", fontsize=9)
    axis.axis("off")
figure.suptitle("true (orange) and measured (green)", fontsize=10)

# %% [markdown]
# ## The method of disks
#
# Contour, long axis and the 20 disks whose diameters give the volume.

# %%
figure, axes = plt.subplots(1, 2, figsize=(8, 4), layout="constrained")
for axis, frame, name, colour in ((axes[0], ed, "ED", "#56b4e9"), (axes[1], es, "ES", "#f0a01e")):
    tracing = result.tracings[frame]
    axis.imshow(phantom.clip.frames[frame], cmap="gray")
    axis.plot(*tracing.contour.T, color=colour)
    for chord in tracing.chords:
        axis.plot(*chord.T, color=colour, linewidth=0.6)
    axis.plot(*zip(tracing.apex, tracing.base, strict=True), color=colour, linestyle="--")
    axis.set_title(name)
    axis.axis("off")

# %% [markdown]
# ## Phantoms of different EF
#
# End-diastole above, end-systole below.

# %%
import numpy as np

from lvef.core.terms import View
from lvef.synthesis.phantom.draw import PhantomOptions, draw_phantom
from lvef.synthesis.phantom.render import render_phantom

figure, axes = plt.subplots(2, 4, figsize=(10, 5.2), layout="constrained")
cases = [(20.0, View.A4C), (40.0, View.A4C), (60.0, View.A4C), (60.0, View.A2C)]
for column, (ef, view) in enumerate(cases):
    rng = np.random.default_rng(5)
    options = PhantomOptions(ef_percent=ef, view=view, heart_rate_bpm=70.0, frame_rate_hz=40.0, n_frames=60)
    made = render_phantom(draw_phantom(rng, options), rng)
    volume = made.plane_volume_ml
    for row, frame in enumerate((int(volume.argmax()), int(volume.argmin()))):
        axes[row, column].imshow(made.clip.frames[frame], cmap="gray")
        axes[row, column].plot(*made.tracings[frame].contour.T, color="#f0a01e", linewidth=1)
        axes[row, column].axis("off")
    axes[0, column].set_title(f"{view}, EF {ef:.0f} %")
