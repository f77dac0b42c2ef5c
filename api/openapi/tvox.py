"""TVox's dialect as it is described: one address, one form of request for each method of its table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from api.openapi.kazoo_replies import DryRun
from api.openapi.kazoo_requests import CALL_ID, Idempotent
from api.openapi.operation import Answer, Body, Dialect, Operation, Schema, reference, schema_of
from api.openapi.tvox_bodies import CallHead, TvoxCall, TvoxError, TvoxResult, TvoxSession
from api.tvox import METHODS, WEBAPI
from api.tvox_door import MOST_CALLS
from api.tvox_parameters import Parameters
from c2c_b2bua import __version__

PATH = "/tvox/webapi"
TEXTS = {
    "getVersion": "Our version, and the version of the WebAPI that `login` wants.",
    "login": "A session, for supervisors. It is a cookie, `JSESSIONID`, which every other method wants.",
    "logout": "The session is good no longer. An addition of ours.",
    "dialNumber": "Rings the phone of `username`, and when it is answered, `number`. The answer comes when the phone "
    "rings, or cannot be rung. `accessCode` is dialled before a number that goes to a trunk.",
    "dialNumberByEmail": "The same, the user being named by e-mail address.",
    "hangupCall": "Ends a call that goes on.",
    "getServiceCurrentCalls": "The calls of a user's phone that go on, newest first.",
    "recOn": "Refused: the voice of a call does not pass through this service.",
    "recOff": "Refused, as `recOn`.",
}
EXAMPLES: dict[str, list[Any]] = {
    "getVersion": [],
    "login": [WEBAPI, "mrossi", "change me"],
    "logout": [],
    "dialNumber": ["mrossi", "2001", "", "spring campaign", False, None, True, ""],
    "dialNumberByEmail": ["mrossi@acme.example.com", "2001", "", "", False, None, True, ""],
    "hangupCall": [CALL_ID],
    "getServiceCurrentCalls": ["mrossi"],
    "recOn": ["mrossi", CALL_ID, "sales.wav"],
    "recOff": ["mrossi", CALL_ID],
}


def positional(kind: type[Parameters]) -> Iterator[Schema]:
    """Each order in which the parameters may stand."""
    _, named = schema_of(kind)
    members = named[kind.__name__]["properties"]
    for form in kind.forms:
        line: Schema = {"type": "array", "description": f"[{', '.join(form.names)}]", "maxItems": len(form.names)}
        if form.least:
            line["minItems"] = form.least
        if form.names:
            line["prefixItems"] = [without_default(members[name]) for name in form.names]
        yield line


def without_default(schema: Schema) -> Schema:
    return {name: value for name, value in schema.items() if name != "default"}


def call(method: str, kind: type[Parameters]) -> Schema:
    """A request for one method."""
    head = schema_of(CallHead)[1]["CallHead"]
    params = {"anyOf": [*positional(kind), reference(kind.__name__)]}
    needed = ["params"] if kind.__struct_fields__ and all(form.least for form in kind.forms) else []
    return {
        "title": method,
        "description": TEXTS[method],
        "type": "object",
        "properties": {
            "jsonrpc": head["properties"]["jsonrpc"],
            "method": {"const": method},
            "params": params,
            "id": head["properties"]["id"],
        },
        "required": ["jsonrpc", "method", *needed],
    }


def sent(method: str, number: int = 1) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "method": method, "params": EXAMPLES[method], "id": number}


def received(result: Any, number: int = 1) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "result": result}


CALLS = {f"{method}Call": call(method, found.parameters) for method, found in METHODS.items() if method in TEXTS}
ONE = {"description": "A call of any method", "oneOf": [reference(name) for name in CALLS]}
BATCH = {"type": "array", "items": reference("WebapiCall"), "minItems": 1, "maxItems": MOST_CALLS}
SAID = {"anyOf": [reference("TvoxResult"), reference("TvoxError")]}
NOBODY = {
    "jsonrpc": "2.0",
    "id": 1,
    "error": {"code": -32001, "message": "Not logged in", "data": {"cause": "NO_SESSION"}},
}

TVOX = Dialect(
    name="TVox",
    text=f"""JSON-RPC 2.0 by POST to `{PATH}`, as TVox's WebAPI has it: `getVersion`, `login`, `dialNumber`. Parameters \
stand in an array in their order, or in an object by name.

What is wrong with a call is said in JSON-RPC; HTTP says 200. Up to {MOST_CALLS} calls may come as one array. The \
content type does not matter.""",
    operations={
        f"POST {PATH}": Operation(
            id="webapi",
            summary="Every method of the WebAPI",
            section="14",
            text="\n\n".join(f"`{method}`: {text}" for method, text in TEXTS.items()),
            headers=Idempotent,
            body=Body(form={"anyOf": [*ONE["oneOf"], BATCH]}, examples={method: sent(method) for method in EXAMPLES}),
            answers={
                200: Answer(
                    text="The answer, or the answers of a batch",
                    form={"anyOf": [*SAID["anyOf"], {"type": "array", "items": SAID}]},
                    examples={
                        "getVersion": received([__version__, WEBAPI]),
                        "dialNumber, returnCallId true": received(CALL_ID),
                        "Not logged in": NOBODY,
                    },
                    headers=("Set-Cookie", "Retry-After"),
                ),
                204: Answer(text="Nothing but notifications came"),
            },
            security=("JSESSIONID", "Bearer"),
            is_open=True,
        ),
    },
    forms={
        **CALLS,
        "WebapiCall": ONE,
        **{found.parameters.__name__: found.parameters for found in METHODS.values()},
        "TvoxSession": TvoxSession,
        "TvoxCalls": list[TvoxCall],
        "DryRun": DryRun,
        "TvoxResult": TvoxResult,
        "TvoxError": TvoxError,
    },
)
