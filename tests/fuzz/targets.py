"""What is fuzzed: for each format its seeds, and how lvef reads them. A refusal (`LvefError`) is the expected end."""

from __future__ import annotations

import inspect
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from lvef.core.errors import LvefError
from tests.fuzz import seeds
from tests.fuzz.seeds import Files

Read = Callable[[Path], object]
"""Reads a file as a user's command would; what it returns tells apart what was found."""


@dataclass(frozen=True, slots=True)
class Target:
    """A format.

    Attributes:
        make: Makes the seeds; it may need an empty folder.
        read: Reads the first file of a seed, or the folder.
        folder: Whether the folder is what is given to the reader.
        share: Part of the inputs that it gets: slow ones get fewer.
        needs: A package without which it is left out.
        writes: Whether it writes into the folder, as what resumes a run does.
    """

    make: Callable[..., list[Files]]
    read: Read
    folder: bool = False
    share: float = 1.0
    needs: str = "lvef"
    writes: bool = False

    @property
    def is_possible(self) -> bool:
        """Whether what it needs is installed."""
        return find_spec(self.needs) is not None


def _tolerant(read: Read) -> Read:
    """A reader whose refusal does not keep the next one from its turn."""

    def tolerant(path: Path) -> object:
        try:
            return read(path)
        except LvefError as error:
            check_message(error, path)
            return str(type(error))

    return tolerant


class Rejected(Exception):
    """A reader gave something that it should not."""


def check_message(error: Exception, path: Path) -> None:
    """See that a message names the file and is one plain line."""
    message = str(error)
    names = {path.name, *(p.name for p in path.parent.iterdir()), *(p.name for p in path.rglob("*.*"))}
    if not any(name in message for name in names):
        raise Rejected(f"message without the file: {message[:300]!r}") from error
    if not message.isprintable() or len(message) > 1500:
        raise Rejected(f"message that is no plain line: {message[:300]!r}") from error


def read_clip(path: Path) -> object:
    """Clip and header, and what must hold of every clip."""
    from lvef.io.open import open_clip
    from lvef.io.probe import probe

    found = _tolerant(probe)(path)
    clip = open_clip(path)
    n, height, width = clip.frames.shape
    good = clip.frames.dtype == np.uint8 and n > 0 and height > 0 and width > 0 and len(clip.times_s) == n
    good = good and bool(np.isfinite(clip.times_s).all()) and bool((np.diff(clip.times_s) > 0).all())
    if not good or any(not notice.text.isprintable() for notice in clip.notices):
        raise Rejected(f"clip {clip.frames.shape} {clip.times_s[:5]} {[n.text for n in clip.notices]}")
    return clip.timing, tuple(notice.code for notice in clip.notices), clip.spacing is None, type(found)


def read_still(path: Path) -> object:
    """The same, and the file as a label image."""
    from lvef.io.images import read_labels

    _tolerant(read_labels)(path)
    return read_clip(path)


def read_dicom(path: Path) -> object:
    """The same, and what identifies the person."""
    from lvef.io.dicom import single_instances
    from lvef.io.dicom_header import read_dicom_identity

    read_dicom_identity(path)
    single_instances([path])
    return read_clip(path)


def read_folder(path: Path) -> object:
    """Numbered stills as a cine."""
    from lvef.io.open import find_clips, find_inputs, open_clip

    find_clips(find_inputs([path]))
    return open_clip(path).timing


def read_table(path: Path) -> object:
    """A table of a user, as cells and as text."""
    from lvef.datasets.files import read_csv_table, read_text_table
    from lvef.datasets.findings import Findings

    findings = Findings()
    _tolerant(lambda p: read_text_table(p, ("File Name", "Age"), findings))(path)
    return read_csv_table(path).separator


def _importer(name: str) -> Read:
    def read(root: Path) -> object:
        from lvef.datasets.registry import find_reader

        result = find_reader(name).read(root, None)
        return (
            tuple(sorted(str(finding.code) for finding in result.findings))
            if hasattr(result, "findings")
            else ()
        )

    return read


def read_hmc(path: Path) -> object:
    """A label table of HMC-QU."""
    from lvef.core.terms import View
    from lvef.datasets.hmc_qu_table import read_hmc_table, read_infarction, read_tick

    table = read_hmc_table(path, View.A4C)
    marks = [
        read_tick(c) is None or read_infarction(c) is None for row in table.rows for c in row.cells.values()
    ]
    return table.missing, len(marks) > 0


def read_manifest(path: Path) -> object:
    """A manifest."""
    from lvef.datasets.manifest import read_manifest

    return read_manifest(path).height


def read_archive_list(path: Path) -> object:
    """A list of clips on a cluster."""
    from lvef.distributed.archive import find_archive

    return len(find_archive([path]))


def read_archive_job(folder: Path) -> object:
    """The job that a command resumes: what is done, rows that no longer hold taken out, a new part."""
    from lvef.distributed.archive import _check_job
    from lvef.distributed.parts import PartTable
    from lvef.distributed.storage import ResultFolder

    place = ResultFolder(folder)
    begun = _tolerant(lambda _: _check_job(place, "x", "a" * 24))(folder)
    table = PartTable(place)
    table.load()
    gone = table.withdraw(lambda _, held: held.status == "ok")
    table.add(dict.fromkeys(("key", "stamp", "made_with", "status", "reason_code"), "x"))
    table.commit()
    again = PartTable(place)
    again.load()
    if set(again.held) != set(table.held):
        raise Rejected(f"{len(table.held)} clips were held, and {len(again.held)} when read again")
    return bool(begun), gone


