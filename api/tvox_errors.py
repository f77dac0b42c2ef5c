"""Why not, as errors of JSON-RPC; `data` has the cause, the parameter, and when to ask again."""

from __future__ import annotations

from typing import Any

from api.tvox_rpc import INTERNAL_ERROR, NO_PHONE, NOT_LOGGED_IN, REFUSED, RpcError, invalid_params
from c2c_b2bua.service.errors import (
    ConflictingError,
    ForbiddenError,
    InvalidError,
    LockedError,
    NotWhitelistedError,
    ServiceError,
    TooManyError,
    UnauthenticatedError,
    UnavailableError,
    UnknownError,
    UnroutableError,
)
from c2c_b2bua.storage.database import StorageError

PARAMETERS = {"contact": "number", "name": "number", "extension": "username"}
"""What the service's fields are called here."""


def refusal(cause: ServiceError | StorageError) -> RpcError:
    """The answer to a call that the service refused."""
    match cause:
        case UnroutableError(field="extension", code="not_registered"):
            return RpcError(NO_PHONE, f"The phone cannot be rung: {cause.text}", cause=cause.cause, field="username")
        case UnroutableError():
            field = PARAMETERS.get(cause.field, cause.field)
            return refused(f"The call is not made: {cause.text}", cause.cause, field=field)
        case InvalidError():
            return invalid(cause)
        case UnauthenticatedError():
            return RpcError(NOT_LOGGED_IN, "Not logged in", cause="SESSION_EXPIRED" if cause.expired else "NO_SESSION")
        case LockedError():
            return refused(str(cause), "ACCOUNT_DISABLED" if cause.expired_at is None else "ACCOUNT_EXPIRED")
        case TooManyError():
            return refused(str(cause), "TOO_MANY_REQUESTS", retry_after=round(cause.wait, 3))
        case UnavailableError():
            return refused(str(cause), "SERVICE_UNAVAILABLE", retry_after=round(cause.wait, 3))
        case ConflictingError():
            return refused(str(cause), "CONFLICT")
        case NotWhitelistedError() | ForbiddenError():
            return refused(str(cause), "OUTGOING_CALL_BARRED")
        case UnknownError():
            return refused("there is no such thing here", "UNKNOWN")
        case StorageError():
            return RpcError(INTERNAL_ERROR, "Internal error", cause="STORAGE", message=str(cause), retry_after=1.0)
        case _:
            return refused(str(cause), type(cause).__name__.removesuffix("Error").upper())


def refused(text: str, cause: str, **data: Any) -> RpcError:
    return RpcError(REFUSED, text, cause=cause, **data)


def invalid(cause: InvalidError) -> RpcError:
    """The first complaint."""
    for path, complaints in cause.complaints.items():
        for complaint in complaints.values():
            return invalid_params(str(complaint["message"]), PARAMETERS.get(path, path))
    return invalid_params(str(cause))
