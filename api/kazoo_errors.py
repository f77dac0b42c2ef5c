"""Why not, in Kazoo's words."""

from __future__ import annotations

from typing import Any

from api.envelope import Reply, error
from c2c_b2bua.service.errors import (
    ConflictingError,
    FaultyPageError,
    ForbiddenError,
    InvalidError,
    LockedError,
    NotWhitelistedError,
    ServiceError,
    TooManyError,
    TooMuchError,
    UnauthenticatedError,
    UnavailableError,
    UnknownError,
)
from c2c_b2bua.service.listing import GREGORIAN
from c2c_b2bua.storage.database import StorageError


def refusal(cause: ServiceError | StorageError) -> Reply:
    """The answer to a request that the service refused."""
    match cause:
        case InvalidError():
            return invalid(cause.complaints)
        case NotWhitelistedError():
            return error(400, str(cause), cause.contact)
        case UnauthenticatedError(expired=True):
            return error(401, "invalid credentials", {})
        case UnauthenticatedError():
            return error(401, "invalid_credentials", {"message": "invalid credentials"})
        case ForbiddenError():
            return error(403, "forbidden", {"message": str(cause) or "forbidden"})
        case UnknownError():
            return error(404, "bad_identifier", {"message": "bad identifier", "cause": cause.identifier})
        case LockedError(expired_at=None):
            return error(423, "locked", {"account": {"disabled": {"message": str(cause)}}})
        case LockedError(expired_at=float(at)):
            expired = {"message": str(cause), "cause": int(at) + GREGORIAN}
            return error(423, "locked", {"account": {"expired": expired}})
        case TooMuchError():
            return error(416, "range not satisfiable", {"message": str(cause)})
        case FaultyPageError():
            return error(404, "faulty_request", {"message": str(cause)})
        case ConflictingError():
            return error(409, "datastore_conflict", {"message": str(cause)})
        case TooManyError():
            return error(429, "too_many_requests", {"message": str(cause)}, cause.wait)
        case UnavailableError():
            return error(503, "service_unavailable", {"message": str(cause)}, cause.wait)
        case _:
            return error(503, "datastore_unreachable", {"message": f"datastore: {cause}"}, 1.0)


def invalid(complaints: dict[str, Any]) -> Reply:
    return error(400, "validation error", complaints)


def bad_json() -> Reply:
    return invalid({"json": {"invalid": {"message": "All JSON must be valid", "target": "body"}}})


def no_data() -> Reply:
    return invalid({"data": {"required": {"message": "Field is required but missing", "value": "data"}}})


def data_of_wrong_type(value: Any) -> Reply:
    message = "Value did not match type(s): object, array"
    return invalid({"data": {"type": {"message": message, "target": "object, array", "value": value}}})


def too_large(most: int) -> Reply:
    message = f"Payload or Files must not be more than {most} bytes"
    reply = invalid({"file": {"maxSize": {"message": message, "target": most}}})
    reply.closes = True
    return reply


def not_found() -> Reply:
    return error(404, "not_found", {"message": "not found"})


def method_not_allowed() -> Reply:
    return error(405, "invalid_method", {"message": "method not allowed"})


def bad_account_id(account_id: str) -> Reply:
    text = f"invalid account_id '{account_id}'" if account_id else "missing account_id"
    return error(404, "bad identifier", {"message": text})
