"""Click-to-calls: validated, kept in memory, written through; each with what a connect needs worked out beforehand."""

from __future__ import annotations

import hashlib
import secrets
import sys
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable
from typing import Any

import msgspec
import re2

from c2c_b2bua.numbers import CONTROL, NumberError, dialled
from c2c_b2bua.service import sip_headers
from c2c_b2bua.service.errors import Complaints, ConflictingError, InvalidError, UnknownError
from c2c_b2bua.service.schema import CLICK_TO_CALL
from c2c_b2bua.service.validation import validate
from c2c_b2bua.storage.database import ConflictError
from c2c_b2bua.storage.documents import DocumentRow, DocumentStore

SHOWN = ("name", "extension", "realm", "caller_id_number", "outbound_callee_id_name", "outbound_callee_id_number")
"""Fields of one line: most of them end up in a SIP message."""
PATTERN_BYTES = 1 << 20
LONGEST_PATTERN = 1024
MOST_PATTERNS = 256
LONGEST_SHOWN = 512
encoder = msgspec.json.Encoder()
digester = msgspec.json.Encoder(order="deterministic")


class PatternError(ValueError):
    """This is no regular expression, or one that is too large."""


class ClickToCall(msgspec.Struct, frozen=True, kw_only=True):
    """A stored document, and what a connect needs of it."""

    row: DocumentRow
    whole: msgspec.Raw
    """The public document as JSON."""
    summary: msgspec.Raw
    """What a list shows of it, as JSON."""
    extension: str
    """As it is dialled."""
    patterns: tuple[Any, ...] = ()
    """Compiled by RE2; a contact passes when one is found in it."""
    headers: tuple[tuple[str, str], ...] = ()
    auth_required: bool = True
    contact_first: bool = False
    throttle: int = 0
    """Connects per minute; 0: no limit."""
    max_active: int = 0
    """Calls at a time; 0: no limit."""
    timeout: float = 0.0
    """Seconds the first leg may ring; 0: as configured."""

    @property
    def id(self) -> str:
        return self.row.id

    @property
    def account_id(self) -> str:
        return self.row.account_id

    @property
    def body(self) -> dict[str, Any]:
        return self.row.body

    def shown(self) -> dict[str, Any]:
        """The public document."""
        return {**self.row.body, "id": self.row.id}

    def admits(self, contact: str) -> bool:
        """Whether the whitelist lets this number through."""
        return not self.patterns or any(pattern.search(contact) for pattern in self.patterns)


class Change(msgspec.Struct, frozen=True):
    """A document as it will be, checked but not yet saved; `before` is None for a new one."""

    after: ClickToCall
    before: ClickToCall | None


