"""EchoNet-Dynamic's checkpoints: read safely, read rightly, and whatever else such a file may turn out to be."""

from __future__ import annotations

import os
import pickle
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from lvef.core.errors import ConfigError, WeightsError  # noqa: E402
from lvef.models.checkpoint import MOST_BYTES, load_pretrained, read_state  # noqa: E402
from lvef.models.published import (  # noqa: E402
    PUBLISHED,
    DeepLabV3,
    load_published,
)
from lvef.models.r2plus1d import ChannelScaling, R2Plus1d18, R2Plus1dEf  # noqa: E402
from tests.models.fabricated import layout, lived  # noqa: E402

pytestmark = pytest.mark.training

LAYOUTS = {
    "echonet-ef": (
        R2Plus1d18,
        "7a87ec20ac797d2be904effcc195db8b399b4672a483add8de9f41bb63fc9686",
        31_300_638,
    ),
    "echonet-lv": (DeepLabV3, "7bd7a4175f0353d1d5875516b727f373596148920939707715dd0925307dda31", 39_633_729),
}
"""Network, names and shapes, and number of parameters of torchvision 0.29's r2plus1d_18 and deeplabv3_resnet50, each with
one output."""

MEAN = torch.tensor([32.49, 32.63, 32.93])
STD = torch.tensor([49.87, 49.88, 50.13])


