"""The form of ``POST /v1/measure``: its files go straight to the upload store, its fields become measure requests.

Starlette parses the multipart body. Nothing is written beyond the limit, whether or not the request declared its length, and
all files of a request that is refused are removed before it is answered.
"""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncGenerator, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError
from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from lvef.core.errors import ConfigError, GeometryError
from lvef.core.terms import GIVEN_VIEWS, Sex, View
from lvef.geometry.ejection import body_surface_area
from lvef.io.uploads import UploadStore, open_private, sanitize_name
from lvef.measure.options import AUTO, MeasureOptions, ScaleLine
from lvef.measure.scale import check_scale_options
from lvef.service.errors import ApiError, bad_request
from lvef.service.settings import ServiceSettings
from lvef.service.streams import drain, limited, too_large

MAX_FIELD_BYTES = 4096
"""Longest value of a form field that is not a file."""

MAX_FIELDS = 40
"""Most form fields."""

FILES = "files"
"""Form field of clips."""

FILE_PAIRS = {"pair": ("ed", "es"), "biplane": ("a4c", "a2c")}
"""Form fields of files that are measured together."""

MAX_WAIT_S = 600.0
"""Longest wait for a result."""

OPTIONS = TypeAdapter(MeasureOptions)
"""Options of a measurement as JSON and back."""

_PARSER_ERRORS = {
    "Too many files": (413, "too_many_files"),
    "Too many fields": (413, "too_many_fields"),
    "Part exceeded": (413, "field_too_long"),
    "The Content-Disposition": (422, "bad_form"),
}
"""Status and code by the beginning of Starlette's message; all others mean a broken form."""

Frame = Annotated[int, Field(ge=0, lt=2**31)]
Positive = Annotated[float, Field(gt=0, lt=2**31, allow_inf_nan=False)]


def _any_case(kind: Iterable[StrEnum]) -> tuple[BeforeValidator, WithJsonSchema]:
    members = {member.value.lower(): member for member in kind}
    *first, last = (repr(member.value) for member in members.values())

    def find(text: str) -> StrEnum:
        if text.lower() not in members:
            raise PydanticCustomError("enum", f"Input should be {', '.join(first)} or {last}")
        return members[text.lower()]

    schema = {"type": "string", "enum": [member.value for member in members.values()]}
    return BeforeValidator(find), WithJsonSchema(schema)


def _split(text: str) -> list[str]:
    parts = text.split(",")
    if len(parts) != 5:
        raise PydanticCustomError("numbers", "Input should be five numbers with commas between them")
    return parts


Line = Annotated[ScaleLine, BeforeValidator(_split), WithJsonSchema({"type": "string"})]
"""A line of known length as text."""


class MeasureForm(BaseModel):
    """Text fields of the form. All but ``wait`` are options of the measurement, by the names of `MeasureOptions`."""

    model_config = ConfigDict(extra="forbid")

    weights: str = Field(
        MeasureOptions.weights,
        description="Name of an installed model; /v1/models lists them and says which are experimental.",
    )
    view: Annotated[View, *_any_case(GIVEN_VIEWS)] = Field(
        View.UNKNOWN, description="View, if the file does not state it."
    )
    sex: Annotated[Sex, *_any_case(Sex)] = Field(None, description="Sex, for the ASE/EACVI classes.")
    height_cm: Positive = Field(None, description="Body height; requires weight_kg.")
    weight_kg: Positive = Field(None, description="Body weight; requires height_cm.")
    ed_frame: Frame = Field(None, description="End-diastolic frame, from 0; requires es_frame.")
    es_frame: Frame = Field(None, description="End-systolic frame, from 0; requires ed_frame.")
    frame_rate_hz: Positive = Field(None, description="Frame rate that overrides the file's.")
    mm_per_px: Positive = Field(None, description="Millimetres per pixel, for a file without a scale.")
    scale_line: Line = Field(
        None, description="Scale by a line of known length: x1,y1,x2,y2 in pixels, length in mm."
    )
    a2c_mm_per_px: Positive = Field(None, description="Biplane: mm_per_px of the A2C, if it differs.")
    a2c_scale_line: Line = Field(None, description="Biplane: scale_line of the A2C.")
    prefer_manual_scale: bool = Field(False, description="Use the given scale even if the file has its own.")
    per_beat: bool = Field(False, description="EF models: an EF for each beat.")
    second_opinion: str = Field(
        "", description="Measure with a second model too: auto, or the name of an installed model."
    )
    wait: float = Field(0.0, ge=0, le=MAX_WAIT_S, description="Seconds to wait for the result.")

    @model_validator(mode="after")
    def _check_pairs(self) -> MeasureForm:
        for one, other in (("ed_frame", "es_frame"), ("height_cm", "weight_kg")):
            if (one in self.model_fields_set) != (other in self.model_fields_set):
                raise ValueError(f"{one} and {other} go together: give both.")
        given = self.model_dump(exclude_unset=True, exclude={"wait"})
        try:
            check_scale_options(MeasureOptions(**given))
            if "height_cm" in self.model_fields_set:
                body_surface_area(self.height_cm, self.weight_kg)
        except (ConfigError, GeometryError) as error:
            raise ValueError(str(error)) from None
        return self


