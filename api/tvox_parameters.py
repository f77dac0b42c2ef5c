"""The parameters of TVox's methods, by position or by name."""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from api.tvox_rpc import invalid_params

Word = Annotated[str, Meta(min_length=1, max_length=255)]
Label = Annotated[str, Meta(max_length=255)]
AccessCode = Annotated[str, Meta(pattern=r"\A[0-9*#]{0,32}\Z")]
FileName = Annotated[str, Meta(pattern=r"\A(?!\.\.?\Z)[^/\\\x00-\x1f\x7f]{0,255}\Z")]
FIELD = re.compile(r"at `\$\.(\w+)|field `(.*)`")
PATTERNS = {
    "accessCode": "an access code is up to 32 digits, * and #",
    "recFileName": "a file name has up to 255 characters and no folder",
}


class Form(msgspec.Struct, frozen=True):
    """The order of positional parameters, the first `least` of which must be there."""

    names: tuple[str, ...]
    least: int


class Parameters(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """Of one method; `forms` are told apart by `form_of`."""

    forms: ClassVar[tuple[Form, ...]] = (Form((), 0),)

    @classmethod
    def form_of(cls, values: list[Any]) -> Form | None:
        """The form that these positional parameters have, None when they are too few or too many."""
        return next((form for form in cls.forms if form.least <= len(values) <= len(form.names)), None)


Some = TypeVar("Some", bound=Parameters)


def parameters(kind: type[Some], given: list[Any] | dict[str, Any]) -> Some:
    """What was given, checked, or RpcError."""
    members = given if isinstance(given, dict) else named(kind, given)
    try:
        return msgspec.convert(members, kind)
    except msgspec.ValidationError as error:
        text = str(error)
        found = FIELD.search(text)
        field = (found[1] or found[2]) if found else ""
        raise invalid_params(PATTERNS[field] if "regex" in text else text, field) from None


def named(kind: type[Parameters], values: list[Any]) -> dict[str, Any]:
    """Positional parameters by their names, or RpcError."""
    form = kind.form_of(values)
    if form is None:
        lines = [
            "[" + ", ".join(name if at < form.least else f"{name}?" for at, name in enumerate(form.names)) + "]"
            for form in kind.forms
        ]
        raise invalid_params(f"expected {' or '.join(lines)}, got {len(values)} parameters")
    return dict(zip(form.names, values, strict=False))


class LogIn(Parameters, kw_only=True):
    """§14.2; any version is taken."""

    forms = (Form(("version", "username", "password"), 3),)

    version: Label = ""
    username: Word
    password: Annotated[str, Meta(max_length=1024)]


DIAL = ("number", "accessCode", "jobLabel", "recordCall", "recFileName", "returnCallId", "serviceCode")


class Dial(Parameters, kw_only=True):
    """What both ways to dial have in common; the last two can only be given by name."""

    number: Word
    access_code: AccessCode = ""
    job_label: Label = ""
    record_call: bool | None = None
    rec_file_name: FileName | None = None
    return_call_id: bool | None = None
    service_code: Label | None = None
    metadata: dict[str, Any] | None = None
    dry_run: bool | None = None


class DialNumber(Dial, kw_only=True):
    """§14.3; without `username`, as before 2020, the user who is logged in dials."""

    forms = (Form(("username", *DIAL), 4), Form(DIAL, 3))

    username: Word | UnsetType = UNSET

    @classmethod
    def form_of(cls, values: list[Any]) -> Form | None:
        """The old form has a boolean where the new one has its jobLabel."""
        new, old = cls.forms
        if len(values) == old.least or (len(values) > old.least and isinstance(values[old.least], bool)):
            return old if len(values) <= len(old.names) else None
        return new if new.least <= len(values) <= len(new.names) else None


class DialNumberByEmail(Dial, kw_only=True):
    """§14.4"""

    forms = (Form(("email", *DIAL), 4),)

    email: Word


class OneCall(Parameters, kw_only=True):
    """§14.4, hangupCall."""

    forms = (Form(("callId",), 1),)

    call_id: Word


class Record(Parameters, kw_only=True):
    """§14.4, recOn; the old form has no more than the file's name."""

    forms = (Form(("username", "callId", "recFileName"), 2), Form(("recFileName",), 0))

    username: Word | UnsetType = UNSET
    call_id: Word | UnsetType = UNSET
    rec_file_name: FileName | None = None


class EndRecord(Parameters, kw_only=True):
    """§14.4, recOff; the old form has nothing."""

    forms = (Form(("username", "callId"), 2), Form((), 0))

    username: Word | UnsetType = UNSET
    call_id: Word | UnsetType = UNSET


class CurrentCalls(Parameters, kw_only=True):
    """§14.4, getServiceCurrentCalls; without `username`, of the user who is logged in."""

    forms = (Form(("username",), 0),)

    username: Word | UnsetType = UNSET
