"""Cells of an xlsx workbook."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from lvef.core.errors import DataError, panics_become

MOST_BYTES = 2**26
"""Largest workbook that is read: label tables have some kilobytes."""


def read_cells(path: str | os.PathLike[str]) -> list[list[Any]]:
    """Rows of the first sheet, each a list of texts, numbers, truth values and dates; an empty cell is an empty text.

    A sheet with one cell in its last row and column is dense when it is read, and takes more memory than there is: read a
    workbook from elsewhere by `lvef.io.isolation.read_cells`.

    Args:
        path: The file.

    Raises:
        DataError: It cannot be read, or is no workbook.
    """
    import python_calamine

    source = os.fspath(path)
    damaged = DataError(f"{source}: is no xlsx file or is damaged; save it again.")
    try:
        with panics_become(damaged), Path(path).open("rb") as file:
            if file.seek(0, os.SEEK_END) > MOST_BYTES:
                raise DataError(
                    f"{source}: has more than {MOST_BYTES // 2**20} MiB; a table of labels was expected."
                )
            file.seek(0)
            sheet = python_calamine.CalamineWorkbook.from_filelike(file).get_sheet_by_index(0)
            rows: list[list[Any]] = sheet.to_python(skip_empty_area=False)
    except OSError as error:
        raise DataError(f"{source}: cannot be read ({error.strerror}); an xlsx file was expected.") from None
    except python_calamine.CalamineError:
        raise damaged from None
    return rows