@dataclass(frozen=True, slots=True)
class Upload:
    """A file of a request.

    Attributes:
        role: Name of its form field: ``files``, ``ed``, ``es``, ``a4c`` or ``a2c``.
        name: The client's name for it, as shown.
        path: Where it lies.
    """

    role: str
    name: str
    path: Path


@dataclass(slots=True)
class Form:
    """Files and text fields of a request."""

    uploads: list[Upload] = field(default_factory=list)
    fields: dict[str, str] = field(default_factory=dict)

    def discard(self) -> None:
        """Remove its files."""
        for upload in self.uploads:
            upload.path.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class MeasureRequest:
    """One clip, pair of stills or biplane study to measure.

    Attributes:
        input_kind: ``clip``, ``pair`` or ``biplane``.
        uploads: Its file or files, in order.
        options: Options of the measurement.
        keep: Leave the files where they are when it is measured; the caller removes them.
        keep_clips: Keep the clip for drawing.
    """

    input_kind: str
    uploads: tuple[Upload, ...]
    options: MeasureOptions
    keep: bool = False
    keep_clips: bool = True

    @property
    def source(self) -> str:
        """The files as shown."""
        return " + ".join(upload.name for upload in self.uploads)


async def receive_form(
    headers: Headers,
    stream: AsyncGenerator[bytes, None],
    upload_store: UploadStore,
    *,
    max_bytes: int,
    max_files: int,
) -> Form:
    """Read a multipart request.

    Args:
        headers: Of the request.
        stream: Its body.
        upload_store: Where its files go.
        max_bytes: Most bytes of the body.
        max_files: Most files.

    Raises:
        ApiError: It is no such form, too large, or incomplete; nothing of it is left then.
    """
    declared = headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > max_bytes:
        # A client that waits for "100 Continue" has not sent its body yet.
        if headers.get("expect", "").lower() != "100-continue":
            await drain(stream)
        raise too_large(max_bytes)
    parser = _FormParser(headers, limited(stream, max_bytes), upload_store, max_files)
    try:
        content_type = headers.get("content-type", "").lower()
        if not content_type.startswith("multipart/form-data") or "boundary=" not in content_type:
            raise ApiError(415, "not_multipart", "A form of the type multipart/form-data was expected.")
        items = (await parser.parse()).multi_items()
        if not parser.is_complete:
            raise MultiPartException("The form is broken or ends too early.")
    except BaseException as error:
        parser.close()
        parser.form.discard()
        if isinstance(error, MultiPartException):
            found = (known for start, known in _PARSER_ERRORS.items() if error.message.startswith(start))
            status, code = next(found, (400, "bad_form"))
            error = ApiError(status, code, error.message)
        elif isinstance(error, OSError) and not isinstance(error, ConnectionError):
            error = ApiError(507, "no_space", "The service has no room for this upload; try again later.")
        if isinstance(error, ApiError):
            await drain(stream)
        raise error from None
    parser.form.fields |= {name: value for name, value in items if isinstance(value, str)}
    return parser.form


class _StoredFile(UploadFile):
    """A file of the upload store. Starlette goes back to its start once all is written; then it is closed."""

    async def seek(self, offset: int) -> None:
        await self.close()


class _FormParser(MultiPartParser):
    """Starlette's parser, with files that go to the upload store instead of the system's temporary folder."""

    def __init__(
        self, headers: Headers, stream: AsyncGenerator[bytes, None], upload_store: UploadStore, max_files: int
    ) -> None:
        super().__init__(
            headers, stream, max_files=max_files, max_fields=MAX_FIELDS, max_part_size=MAX_FIELD_BYTES
        )
        self.form, self.is_complete = Form(), False
        self._upload_store = upload_store

    def close(self) -> None:
        for file in self._files_to_close_on_error:
            file.close()

    def on_headers_finished(self) -> None:
        super().on_headers_finished()
        part = self._current_part
        if part.file is None:
            return
        name = sanitize_name(part.file.filename or "")
        upload = Upload(part.field_name, name, self._upload_store.new_path(name))
        part.file.file.close()
        file = open_private(upload.path)
        self._files_to_close_on_error.append(file)
        self.form.uploads.append(upload)
        part.file = _StoredFile(file, filename=name)

    def on_end(self) -> None:
        self.is_complete = True