class Hostile:
    """A pickle that makes a file when it is read."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (os.mkdir, (str(self.path),))


def checkpoint_of(net, **more):
    """A checkpoint as EchoNet-Dynamic's training code writes it: weights of DataParallel among its own notes."""
    learner = torch.optim.SGD(net.parameters(), lr=1e-4, momentum=0.9)
    return {
        "epoch": 44,
        "state_dict": {f"module.{name}": tensor for name, tensor in net.state_dict().items()},
        "period": 2,
        "frames": 32,
        "best_loss": np.float64(31.2),
        "loss": np.float32(29.9),
        "r2": np.float64(0.8),
        "opt_dict": learner.state_dict(),
        "scheduler_dict": torch.optim.lr_scheduler.StepLR(learner, 15).state_dict(),
    } | more


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Both checkpoints with random numbers, and the networks they hold."""
    folder = tmp_path_factory.mktemp("published")
    made = {}
    for name, (network, _, _) in LAYOUTS.items():
        torch.manual_seed(3)
        net = lived(network(1))
        if name == "echonet-lv":  # so that the fabricated ventricle neither fills the image nor is missing
            with torch.no_grad():
                net.classifier[4].bias -= net(torch.zeros(1, 3, 64, 64)).median() + 1e-3
        torch.save(checkpoint_of(net), folder / f"{name}.pt")
        made[name] = (folder / f"{name}.pt", net)
    return made


@pytest.mark.parametrize("name", PUBLISHED)
def test_layers_are_named_as_torchvision_names_them(name):
    network, digest, n = LAYOUTS[name]
    with torch.device("meta"):
        net = network(1)
    assert layout(net.state_dict()) == digest
    assert sum(p.numel() for p in net.parameters()) == n


def test_the_ef_is_that_of_the_authors_preparation(files):
    path, net = files["echonet-ef"]
    imported = load_published("echonet-ef", path)
    grey = torch.randint(0, 256, (2, 1, 8, 32, 32), generator=torch.Generator().manual_seed(0)).float()
    # As their loader does it: three equal channels, each scaled by its own mean and spread.
    colour = grey.repeat(1, 3, 1, 1, 1)
    scaled = (colour - MEAN.view(1, 3, 1, 1, 1)) / STD.view(1, 3, 1, 1, 1)
    with torch.inference_mode():
        assert torch.allclose(imported(grey), net(scaled)[:, 0], atol=1e-5)
        assert imported(grey).shape == (2,)


def test_the_ventricle_is_where_the_logit_is_above_0(files):
    path, net = files["echonet-lv"]
    imported = load_published("echonet-lv", path)
    grey = torch.randint(0, 256, (2, 1, 64, 64), generator=torch.Generator().manual_seed(0)).float()
    scaled = (grey.repeat(1, 3, 1, 1) - MEAN.view(1, 3, 1, 1)) / STD.view(1, 3, 1, 1)
    with torch.inference_mode():
        logit = net(scaled)[:, 0]
        out = imported(grey)
    assert out.shape == (2, 2, 64, 64)
    assert torch.allclose(out.sum(1), torch.ones(2, 64, 64))
    clear = logit.abs() > 1e-4
    assert torch.equal((out.argmax(1) == 1)[clear], (logit > 0)[clear])
    assert 0 < (logit > 0).float().mean() < 1


@pytest.mark.slow
def test_the_numbers_are_torchvision_s(files):
    try:
        from torchvision.models.segmentation import deeplabv3_resnet50
        from torchvision.models.video import r2plus1d_18
    except (ImportError, RuntimeError):
        pytest.skip("torchvision is not installed, or not for this torch")
    generator = torch.Generator().manual_seed(0)
    theirs = {
        "echonet-ef": r2plus1d_18(num_classes=1),
        "echonet-lv": deeplabv3_resnet50(weights=None, weights_backbone=None, aux_loss=False, num_classes=1),
    }
    for name, (path, _) in files.items():
        theirs[name].load_state_dict(read_state(path))
        theirs[name].eval()
    clip = torch.randint(0, 256, (1, 1, 32, 112, 112), generator=generator).float()
    scaled = (clip.repeat(1, 3, 1, 1, 1) - MEAN.view(1, 3, 1, 1, 1)) / STD.view(1, 3, 1, 1, 1)
    with torch.inference_mode():
        ef = load_published("echonet-ef", files["echonet-ef"][0])(clip)
        assert torch.allclose(ef, theirs["echonet-ef"](scaled)[:, 0], atol=1e-4)
        lv = load_published("echonet-lv", files["echonet-lv"][0])(clip[:, :, 0])[:, 1]
        assert torch.allclose(lv, theirs["echonet-lv"](scaled[:, :, 0])["out"][:, 0].sigmoid(), atol=1e-4)


def test_numbers_of_numpy_beside_the_weights_are_read_under_their_old_name_too(tmp_path):
    new, old = tmp_path / "new.pt", tmp_path / "old.pt"
    torch.save({"state_dict": {"a": torch.ones(2)}, "r2": np.float64(0.8)}, new)
    with zipfile.ZipFile(new) as source, zipfile.ZipFile(old, "w") as target:
        for item in source.infolist():
            content = source.read(item)
            target.writestr(item, content.replace(b"numpy._core.multiarray", b"numpy.core.multiarray"))
    assert b"numpy.core.multiarray" in old.read_bytes()
    for path in (new, old):
        assert torch.equal(read_state(path)["a"], torch.ones(2))


@pytest.mark.parametrize("container", ["zip", "legacy", "pickle"])
@pytest.mark.parametrize("place", ["inside", "instead"])
def test_a_hostile_file_runs_nothing(tmp_path, container, place):
    mark, path = tmp_path / "mark", tmp_path / "hostile.pt"
    content = Hostile(mark) if place == "instead" else {"epoch": 3, "loss": Hostile(mark)}
    if container == "pickle":
        path.write_bytes(pickle.dumps(content, protocol=2))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=container == "zip")
    with pytest.raises(
        WeightsError, match=r"hostile\.pt: asks for \w+\.mkdir to be run .* nothing of it was run\."
    ):
        read_state(path)
    assert not mark.exists()
    # The file is what it claims to be: an unguarded reader would have run it.
    if container == "pickle" and place == "instead":
        pickle.loads(path.read_bytes())
        assert mark.exists()


def _html(path, whole):
    path.write_text("\n <!DOCTYPE html>\n<html><body>Sign in</body></html>")


def _half(path, whole):
    path.write_bytes(whole[: len(whole) // 2])


def _flipped_start(path, whole):
    path.write_bytes(b"\0" * 64 + whole[64:])


def _huge(path, whole):
    with path.open("wb") as file:
        file.truncate(3_000_000_000)  # a hole: takes no room


def _number(path, whole):
    torch.save(7, path)


def _notes(path, whole):
    torch.save({"epoch": 3, "loss": 0.1}, path)


DAMAGED = {
    "a web page": (_html, "is a web page, not a checkpoint"),
    "half of it": (_half, "is cut short"),
    "a damaged start": (_flipped_start, "download the file again"),
    "nothing": (lambda path, whole: path.write_bytes(b""), "is empty"),
    "3 GB": (_huge, r"3\.0 GB found, more than any network known here has \(at most 1\.1 GB\)"),
    "a text": (lambda path, whole: path.write_text("hello"), "download the file again"),
    "a pointer": (
        lambda path, whole: path.write_text("version https://git-lfs.github.com/spec/v1\n"),
        "is a Git LFS pointer",
    ),
    "a folder": (lambda path, whole: path.mkdir(), "is no file"),
    "no file": (lambda path, whole: None, "cannot be read"),
    "a number": (_number, "int found; a state dict"),
    "notes alone": (_notes, "'epoch' holds no tensor"),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_what_is_no_checkpoint_is_said_in_one_sentence(tmp_path, files, case):
    make, said = DAMAGED[case]
    path = tmp_path / "file.pt"
    make(path, files["echonet-ef"][0].read_bytes())
    with pytest.raises(WeightsError, match=said) as caught:
        load_published("echonet-ef", path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value).replace(str(path), "")) < 200


def test_every_length_of_a_small_checkpoint_is_refused_or_whole(tmp_path):
    path = tmp_path / "file.pt"
    torch.save({"a": torch.ones(3)}, path)
    whole = path.read_bytes()
    for length in range(0, len(whole), 37):
        path.write_bytes(whole[:length])
        with pytest.raises(WeightsError):
            read_state(path)


def test_another_architecture_is_named(tmp_path, files):
    with pytest.raises(
        WeightsError, match=r"is a deeplabv3_resnet50, but echonet-ef is a r2plus1d_18; .* import echonet-lv"
    ):
        load_published("echonet-ef", files["echonet-lv"][0])
    with pytest.raises(WeightsError, match="for this file run lvef weights import echonet-ef"):
        load_published("echonet-lv", files["echonet-ef"][0])
    path = tmp_path / "file.pt"
    state = files["echonet-ef"][1].state_dict()
    torch.save(state | {"fc.weight": torch.zeros(400, 512), "fc.bias": torch.zeros(400)}, path)
    with pytest.raises(
        WeightsError, match=r"is no checkpoint of .*r2plus1d_18 .*: layers 2 of another shape \(fc"
    ):
        load_published("echonet-ef", path)
    torch.save({k: v for k, v in state.items() if not k.startswith("layer4")}, path)
    with pytest.raises(WeightsError, match=r"layers \d+ missing \(layer4"):
        load_published("echonet-ef", path)
    torch.save(state | {"fc.bias": torch.tensor([float("nan")])}, path)
    with pytest.raises(WeightsError, match=r"layer fc\.bias holds numbers that are not finite"):
        load_published("echonet-ef", path)
    with pytest.raises(ConfigError, match="'echonet' found; echonet-ef or echonet-lv was expected"):
        load_published("echonet", path)


def test_without_the_counters_of_old_torch(tmp_path, files):
    path = tmp_path / "file.pt"
    state = files["echonet-ef"][1].state_dict()
    torch.save({k: v for k, v in state.items() if not k.endswith("num_batches_tracked")}, path)
    assert torch.equal(load_published("echonet-ef", path).net.fc.weight, state["fc.weight"])


def test_kinetics_weights_leave_the_output_as_it_was(tmp_path):
    torch.manual_seed(0)
    path = tmp_path / "kinetics.pt"
    full = lived(R2Plus1d18(400))
    torch.save(full.state_dict(), path)
    net = R2Plus1dEf(ChannelScaling(mean=(110.2, 100.6, 96.0), std=(58.1, 56.5, 55.3)))
    net.set_output_bias(55.0)
    before = net.net.fc.weight.clone()
    assert re.fullmatch("[0-9a-f]{64}", load_pretrained(net.net, path, "r2plus1d_18", "fc."))
    assert torch.equal(net.net.fc.weight, before)
    assert net.net.fc.bias.item() == 55
    assert torch.equal(net.net.layer4[1].conv2[1].running_var, full.layer4[1].conv2[1].running_var)


def test_the_largest_known_checkpoint_is_far_below_the_limit():
    # Weights and momentum of the larger network, in single precision.
    assert 2 * 4 * LAYOUTS["echonet-lv"][2] < MOST_BYTES / 3


def test_the_release_names_its_files():
    assert {p.file for p in PUBLISHED.values()} == {
        "r2plus1d_18_32_2_pretrained.pt",
        "deeplabv3_resnet50_random.pt",
    }
    assert Path(PUBLISHED["echonet-ef"].file).suffix == ".pt"