class Documents:
    """All click-to-calls; `now` gives seconds since 1970, `country` is whose national numbers these are."""

    def __init__(self, store: DocumentStore, country: str, now: Callable[[], float]) -> None:
        self.store = store
        self.country = country
        self.now = now
        self.by_account: dict[str, dict[str, ClickToCall]] = {}
        self.ids: dict[str, list[str]] = {}
        """Those of an account, in order."""
        self.made: dict[str, dict[Any, Any]] = {}
        """What a dialect made of an account's documents, until one of them changes."""

    async def start(self) -> None:
        """Read them into memory."""
        for row in await self.store.load():
            self.by_account.setdefault(row.account_id, {})[row.id] = worked_out(row, self.country, {})
        self.ids = {account_id: sorted(of_account) for account_id, of_account in self.by_account.items()}

    def get(self, account_id: str, document_id: str) -> ClickToCall:
        """The document, or UnknownError."""
        found = self.find(account_id, document_id)
        if found is None:
            raise UnknownError(document_id)
        return found

    def find(self, account_id: str, document_id: str) -> ClickToCall | None:
        """The document, or None."""
        return self.by_account.get(account_id, {}).get(document_id)

    def of(
        self, account_id: str, start: str = "", descending: bool = False, most: int = sys.maxsize
    ) -> list[ClickToCall]:
        """Those of an account by their ids, from the id `start` on, `most` at most."""
        of_account, ids = self.by_account.get(account_id, {}), self.ids.get(account_id, [])
        if descending:
            end = bisect_right(ids, start) if start else len(ids)
            chosen = ids[max(0, end - most) : end][::-1]
        else:
            first = bisect_left(ids, start)
            chosen = ids[first : first + most]
        return [of_account[document_id] for document_id in chosen]

    def created(self, account_id: str, data: Any) -> Change:
        """A new document out of `data`, or InvalidError."""
        now = self.now()
        row = DocumentRow(
            id=secrets.token_hex(16), account_id=account_id, revision="", body={}, created_at=now, modified_at=now
        )
        return Change(self.checked(row, data), None)

    def replaced(self, account_id: str, document_id: str, data: Any) -> Change:
        """The document with nothing but `data` in it; InvalidError, UnknownError."""
        known = self.find(account_id, document_id)
        blank = DocumentRow(
            id=document_id, account_id=account_id, revision="", body={}, created_at=0.0, modified_at=0.0
        )
        after = self.checked(known.row if known else blank, data)
        return Change(after, self.get(account_id, document_id))

    def patched(self, account_id: str, document_id: str, data: Any) -> Change:
        """The document with `data` merged in, nulls removing what they name; UnknownError, InvalidError."""
        before = self.get(account_id, document_id)
        if not isinstance(data, dict):
            return Change(self.checked(before.row, data), before)
        return Change(self.checked(before.row, merged(before.body, public(data))), before)

    def deleted(self, account_id: str, document_id: str) -> Change:
        """The document marked as deleted, or UnknownError."""
        before = self.get(account_id, document_id)
        return Change(msgspec.structs.replace(before, row=self.next_row(before.row, before.body, True)), before)

    async def save(self, change: Change) -> ClickToCall:
        """Write it; ConflictingError when somebody was faster, StorageError when the disk refuses."""
        after, before = change.after, change.before
        if before is None:
            await self.store.add(after.row)
        else:
            try:
                await self.store.replace(after.row, before.row.revision)
            except ConflictError:
                raise ConflictingError("conflicting documents") from None
        self.made.pop(after.account_id, None)
        of_account = self.by_account.setdefault(after.account_id, {})
        ids = self.ids.setdefault(after.account_id, [])
        if after.row.deleted:
            del of_account[after.id]
            del ids[bisect_left(ids, after.id)]
        else:
            if after.id not in of_account:
                insort(ids, after.id)
            of_account[after.id] = after
        return after

    def unstored(self, account_id: str, document_id: str, **body: Any) -> ClickToCall:
        """A click-to-call that is nowhere but in one request; InvalidError."""
        now = self.now()
        return self.checked(
            DocumentRow(id=document_id, account_id=account_id, revision="", body={}, created_at=now, modified_at=now),
            body,
        )

    def checked(self, row: DocumentRow, data: Any) -> ClickToCall:
        """The document that `data` makes of `row`, or InvalidError with everything that is wrong."""
        if isinstance(data, dict):
            data = without_nulls(public(data))
        body, complaints = validate(data, CLICK_TO_CALL)
        if not isinstance(body, dict):
            raise InvalidError(complaints)
        body.pop("id", None)
        document = worked_out(self.next_row(row, body, False), self.country, complaints)
        if complaints:
            raise InvalidError(complaints)
        return document

    def next_row(self, row: DocumentRow, body: dict[str, Any], deleted: bool) -> DocumentRow:
        """The row with this body, and the revision that follows."""
        number = int(row.revision.partition("-")[0] or 0) + 1
        digest = hashlib.md5(digester.encode([row.id, number, deleted, body]), usedforsecurity=False).hexdigest()
        return msgspec.structs.replace(
            row, revision=f"{number}-{digest}", body=body, modified_at=self.now(), deleted=deleted
        )


