"""Sound little files of every kind that lvef reads, made on the spot: what the mutators start from."""

from __future__ import annotations

import base64
import gzip
import io
import json
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import polars as pl
from PIL import Image
from pydicom import uid

from lvef.io.nifti import encode_label_nifti
from tests.io.io_fabrication import compressed, dicom, encoded, moving_grey, region, regions, save

Files = dict[str, bytes]
"""Name -> content of the files of one seed; the first is the one that is read."""

HEIGHT, WIDTH = 32, 48


def grey(n: int = 5) -> np.ndarray:
    """A few smooth frames."""
    return moving_grey(n, HEIGHT, WIDTH)


def colour(n: int = 3) -> np.ndarray:
    """The same in colour, with a red block."""
    rgb = np.repeat(grey(n)[..., None], 3, axis=3)
    rgb[:, 8:24, 16:32] = (200, 40, 30)
    return rgb


def video_bytes(frames: np.ndarray, codec: str, pixels: str, container: str) -> bytes:
    """A video stream in memory, its encoder silent."""
    options = {"x265-params": "log-level=none"} if codec == "libx265" else {}
    if codec == "libx265":  # its encoder spoils memory with smaller frames
        frames = moving_grey(len(frames), 64, 96)
    with io.BytesIO() as buffer, av.open(buffer, "w", format=container) as file:
        stream = file.add_stream(codec, rate=25, options=options)
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], pixels
        for frame in np.repeat(frames[..., None], 3, axis=3):
            file.mux(stream.encode(av.VideoFrame.from_ndarray(frame, "rgb24")))
        file.mux(stream.encode())
        file.close()
        return buffer.getvalue()


def _videos(container: str, suffix: str, codecs: list[tuple[str, str]]) -> list[Files]:
    return [{f"clip{suffix}": video_bytes(grey(), codec, pixels, container)} for codec, pixels in codecs]


def avi() -> list[Files]:
    codecs = [("mjpeg", "yuvj420p"), ("rawvideo", "gray"), ("mpeg4", "yuv420p"), ("huffyuv", "yuv422p")]
    codecs += [("ffv1", "gray"), ("msmpeg4v3", "yuv420p"), ("libx264", "yuv420p"), ("png", "rgb24")]
    return _videos("avi", ".avi", [*codecs, ("cinepak", "rgb24"), ("msvideo1", "rgb555le")])


def mp4() -> list[Files]:
    codecs = [("libx264", "yuv420p"), ("mpeg4", "yuv420p"), ("mjpeg", "yuvj420p"), ("libx265", "yuv420p")]
    found = _videos("mp4", ".mp4", codecs)
    return found + _videos("mov", ".mov", [("qtrle", "rgb24"), ("prores", "yuv422p10le")])


def mkv() -> list[Files]:
    codecs = [("libvpx", "yuv420p"), ("libvpx-vp9", "yuv420p"), ("ffv1", "gray16le"), ("libx264", "yuv420p")]
    return _videos("matroska", ".mkv", codecs)


def other_video() -> list[Files]:
    found = _videos("asf", ".wmv", [("wmv2", "yuv420p")]) + _videos(
        "mpeg", ".mpg", [("mpeg2video", "yuv420p")]
    )
    return found + _videos("mpeg1video", ".m2v", [("mpeg1video", "yuv420p")])