def parse_form(
    form: Form, settings: ServiceSettings, models: Collection[str]
) -> tuple[list[MeasureRequest], float]:
    """The measure requests of a form.

    Args:
        form: As received.
        settings: Of this service.
        models: Names of the installed models.

    Returns:
        The requests, and the seconds that the client waits.

    Raises:
        ApiError: A field that is unknown, has a wrong value or does not go with the others.
    """
    fields = _parse_fields(form.fields)
    options = _options(fields, settings, models)
    roles = [upload.role for upload in form.uploads]
    if not roles:
        raise bad_request("There is no file: send one or several as files, or ed with es, or a4c with a2c.")
    if set(roles) == {FILES}:
        requests = [MeasureRequest("clip", (upload,), options) for upload in form.uploads]
    else:
        requests = [_join_files(form, sorted(roles), options)]
    if options.ed_frame is not None and requests[0].input_kind != "clip":
        raise bad_request(
            "ed_frame and es_frame choose frames of one clip; a pair or a biplane study has none."
        )
    of_a2c = (options.a2c_mm_per_px, options.a2c_scale_line) != (None, None)
    if of_a2c and requests[0].input_kind != "biplane":
        raise bad_request("a2c_mm_per_px and a2c_scale_line belong to a biplane study (a4c, a2c).")
    return requests, fields.wait


def _parse_fields(values: Mapping[str, str]) -> MeasureForm:
    given = {name: value.strip() for name, value in values.items() if value.strip()}
    try:
        return MeasureForm.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        if first["type"] == "extra_forbidden":
            known = ", ".join(MeasureForm.model_fields)
            message = f"A form field is unknown; known are {known}, and the files in {FILES}, ed and es, or a4c and a2c."
        elif first["type"] == "value_error":
            message = str(first["ctx"]["error"])
        else:
            message = f"{first['loc'][0]}: {first['msg']}."
        raise bad_request(message) from None


def _options(fields: MeasureForm, settings: ServiceSettings, models: Collection[str]) -> MeasureOptions:
    given = fields.model_dump(exclude_unset=True, exclude={"wait"})
    # Only by name: a path would let a client load any file of this machine.
    if given.get("weights", settings.weights) not in models:
        raise bad_request(f"There is no such model; weights is one of {', '.join(sorted(models)) or 'none'}.")
    if given.get("second_opinion", AUTO) not in {AUTO, *models}:
        raise bad_request("second_opinion is auto or the name of an installed model.")
    return dataclasses.replace(settings.measure_options, **given)


def _join_files(form: Form, roles: list[str], options: MeasureOptions) -> MeasureRequest:
    for input_kind, names in FILE_PAIRS.items():
        if roles == sorted(names):
            by_role = {upload.role: upload for upload in form.uploads}
            return MeasureRequest(input_kind, tuple(by_role[name] for name in names), options)
        if set(roles) == set(names):
            raise bad_request(f"{names[0]} and {names[1]} are one file each.")
        if set(roles) < set(names):
            raise bad_request(f"{names[0]} and {names[1]} go together: send both.")
    raise bad_request(
        "Send either files, or a pair (ed, es), or a biplane study (a4c, a2c), and no other files."
    )


def form_schema() -> dict[str, Any]:
    """The form as a JSON schema, for OpenAPI."""
    file = {"type": "string", "format": "binary"}
    files: dict[str, Any] = {
        FILES: {"type": "array", "items": file, "description": "Clips, each measured on its own."},
        "ed": file | {"description": "End-diastolic still of a pair; requires es."},
        "es": file | {"description": "End-systolic still of a pair; requires ed."},
        "a4c": file | {"description": "Four-chamber clip of a biplane study; requires a2c."},
        "a2c": file | {"description": "Two-chamber clip of a biplane study; requires a4c."},
    }
    fields = {
        name: {key: value for key, value in one.items() if key not in ("title", "default")}
        for name, one in MeasureForm.model_json_schema()["properties"].items()
    }
    return {"type": "object", "properties": files | fields}