def worked_out(row: DocumentRow, country: str, complaints: Complaints) -> ClickToCall:
    """What a connect needs of a document; what does not hold goes to `complaints`, unless the field has one already."""
    body = row.body
    found: Complaints = {}
    for field in SHOWN:
        value = body.get(field, "")
        if isinstance(value, str) and (CONTROL.search(value) or len(value) > LONGEST_SHOWN):
            message = f"Value has control characters or more than {LONGEST_SHOWN} characters"
            found[field] = {"pattern": {"message": message, "value": value}}
    extension = body.get("extension", "")
    if isinstance(extension, str) and "extension" not in found:
        try:
            extension = dialled(extension, country)
        except NumberError as error:
            found["extension"] = {"pattern": {"message": f"Value is no extension: {error}", "value": extension}}
    patterns = compiled(body.get("whitelist"), found)
    headers = body.get("custom_sip_headers")
    sendable = sip_headers.checked(headers, found) if isinstance(headers, dict) else ()
    for path, complaint in found.items():
        complaints.setdefault(path, complaint)
    names = {"id": row.id, "name": body.get("name"), "extension": body.get("extension")}
    return ClickToCall(
        row=row,
        whole=msgspec.Raw(encoder.encode({**body, "id": row.id})),
        summary=msgspec.Raw(encoder.encode(names)),
        extension=str(extension),
        patterns=patterns,
        headers=sendable,
        auth_required=body.get("auth_required") is not False,
        contact_first=body.get("dial_first") == "contact",
        throttle=whole(body.get("throttle")),
        max_active=whole(body.get("max_active")),
        timeout=float(whole(body.get("timeout"))),
    )


def compiled(whitelist: Any, complaints: Complaints) -> tuple[Any, ...]:
    """The patterns; one that RE2 refuses is a complaint about `whitelist.N`."""
    patterns = []
    if isinstance(whitelist, list) and len(whitelist) > MOST_PATTERNS:
        message = f"No more than {MOST_PATTERNS} patterns are allowed"
        complaints["whitelist"] = {"maxItems": {"message": message, "target": MOST_PATTERNS}}
        return ()
    for index, text in enumerate(whitelist if isinstance(whitelist, list) else ()):
        if not isinstance(text, str):
            continue
        try:
            patterns.append(compiled_pattern(text))
        except PatternError as error:
            complaints[f"whitelist.{index}"] = {"pattern": {"message": str(error), "value": text}}
    return tuple(patterns)


def compiled_pattern(text: str) -> Any:
    """A regular expression of RE2, which takes linear time; PatternError."""
    options = re2.Options()
    options.log_errors = False
    options.max_mem = PATTERN_BYTES
    try:
        if len(text) > LONGEST_PATTERN:
            raise re2.error(f"longer than {LONGEST_PATTERN} characters")
        return re2.compile(text, options)
    except (re2.error, UnicodeError) as error:
        said = error.args[0].decode() if error.args and isinstance(error.args[0], bytes) else str(error)
        raise PatternError(f"Value is no regular expression of RE2: {said}") from None


def whole(value: Any) -> int:
    """A number of a document, 0 when there is none or it makes no sense, bounded so that floats can hold it."""
    return min(value, 1_000_000) if isinstance(value, int) and value > 0 and not isinstance(value, bool) else 0


def public(data: dict[str, Any]) -> dict[str, Any]:
    """Without the keys that are private to the store, or read-only."""
    return {key: value for key, value in data.items() if not key.startswith(("_", "pvt_"))}


def without_nulls(data: dict[str, Any]) -> dict[str, Any]:
    """A null is a key that is not there."""
    return {key: value for key, value in data.items() if value is not None}


def merged(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """`new` over `old`, member by member; a null removes its key."""
    result = dict(old)
    for key, value in new.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            inner = result.get(key)
            result[key] = merged(inner if isinstance(inner, dict) else {}, value)
        else:
            result[key] = value
    return result