def read_predictions(path: Path) -> object:
    """Predictions of another program."""
    from lvef.evaluation.dataset.predictions import read_predictions

    return len(read_predictions(path))


def read_result(path: Path) -> object:
    """A saved measurement, its curve, and what is drawn from it again."""
    from lvef.measure.saved_results import load_curve, load_result
    from lvef.measure.serializers import measurement_json, result_row

    if path.suffix == ".csv":
        return len(load_curve(path).times_s)
    result = load_result(path)
    measurement_json(result.measurement)
    return result_row(result.measurement, "x")["status"]


def read_correction(path: Path) -> object:
    """A correction of one clip or of a study."""
    from lvef.measure.correction import edit_from_dict, read_correction, study_from_dict

    values = read_correction(path)
    _tolerant(lambda p: study_from_dict(values, str(p)))(path)
    return edit_from_dict(values, str(path)).reader


def read_card(path: Path) -> object:
    """A model card, and the model that it describes."""
    from lvef.inference.card import card_facts, metric_text, read_card
    from lvef.inference.catalogue import find_model

    card = read_card(path.parent)
    card_facts(card)
    [metric_text(figure) for figure in (*card.figures, *card.external)]
    return find_model(str(path.parent)).card.kind


def read_onnx(path: Path) -> object:
    """A model in both backends."""
    from lvef.inference.session import BACKENDS, open_session

    read = [_tolerant(lambda p, name=name: open_session(p, backend=name).inputs) for name in BACKENDS]
    return tuple(str(one(path)) for one in read)


def read_recipe(path: Path) -> object:
    """A training recipe of any family."""
    from lvef.training.camus_run import read_camus_recipe
    from lvef.training.recipe import find_recipe, read_recipe, read_values
    from lvef.training.segmentation import SegmentationRecipe
    from lvef.training.view import ViewRecipe

    family = str(read_values(find_recipe(path)).get("family", ""))
    if family == "segmentation":
        return read_camus_recipe(SegmentationRecipe, path).name
    return (read_camus_recipe(ViewRecipe, path) if family == "view" else read_recipe(path)).name


def read_config(path: Path) -> object:
    """The user's config file."""
    import os

    import click

    from lvef.cli.config_file import ConfigFileError, read_config
    from lvef.cli.main import main

    os.environ["LVEF_CONFIG"] = str(path)
    try:
        return tuple(read_config(main, click.Context(main)))
    except ConfigFileError as error:
        check_message(error, path)
        raise LvefError(error.format_message()) from None
    finally:
        del os.environ["LVEF_CONFIG"]


def read_journal(path: Path) -> object:
    """The journal of a run that is resumed."""
    from lvef.core.journal import Journal

    journal = Journal(path)
    try:
        return len(journal.entries), journal.matching("a" * 24, "1:2", "b") is None
    finally:
        journal.close()


def read_truth(path: Path) -> object:
    """The truth of a synthetic dataset."""
    from lvef.evaluation.synthetic.truth import read_curve, read_dataset

    if path.name == "curve.csv":
        return len(read_curve(path).times_s)
    return tuple(clip.error[:20] for clip in read_dataset(path.parent))


TARGETS: dict[str, Target] = {
    "avi": Target(seeds.avi, read_clip),
    "mp4": Target(seeds.mp4, read_clip),
    "mkv": Target(seeds.mkv, read_clip),
    "wmv-mpeg": Target(seeds.other_video, read_clip),
    "gif": Target(seeds.gif, read_still),
    "png": Target(seeds.png, read_still),
    "jpeg": Target(seeds.jpeg, read_still),
    "tiff": Target(seeds.tiff, read_still),
    "bmp": Target(seeds.bmp, read_still),
    "webp": Target(seeds.webp, read_still),
    "dicom": Target(seeds.dicom_files, read_dicom),
    "nifti": Target(seeds.nifti, read_still),
    "metaimage": Target(seeds.metaimage, read_still),
    "stills": Target(seeds.series, read_folder, folder=True),
    "not-read": Target(seeds.foreign, read_clip),
    "csv": Target(seeds.table, read_table),
    "xlsx": Target(seeds.hmc_table, read_hmc, share=0.25),
    "manifest": Target(seeds.manifest, read_manifest),
    "archive-list": Target(seeds.archive_list, read_archive_list),
    "archive-job": Target(seeds.archive_job, read_archive_job, folder=True, writes=True),
    "predictions": Target(seeds.predictions, read_predictions),
    "result": Target(seeds.result, read_result),
    "correction": Target(seeds.correction, read_correction),
    "card": Target(seeds.card, read_card, needs="onnx"),
    "onnx": Target(seeds.onnx, read_onnx, needs="onnx"),
    "recipe": Target(seeds.recipe, read_recipe, needs="torch"),
    "config": Target(seeds.config, read_config),
    "journal": Target(seeds.journal, read_journal, writes=True),
    "truth": Target(seeds.truth, read_truth),
    **{
        f"data-{name}": Target(seeds.dataset(name), _importer(name), folder=True, share=0.2)
        for name in ("folder", "echonet-dynamic", "echonet-pediatric", "hmc-qu", "tmed-2", "camus", "dicom")
    },
}
"""Name -> what is fuzzed under it."""


@cache
def seeds_of(name: str) -> list[Files]:
    """The seeds of a target, made once a process."""
    make = TARGETS[name].make
    with tempfile.TemporaryDirectory(prefix="lvef-fuzz-seed-") as folder:
        return make(Path(folder)) if inspect.signature(make).parameters else make()
