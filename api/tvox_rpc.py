"""JSON-RPC 2.0: calls out of a body, answers into one (jsonrpc.org/specification)."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
NOT_LOGGED_IN = -32001
NO_PHONE = -32002
"""Nobody has this name, or they have no phone that could ring."""
REFUSED = -32003

Id = str | int | float | None


class RpcError(Exception):
    """What a call is answered instead of a result; `data` says more, for programs."""

    def __init__(self, code: int, message: str, /, **data: Any) -> None:
        self.code = code
        self.data = data
        super().__init__(message)


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One call; without an `id` it is a notification, which is not answered."""

    method: str
    params: list[Any] | dict[str, Any]
    id: Id | UnsetType
    position: int | None
    """In its batch; None when it came alone."""


def call_of(value: Any, position: int | None = None) -> Call:
    """The call that a JSON value is, or RpcError."""
    if not isinstance(value, dict):
        raise invalid_request("a call is an object")
    if value.get("jsonrpc") != "2.0":
        raise invalid_request('the member jsonrpc is "2.0"')
    if not isinstance(method := value.get("method"), str):
        raise invalid_request("the member method is a string")
    if not isinstance(params := value.get("params", []), list | dict):
        raise invalid_request("the member params is an array or an object")
    if not is_id(call_id := value.get("id", UNSET)):
        raise invalid_request("the member id is a string, a number or null")
    return Call(method=method, params=params, id=call_id, position=position)


def invalid_request(text: str) -> RpcError:
    return RpcError(INVALID_REQUEST, "Invalid Request", message=text)


def invalid_params(text: str, field: str = "") -> RpcError:
    """`field` is the parameter that is wrong, where it is one."""
    return RpcError(INVALID_PARAMS, "Invalid params", message=text, **({"field": field} if field else {}))


def is_id(value: Any) -> bool:
    """UNSET is one too."""
    return value is None or value is UNSET or (isinstance(value, str | int | float) and not isinstance(value, bool))


def id_of(value: Any) -> Id:
    """What the answer to a call that is none has as its id: null, unless the call has a good one."""
    found = value.get("id") if isinstance(value, dict) else None
    return found if is_id(found) else None


def result(call_id: Id, value: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": call_id, "result": value}


def error(call_id: Id, cause: RpcError) -> dict[str, Any]:
    said: dict[str, Any] = {"code": cause.code, "message": str(cause)}
    if cause.data:
        said["data"] = cause.data
    return {"jsonrpc": "2.0", "id": call_id, "error": said}
