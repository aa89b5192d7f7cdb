"""Mutators that know the structure of a format, by suffix; those of DICOM among them."""

from __future__ import annotations

import io
import warnings
from typing import Any

import numpy as np

from tests.fuzz import mutate_media as media
from tests.fuzz import mutate_text as textual
from tests.fuzz.mutate_text import ODD_NUMBERS, ODD_TEXTS, Mutator, Rng, Span, pick, raw, spans_mutator


def _dicom_spans(data: bytes) -> list[Span]:
    """Elements of a DICOM file, as pydicom finds them; their length fields among them."""
    import pydicom

    spans: list[Span] = []
    try:
        dataset = pydicom.dcmread(io.BytesIO(data), force=True, defer_size=None)
        places = sorted(
            int(getattr(element, "value_tell", 0) or getattr(element, "file_tell", 0) or 0)
            for part in (dataset.file_meta, dataset)
            for element in part._dict.values()
        )
    except Exception:  # noqa: BLE001  whatever a damaged file does
        return []
    places = [place for place in places if 132 < place <= len(data)]
    for place, following in zip(places, [*places, len(data)][1:], strict=True):
        start, end = max(place - 8, 132), max(following - 8, place)
        spans += [(start, end), (max(place - 4, 132), place)]
    return spans


_DICOM_KEYWORDS = (
    *(
        "Rows",
        "Columns",
        "NumberOfFrames",
        "SamplesPerPixel",
        "BitsAllocated",
        "BitsStored",
        "HighBit",
        "FrameTime",
    ),
    *(
        "PixelRepresentation",
        "PlanarConfiguration",
        "PhotometricInterpretation",
        "FrameTimeVector",
        "PixelSpacing",
    ),
    *(
        "CineRate",
        "RecommendedDisplayFrameRate",
        "FrameIncrementPointer",
        "HeartRate",
        "PixelAspectRatio",
        "RWaveTimeVector",
    ),
    *(
        "SequenceOfUltrasoundRegions",
        "WindowCenter",
        "WindowWidth",
        "RescaleSlope",
        "RescaleIntercept",
        "PatientSex",
    ),
    *(
        "ExtendedOffsetTable",
        "RedPaletteColorLookupTableDescriptor",
        "RedPaletteColorLookupTableData",
        "ViewName",
    ),
    *(
        "GreenPaletteColorLookupTableDescriptor",
        "GreenPaletteColorLookupTableData",
        "ModalityLUTSequence",
        "StageName",
    ),
    *(
        "ViewCodeSequence",
        "SeriesDescription",
        "ImageType",
        "InstanceNumber",
        "TriggerTime",
        "AcquisitionDateTime",
        "Modality",
    ),
    *(
        "EffectiveDuration",
        "ActualFrameDuration",
        "StartTrim",
        "StopTrim",
        "PreferredPlaybackSequencing",
        "VOILUTSequence",
    ),
)


def dicom(data: bytes, rng: Rng) -> bytes:
    """Change elements through pydicom: another value, another transfer syntax, none; in part, bytes of an element."""
    import pydicom
    from pydicom import config

    if rng.random() < 0.5:
        return spans_mutator(_dicom_spans)(data, rng)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before = config.settings.writing_validation_mode
        config.settings.writing_validation_mode = config.IGNORE
        try:
            dataset = pydicom.dcmread(io.BytesIO(data), force=True)
            for _ in range(int(rng.geometric(0.5))):
                _change_element(dataset, rng)
            out = io.BytesIO()
            pydicom.dcmwrite(out, dataset)
            return out.getvalue()
        except Exception:  # noqa: BLE001  a value that cannot be written
            return raw(data, rng)
        finally:
            config.settings.writing_validation_mode = before


def _change_element(dataset: Any, rng: Rng) -> None:
    from pydicom import uid
    from pydicom.datadict import dictionary_VR, tag_for_keyword

    keyword = str(pick(rng, _DICOM_KEYWORDS))
    if rng.random() < 0.1:
        names = [name for name in dir(uid) if isinstance(getattr(uid, name), uid.UID)]
        dataset.file_meta.TransferSyntaxUID = getattr(uid, str(pick(rng, names)))
    elif keyword in dataset and rng.random() < 0.25:
        del dataset[keyword]
    else:
        tag = tag_for_keyword(keyword)
        assert tag is not None
        kind = dictionary_VR(tag)[:2]
        value: Any = str(pick(rng, ODD_TEXTS))[:60]
        if kind == "US":
            value = int(pick(rng, [n for n in ODD_NUMBERS if n < 65536] + [8, 12, 16, 32, 48, 64]))
        elif kind == "FD":
            value = float(pick(rng, (0.0, -1.0, 1e300, float("nan"), float("inf"), 1e-300)))
        elif kind in ("OB", "OW", "OV"):
            value = bytes(rng.integers(0, 256, int(pick(rng, (0, 2, 8, 512))), np.uint8))
        elif kind == "AT":
            value = int(pick(rng, (0x00181063, 0x00181065, 0, 0xFFFFFFFF, 0x7FE00010)))
        elif kind == "SQ":
            items = [pick(rng, dataset[keyword].value)] * int(rng.integers(4)) if dataset.get(keyword) else []
            for item in items[:1]:
                element = pick(rng, list(item))
                number = int(pick(rng, ODD_NUMBERS)) % 65536
                item[element.tag].value = number if element.VR in ("US", "SL", "UL") else element.value
            value = items
        elif rng.random() < 0.4:
            value = [value, str(pick(rng, ODD_TEXTS))[:16]]
        # As bytes where the value is none that pydicom would write.
        dataset.add_new(tag, kind, value)


STRUCTURED: dict[str, Mutator] = {
    **dict.fromkeys((".avi", ".webp"), media.tree_mutator(media.parse_riff, media.write_riff)),
    **dict.fromkeys((".mp4", ".mov"), media.tree_mutator(media.parse_boxes, media.write_boxes)),
    ".mkv": media.tree_mutator(media.parse_ebml, media.write_ebml),
    ".gif": spans_mutator(media.gif_spans),
    ".png": media.png,
    ".jpg": spans_mutator(media.jpeg_spans),
    ".tif": spans_mutator(media.tiff_spans),
    ".bmp": media.bmp,
    **dict.fromkeys((".nii", ".gz"), media.nifti),
    ".dcm": dicom,
    ".xlsx": textual.workbook,
    ".json": textual.json_values,
    ".jsonl": textual.json_lines,
    ".onnx": spans_mutator(media.protobuf_spans),
    **dict.fromkeys((".csv", ".toml", ".cfg", ".mhd", ".mha", ".txt", ".m3u8", ".html"), textual.text),
}
"""Suffix -> the mutator that knows its format; any other file is changed byte by byte."""


def mutated(files: dict[str, bytes], rng: Rng) -> dict[str, bytes]:
    """The files of a seed, one of them changed: by its format as a rule, byte by byte else, now and then by both."""
    name = str(pick(rng, list(files)))
    if rng.random() < 0.5:
        name = next(iter(files))
    data = files[name]
    structured = STRUCTURED.get("." + name.rpartition(".")[2].lower(), raw)
    choice = rng.random()
    if choice < 0.75:
        try:
            data = structured(data, rng)
        except Exception:  # noqa: BLE001  no longer of this format, after changes before
            data = raw(data, rng)
    if choice > 0.65:
        data = raw(data, rng)
    return {**files, name: data}