def _image(pages: np.ndarray, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    first, *rest = [Image.fromarray(page) for page in pages]
    more = {"save_all": True, "append_images": rest} if rest else {}
    first.save(buffer, kind, **more, **options)
    return buffer.getvalue()


def gif() -> list[Files]:
    return [
        {"clip.gif": _image(grey(4), "GIF", duration=40)},
        {"clip.gif": _image(colour(3), "GIF", duration=[30, 40, 50], loop=0)},
        {"clip.gif": _image(grey(1), "GIF")},
    ]


def png() -> list[Files]:
    palette = io.BytesIO()
    Image.fromarray(colour(1)[0]).quantize(16).save(palette, "PNG", transparency=0)
    return [
        {"still.png": _image(grey(1), "PNG")},
        {"still.png": _image(grey(1).astype(np.uint16) * 200, "PNG")},
        {"still.png": _image(colour(1), "PNG", dpi=(100, 120))},
        {"still.png": _image(grey(3), "PNG", duration=40)},
        {"still.png": palette.getvalue()},
    ]


def jpeg() -> list[Files]:
    exif = Image.Exif()
    exif[0x0112] = 6
    return [
        {"still.jpg": _image(grey(1), "JPEG")},
        {"still.jpg": _image(colour(1), "JPEG", progressive=True, exif=exif)},
        {"still.jpg": _image(colour(1), "JPEG", subsampling=2, dpi=(72, 90), restart_marker_blocks=2)},
    ]


def tiff() -> list[Files]:
    text = "ImageJ=1.53\nimages=4\nframes=4\nfinterval=0.04\n"
    return [
        {"stack.tif": _image(grey(4), "TIFF", description=text)},
        {"stack.tif": _image(grey(2), "TIFF", compression="tiff_lzw")},
        {"stack.tif": _image(colour(2), "TIFF", compression="tiff_deflate")},
        {"stack.tif": _image(grey(1).astype(np.float32), "TIFF")},
        {"stack.tif": _image(colour(1), "TIFF", compression="jpeg")},
    ]


def bmp() -> list[Files]:
    return [{"still.bmp": _image(grey(1), "BMP")}, {"still.bmp": _image(colour(1), "BMP")}]


def webp() -> list[Files]:
    return [
        {"clip.webp": _image(colour(3), "WEBP", duration=40, lossless=True)},
        {"clip.webp": _image(colour(1), "WEBP", quality=60)},
    ]


def dicom_files(folder: Path) -> list[Files]:
    """One file of each transfer syntax that is read."""
    from tests.io.test_dicom import HTJ2K, LOSSLESS_COLOUR, LOSSLESS_DEEP, LOSSLESS_GREY, STAIRS

    scale = {"SequenceOfUltrasoundRegions": regions(region((2, 2, 40, 30)), region((0, 0, 9, 9), spatial=2))}
    facts = {"FrameTime": "20", "HeartRate": "70", "PatientSex": "F", "PixelSpacing": [0.3, 0.4], **scale}
    rgb, deep = colour(), grey(2).astype(np.uint16) * 16
    plain = (uid.ImplicitVRLittleEndian, uid.ExplicitVRLittleEndian, uid.DeflatedExplicitVRLittleEndian)
    found = [dicom(grey(3), syntax=syntax, **facts) for syntax in plain]
    found.append(dicom(rgb, "YBR_FULL", syntax=uid.ExplicitVRLittleEndian, FrameTimeVector=[0, 20, 25]))
    found.append(dicom(deep, BitsStored=12, HighBit=11, WindowCenter=2048, WindowWidth=4096, **facts))
    big = dicom(deep[:1], syntax=uid.ExplicitVRBigEndian, **facts)
    big.PixelData = deep[:1].astype(">u2").tobytes()
    found.append(big)
    for syntax, pixels in ((uid.RLELossless, rgb), (uid.JPEGLSLossless, grey(2))):
        ds = dicom(pixels, **facts)
        ds.compress(syntax)
        found.append(ds)
    base = uid.JPEGBaseline8Bit
    found.append(compressed(dicom(rgb, "YBR_FULL_422", **facts), base, encoded(rgb, "JPEG", quality=90)))
    found.append(compressed(dicom(grey(3)), base, encoded(grey(3), "JPEG"), has_bot=False))
    j2k = {"no_jp2": True, "irreversible": False}
    for syntax in (uid.JPEG2000Lossless, uid.JPEG2000):
        found.append(compressed(dicom(rgb, "YBR_RCT"), syntax, encoded(rgb, "JPEG2000", mct=1, **j2k)))
    square = ((8 * np.mgrid[:32, :32][1] + np.mgrid[:32, :32][0]) % 256).astype(np.uint8)
    found.append(compressed(dicom(square[None]), uid.HTJ2KLossless, [base64.b64decode(HTJ2K)]))
    for text, pixels in (
        (LOSSLESS_GREY, STAIRS),
        (LOSSLESS_DEEP, STAIRS.astype(np.uint16)),
        (LOSSLESS_COLOUR, np.repeat(STAIRS[..., None], 3, axis=2)),
    ):
        found.append(compressed(dicom(pixels[None]), uid.JPEGLosslessSV1, [base64.b64decode(text)]))
    for syntax, codec, container in (
        (uid.MPEG4HP41, "libx264", "h264"),
        (uid.MPEG4HP41, "libx264", "mp4"),
        (uid.MPEG4HP42STEREO, "libx264", "mpegts"),
        (uid.HEVCMP51, "libx265", "hevc"),
        (uid.MPEG2MPML, "mpeg2video", "mpeg2video"),
    ):
        stream = video_bytes(grey(), codec, "yuv420p", container)
        holder = dicom(np.repeat(grey()[..., None], 3, 3), "YBR_PARTIAL_420", **facts)
        found.append(compressed(holder, syntax, [stream + bytes(len(stream) % 2)]))
    files = []
    for ds in found:
        path = save(ds, folder / "seed.dcm") if ds is not big else _save_big(ds, folder / "seed.dcm")
        files.append({"clip.dcm": path.read_bytes()})
    return files


def _save_big(ds: object, path: Path) -> Path:
    from pydicom import dcmwrite

    dcmwrite(path, ds, implicit_vr=False, little_endian=False, enforce_file_format=True)
    return path


def nifti() -> list[Files]:
    packed = encode_label_nifti(grey(4), (0.3, 0.3), 0.02)
    plain = gzip.decompress(packed)
    deep = bytearray(plain[:352])
    deep[70:74] = (16).to_bytes(2, "little") + (32).to_bytes(2, "little")
    return [
        {"clip.nii.gz": packed},
        {"clip.nii": plain},
        {"clip.nii": bytes(deep) + np.linspace(0, 9, grey(4).size, dtype="<f4").tobytes()},
    ]


def metaimage() -> list[Files]:
    n, height, width = grey(3).shape
    keys = {"ObjectType": "Image", "NDims": "3", "BinaryData": "True", "BinaryDataByteOrderMSB": "False"}
    keys |= {"CompressedData": "False", "ElementSpacing": "0.3 0.3 1", "DimSize": f"{width} {height} {n}"}
    keys |= {"ElementType": "MET_UCHAR"}

    def head(data: str, **more: str) -> bytes:
        return "".join(f"{k} = {v}\n" for k, v in {**keys, **more, "ElementDataFile": data}.items()).encode()

    raw = grey(3).tobytes()
    return [
        {"clip.mhd": head("clip.raw"), "clip.raw": raw},
        {"clip.mha": head("LOCAL") + raw},
        {"clip.mha": head("LOCAL", CompressedData="True") + zlib.compress(raw)},
    ]


def series() -> list[Files]:
    """Numbered stills, which a folder is read from."""
    return [
        {f"frame_{i:03d}.png": _image(frame[None], "PNG") for i, frame in enumerate(grey(10))},
        {f"frame_{i:03d}.jpg": _image(frame[None], "JPEG") for i, frame in enumerate(grey(10))},
    ]


def foreign() -> list[Files]:
    """Files that are never read, but are named in the refusal."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a.dcm", b"\0" * 300)
        file.writestr("../b.npy", b"\x93NUMPY" + bytes(40))
    array = io.BytesIO()
    np.save(array, grey(2))
    matlab = (
        b"MATLAB 5.0 MAT-file, Platform: GLNXA64"
        + b" " * 86
        + b"\0\1IM"
        + b"\x0e\0\0\0\x48\0\0\0"
        + bytes(72)
    )
    files = {"a.zip": archive.getvalue(), "a.npy": array.getvalue(), "a.mat": matlab}
    files |= {"a.h5": b"\x89HDF\r\n\x1a\n" + bytes(88), "a.pkl": b"\x80\x04cos\nsystem\n(S'true'\ntR."}
    files |= {
        "a.m3u8": b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n",
        "a.html": b"<!DOCTYPE html><title>Login</title>",
    }
    return [{name: data} for name, data in files.items()]


def table() -> list[Files]:
    from tests.datasets.own_folder import HEADER, ROWS

    text = "\n".join([HEADER, *ROWS]) + "\n"
    return [
        {"list.csv": text.encode()},
        {"list.csv": text.replace(",", ";").encode("cp1252")},
        {"list.csv": b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode()},
    ]


def dataset(name: str) -> Callable[[Path], list[Files]]:
    """The fabricated folder of a dataset reader, as one seed."""

    def make(folder: Path) -> list[Files]:
        from tests.datasets.fabricated import fabricate

        root = fabricate(name, folder / "root")
        return [{str(p.relative_to(root)): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}]

    return make


def hmc_table(folder: Path) -> list[Files]:
    from tests.datasets.hmc_qu_folder import write_csv_copies, write_tables

    write_tables(folder)
    write_csv_copies(folder)
    return [{name: (folder / name).read_bytes()} for name in ("A4C.xlsx", "A2C.xlsx", "A4C.csv", "A2C.csv")]


def manifest(folder: Path) -> list[Files]:
    from lvef.datasets.manifest import make_manifest, write_manifest
    from tests.datasets.check_folder import clip_row

    rows = [clip_row(folder, f"clip{i}", ef_percent=40.0 + i) for i in range(4)]
    found = []
    for suffix in (".csv", ".parquet"):
        path = folder / f"manifest{suffix}"
        write_manifest(make_manifest(rows), path)
        found.append({path.name: path.read_bytes()})
    return found


def archive_list(folder: Path) -> list[Files]:
    """Lists of clips for ``lvef measure --ray``."""
    names = ["a.avi", "inner/b.dcm", "c.mp4"]
    tables = (
        pl.DataFrame({"path": names}),
        pl.DataFrame({"path": names, "root": [str(folder), None, "."], "ef_percent": [50.0, None, 1e300]}),
        pl.DataFrame({"path": [[1, 2], [3]], "root": [True, False]}),
    )
    found = [{"list.parquet": _parquet(table)} for table in tables]
    return found + [{"list.csv": table.write_csv().encode()} for table in tables[:2]]


def archive_job() -> list[Files]:
    """Parts of a job of ``lvef measure --ray``, also with a clip that stands there twice and values of another kind."""
    from lvef.distributed.parts import make_table
    from lvef.measure.serializers import measurement_json, result_row
    from tests.measure.made_up import beating, failed, refused

    rows = []
    for number, made in enumerate((beating()[0], refused(), failed())):
        row = {name: str(value) for name, value in result_row(made, f"{number}.avi").items()}
        keys = {"key": str(number) * 24, "stamp": "1:2", "made_with": "a" * 24}
        rows.append(row | keys | {"measurement": measurement_json(made)})
    parts = [_parquet(make_table(chosen)) for chosen in (rows, rows[:2], rows[2:])]
    odd = _parquet(
        pl.DataFrame({"key": [1, None], "stamp": [[1], [2]], "made_with": [1.5, 2.5], "status": [True, None]})
    )
    job = json.dumps(
        {"schema": "lvef-archive/1", "made_with": "a" * 24, "begun": "2026-12-01T00:00:00+00:00"}
    ).encode()
    first, second = "part-000001-0a.parquet", "part-000002-0b.parquet"
    return [
        {first: parts[0], "job.json": job},
        {second: parts[1], first: parts[0], "job.json": job},
        {"job.json": job, first: parts[1], second: parts[2]},
        {first: odd, "job.json": job},
    ]


def _parquet(table: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    table.write_parquet(buffer)
    return buffer.getvalue()


def predictions() -> list[Files]:
    text = "item,predicted_percent,edv_ml,esv_ml,status,reason\na,55.5,100,44.5,ok,\nb,,,,refused,no sector\nc,40,,,,\n"
    return [
        {"predictions.csv": text.encode()},
        {"predictions.csv": text.replace("predicted_p", "ef_p").encode()},
    ]


def result() -> list[Files]:
    """A saved measurement with its curve."""
    from lvef.measure.serializers import curve_csv, measurement_json
    from tests.measure.made_up import beating, failed, refused

    measurement, _ = beating()
    files = {
        "measurement.json": measurement_json(measurement).encode(),
        "curve.csv": curve_csv(measurement).encode(),
    }
    return [
        files,
        dict(reversed(files.items())),
        *({"measurement.json": measurement_json(m()).encode()} for m in (refused, failed)),
    ]


def correction() -> list[Files]:
    from lvef.geometry.control_points import N_CONTROL_POINTS

    points = [[float(10 + i), float(5 + i * i % 17)] for i in range(N_CONTROL_POINTS)]
    one = {
        "schema": "lvef-correction/1",
        "ed_frame": 3,
        "es_frame": 9,
        "ed_points": points,
        "es_points": points,
    }
    one |= {"reader": "Dr. A", "note": "moved", "propagate": False}
    both = {"schema": "lvef-correction/1", "views": {"A4C": one, "A2C": {"ed_frame": 1}}}
    return [{"correction.json": json.dumps(values).encode()} for values in (one, both)]


def card(folder: Path) -> list[Files]:
    """A card of each kind of model, beside the model."""
    from tests.inference.tiny_networks import (
        bright_is_cavity,
        ef_of_clips,
        ef_of_streams,
        lines_of_brightness,
    )

    makers: list[Callable[[Path], Path]] = [bright_is_cavity, ef_of_clips, ef_of_streams]
    makers.append(lambda place: lines_of_brightness(place, np.zeros((21, 2, 2))))
    found = []
    for number, make in enumerate(makers):
        place = make(folder / str(number))
        values = json.loads((place / "card.json").read_text())
        figure = {
            "name": "ef_mae",
            "value": 8.1,
            "unit": "points",
            "low": 6.9,
            "high": 9.5,
            "level": 0.95,
            "n": 60,
        }
        figure |= {"split": "9 clips", "reference": "clinical report", "trivial": 11.3}
        values |= {"figures": [figure], "external": [figure], "limits": ["Tests only."]}
        found.append(
            {"card.json": json.dumps(values).encode(), "model.onnx": (place / "model.onnx").read_bytes()}
        )
    return found


def onnx(folder: Path) -> list[Files]:
    return [{"model.onnx": files["model.onnx"]} for files in card(folder)]


def recipe() -> list[Files]:
    root = Path(__file__).resolve().parents[2] / "recipes"
    return [{"recipe.toml": path.read_bytes()} for path in sorted(root.glob("*.toml"))]


def config() -> list[Files]:
    text = '[measure]\nweights = "camus-seg"\njobs = 2\nvideo = false\n[data.convert]\nformat = "png"\n[evaluate.dataset]\n'
    return [{"config.toml": text.encode()}]


def journal() -> list[Files]:
    row = {
        "item": "a" * 24,
        "stamp": "1:2",
        "made_with": "b",
        "files": [["a.avi", 3]],
        "row": {"status": "ok"},
    }
    lines = [json.dumps(row | {"item": letter * 24}) for letter in "abc"]
    return [{"finished.jsonl": ("\n".join(lines) + "\n").encode()}]


def truth() -> list[Files]:
    """The list of a synthetic dataset, with beats and parameters."""
    lists = "FileName,EF\nc1,55\nc2,40\n"
    beats = (
        "FileName,ed_time_s,es_time_s,end_time_s,ef_percent,plane_ef_percent,ed_frame,es_frame,kind,rhythm\n"
    )
    beats += "c1,0,0.2,0.5,55,54,0,10,sinus,sinus\nc2,0,0.2,0.5,40,41,0,10,sinus,sinus\n"
    lines = '{"item": "c1", "seed": 3}\n{"item": "c2"}\n'
    files = {"FileList.csv": lists.encode(), "Beats.csv": beats.encode(), "Parameters.jsonl": lines.encode()}
    return [files, {"curve.csv": b"frame,time_s,volume_ml,plane_volume_ml\n0,0,100,90\n1,0.02,99,89.5\n"}]
