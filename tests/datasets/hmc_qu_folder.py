"""A fabricated folder in the layout of HMC-QU: xlsx tables with merged headers, irregular names, wall masks."""

from __future__ import annotations

import zipfile
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np
from scipy.io import savemat

from tests.io.io_fabrication import moving_grey, write_video

N_FRAMES = 12
A4C = ("SEG3", "SEG9", "SEG14", "SEG16", "SEG12", "SEG6")
A2C = ("SEG4", "SEG10", "SEG15", "SEG13", "SEG7", "SEG1")
WALL = "LV Wall Ground-truth Segmentation Masks"
TICK, CROSS = "ü", "û"

HEALTHY = ["non-MI"] * 6
SICK = ["MI", "non-MI", "non-MI", "MI", "non-MI", "non-MI"]
A4C_ROWS = [
    ["ES0001 _4CH_1", *SICK, 2, 9, TICK],
    ["ES000100 N_4CH_1", *HEALTHY, 1, 12, CROSS],
    ["ES00010_4CH_2*", *HEALTHY, 3, 10, TICK],
]
A2C_ROWS = [
    ["ES0001_CH2_1", *HEALTHY, 2, 9],
    ["ES000100 N_2CH_1", *HEALTHY, 1, 11],
    ["ES00010_CH2_2*", *SICK, 4, 12],
]


def headers(segments, *, wall):
    """The two header rows, and the merged ranges of the upper one."""
    upper = ["ECHO", "LABEL", *[""] * 5, "One cardiac-cycle frames", ""] + ([WALL] if wall else [])
    lower = ["", *segments, "Reference Frame", "End of Cycle"] + ([""] if wall else [])
    merged = ["A1:A2", "B1:G1", "H1:I1"] + (["J1:J2"] if wall else [])
    return [upper, lower], merged


def write_xlsx(path: Path, rows, merged=()) -> Path:
    """A real, minimal workbook with inline texts, numbers and merged cells."""
    lines = []
    for r, row in enumerate(rows, 1):
        cells = []
        for c, value in enumerate(row):
            place = f"{chr(65 + c)}{r}"
            if isinstance(value, int | float):
                cells.append(f'<c r="{place}"><v>{value}</v></c>')
            elif value:
                text = escape(value)
                cells.append(f'<c r="{place}" t="inlineStr"><is><t xml:space="preserve">{text}</t></is></c>')
        lines.append(f'<row r="{r}">{"".join(cells)}</row>')
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"
    merges = "".join(f'<mergeCell ref="{m}"/>' for m in merged)
    merges = f'<mergeCells count="{len(merged)}">{merges}</mergeCells>' if merged else ""
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{package}/content-types"><Default Extension="rels" '
        f'ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Override '
        f'PartName="/xl/workbook.xml" ContentType="{kind}.sheet.main+xml"/><Override '
        f'PartName="/xl/worksheets/sheet1.xml" ContentType="{kind}.worksheet+xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="rId1" '
        f'Type="{office}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{office}"><sheets><sheet name="Sheet1" sheetId="1" '
        'r:id="rId1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="rId1" '
        f'Type="{office}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{main}"><sheetData>{"".join(lines)}</sheetData>'
        f"{merges}</worksheet>",
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(name, '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n' + text)
    return path


def write_tables(root: Path, a4c=None, a2c=None) -> None:
    """The tables as the owners hand them out."""
    for name, segments, rows, wall in (
        ("A4C.xlsx", A4C, A4C_ROWS if a4c is None else a4c, True),
        ("A2C.xlsx", A2C, A2C_ROWS if a2c is None else a2c, False),
    ):
        upper, merged = headers(segments, wall=wall)
        write_xlsx(root / name, [*upper, *rows], merged)


def write_csv_copies(root: Path) -> None:
    """The same tables as copies in the wild have them: one header row, an index column, another last column."""
    head = ["", "ECHO", *A4C, "Reference Frame", "End of Cycle", "match with A2C", WALL]
    partners = ["ES0001_CH2_1", "ES000100 N_2CH_1", "ES00010_CH2_2*"]
    lines = [",".join(head)]
    for i, (row, partner) in enumerate(zip(A4C_ROWS, partners, strict=True)):
        lines.append(",".join(map(str, [i, *row[:9], partner, row[9]])))
    (root / "A4C.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    lines = [",".join(["", "ECHO", *A2C, "Reference Frame", "End of Cycle"])]
    lines += [",".join(map(str, [i, *row])) for i, row in enumerate(A2C_ROWS)]
    (root / "A2C.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_clip(path: Path, n=N_FRAMES) -> Path:
    """A small AVI of 25 frames a second, the rate of the real ones."""
    return write_video(path, moving_grey(n, 48, 64), "mjpeg", "yuvj420p", rate=25)


def write(root: Path) -> Path:
    """Six clips of three patients; file names have no star, since a file system may not allow one."""
    root.mkdir(parents=True, exist_ok=True)
    write_tables(root)
    masks = root / "LV Ground-truth Segmentation Masks"
    masks.mkdir(parents=True)
    for view, rows in (("A4C", A4C_ROWS), ("A2C", A2C_ROWS)):
        folder = root / "HMC-QU" / view
        folder.mkdir(parents=True)
        for row in rows:
            write_clip(folder / f"{row[0].replace('*', '')}.avi")
    for row in A4C_ROWS:
        if row[9] == TICK:
            wall = np.zeros((row[8] - row[7] + 1, 24, 24), np.uint8)
            savemat(masks / f"Mask_{row[0].replace('*', '')}.mat", {"predicted": wall}, do_compression=True)
    return root
