"""§14 and §14.5 of the API description: JSON-RPC 2.0 over HTTP, and whatever else is sent there."""

from __future__ import annotations

import json
import re
from typing import Any
from unittest.mock import ANY

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.api.conftest import Api
from tests.api.scripted_engine import ScriptedEngine
from tests.api.tvox_client import PATH, Tvox, register_phones, settings_with_people

VERSION = {"jsonrpc": "2.0", "method": "getVersion", "params": []}
VERSIONS = [ANY, "10.26.0"]
CONTROL = re.compile(r"\\[bfnrtu]")
"""As JSON escapes them: a control character, of which none may get to a phone."""
NOTE = {"jsonrpc": "2.0", "method": "dialNumber", "params": ["mrossi", "600", "", ""]}


@pytest.fixture
def settings_text() -> str:
    return settings_with_people()


@pytest.fixture
async def tvox(api: Api, engine: ScriptedEngine) -> Tvox:
    register_phones(api.exchange)
    engine.then = lambda engine, call_id: engine.ring(call_id)
    made = Tvox(api)
    await made.log_in()
    return made


def error(code: int, call_id: Any = None) -> dict[str, Any]:
    """What an error looks like."""
    messages = {-32700: "Parse error", -32600: "Invalid Request", -32601: "Method not found", -32602: "Invalid params"}
    said = {"code": code, "message": messages[code]}
    return {"jsonrpc": "2.0", "id": call_id, "error": said if code == -32601 else {**said, "data": ANY}}


@pytest.mark.parametrize("call_id", [0, 1, -5, 1.5, 10**30, "", "a", "ü", None])
async def test_14_the_id_is_echoed(tvox: Tvox, call_id: Any) -> None:
    assert await tvox.send({**VERSION, "id": call_id}) == {"jsonrpc": "2.0", "id": call_id, "result": VERSIONS}


@pytest.mark.parametrize(
    "kind",
    ["application/json", "application/json; charset=utf-8", "text/plain", "application/x-www-form-urlencoded", "x"],
)
async def test_14_any_content_type(tvox: Tvox, kind: str) -> None:
    answer = await tvox.send({**VERSION, "id": 1}, Content_Type=kind)
    assert answer["result"] == VERSIONS


@pytest.mark.parametrize("path", ["//tvox//webapi", "/tvox/webapi/", "/tvox/webapi?x=y"])
async def test_14_slashes_and_queries_do_not_matter(api: Api, path: str) -> None:
    async with api.session.post(f"{api.base}{path}", json={**VERSION, "id": 1}) as response:
        assert (await response.json())["result"] == VERSIONS


async def test_14_params_may_be_left_out(tvox: Tvox) -> None:
    answer = await tvox.send({"jsonrpc": "2.0", "method": "getVersion", "id": 1})
    assert answer["result"] == VERSIONS


@pytest.mark.parametrize("method", ["foobar", "", "getversion", "rpc.discover", "__init__", "dialNumber "])
async def test_14_5_method_not_found(tvox: Tvox, method: str) -> None:
    assert await tvox.send({"jsonrpc": "2.0", "method": method, "id": 1}) == error(-32601, 1)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b'{"jsonrpc": "2.0", "method": "foobar, "params": "bar", "baz]',
        b'[{"jsonrpc": "2.0", "method": "getVersion", "id": "1"},{"jsonrpc": "2.0", "method"]',
        b"\xff\xfe{}",
        b'{"jsonrpc":"2.0","method":"login","params":["","mrossi","\xe9"],"id":1}',
        '{"jsonrpc":"2.0","method":"getVersion","id":1}'.encode("utf-16"),
        b'{"jsonrpc":"2.0","method":"getVersion","id":1,"id":2}',
        b'{"jsonrpc":"2.0","method":"dialNumber","params":{"number":"600","number":"911"},"id":1}',
        b'{"jsonrpc":"2.0","method":"dialNumber","params":{"number":"600","n\\u0075mber":"911"},"id":1}',
        b"[" * 5000 + b"]" * 5000,
        b'{"a":' * 100 + b"1" + b"}" * 100,
        b"NaN",
        b"jsonrpc=2.0&method=getVersion",
        b'{"jsonrpc":"2.0","method":"getVersion","id":"\\ud800"}',
        b'{"jsonrpc":"2.0","method":"getVersion","id":1e999}',
    ],
)
async def test_14_5_parse_error(tvox: Tvox, body: bytes) -> None:
    response = await tvox.post(body)
    assert (response.status, await response.json()) == (200, error(-32700))


@pytest.mark.parametrize(
    ("value", "call_id"),
    [
        (1, None),
        ("x", None),
        (None, None),
        (True, None),
        ({}, None),
        ([], None),
        ({"foo": "boo"}, None),
        ({"jsonrpc": "2.0", "method": 1, "params": "bar"}, None),
        ({"jsonrpc": "2.0", "method": 1, "id": 5}, 5),
        ({"jsonrpc": "2.0", "id": "x"}, "x"),
        ({"jsonrpc": "1.0", "method": "getVersion", "id": 1}, 1),
        ({"jsonrpc": 2.0, "method": "getVersion", "id": 1}, 1),
        ({"method": "getVersion", "id": 1}, 1),
        ({**VERSION, "id": [1]}, None),
        ({**VERSION, "id": {}}, None),
        ({**VERSION, "id": True}, None),
        ({**VERSION, "params": None, "id": 1}, 1),
        ({**VERSION, "params": "bar", "id": 1}, 1),
        ({**VERSION, "params": 0, "id": 1}, 1),
    ],
)
async def test_14_5_invalid_request(tvox: Tvox, value: Any, call_id: Any) -> None:
    assert await tvox.send(value) == error(-32600, call_id)


@pytest.mark.parametrize(
    ("method", "params", "field"),
    [
        ("getVersion", ["x"], None),
        ("getVersion", {"x": 1}, "x"),
        ("login", [], None),
        ("login", ["10.26.0", "admin"], None),
        ("login", ["10.26.0", "admin", "admin", "more"], None),
        ("login", ["10.26.0", "admin", 1], "password"),
        ("login", ["10.26.0", "", "admin"], "username"),
        ("login", [None, "admin", "admin"], "version"),
        ("login", ["", "u" * 256, "admin"], "username"),
        ("login", ["", "admin", "p" * 1025], "password"),
        ("login", {"username": "admin"}, "password"),
        ("dialNumber", [], None),
        ("dialNumber", ["mrossi", "600"], None),
        ("dialNumber", ["mrossi", "600", "", "", False, None, True, "", "more"], None),
        ("dialNumber", ["600", "", "", False, None, True, "", "more"], None),
        ("dialNumber", [1, "600", "", ""], "username"),
        ("dialNumber", [None, "600", "", ""], "username"),
        ("dialNumber", ["", "600", "", ""], "username"),
        ("dialNumber", ["mrossi", 600, "", ""], "number"),
        ("dialNumber", ["mrossi", "", "", ""], "number"),
        ("dialNumber", ["mrossi", "6" * 256, "", ""], "number"),
        ("dialNumber", ["mrossi", "600", None, ""], "accessCode"),
        ("dialNumber", ["mrossi", "600", "+", ""], "accessCode"),
        ("dialNumber", ["mrossi", "600", "12\n", ""], "accessCode"),
        ("dialNumber", ["mrossi", "600", "1" * 33, ""], "accessCode"),
        ("dialNumber", ["mrossi", "600", "", None], "jobLabel"),
        ("dialNumber", ["mrossi", "600", "", {}], "jobLabel"),
        ("dialNumber", ["mrossi", "600", "", "x" * 256], "jobLabel"),
        ("dialNumber", ["mrossi", "600", "", "", "true"], "recordCall"),
        ("dialNumber", ["mrossi", "600", "", "", 1], "recordCall"),
        ("dialNumber", ["mrossi", "600", "", "", False, 5], "recFileName"),
        ("dialNumber", ["mrossi", "600", "", "", False, "a/b"], "recFileName"),
        ("dialNumber", ["mrossi", "600", "", "", False, "a\\b"], "recFileName"),
        ("dialNumber", ["mrossi", "600", "", "", False, ".."], "recFileName"),
        ("dialNumber", ["mrossi", "600", "", "", False, "x" * 256], "recFileName"),
        ("dialNumber", ["mrossi", "600", "", "", False, None, "yes"], "returnCallId"),
        ("dialNumber", ["mrossi", "600", "", "", False, None, True, 1], "serviceCode"),
        ("dialNumber", ["mrossi", "600", "", "", False, None, True, "x" * 256], "serviceCode"),
        ("dialNumber", {"username": "mrossi"}, "number"),
        ("dialNumber", {"number": "600", "metadata": []}, "metadata"),
        ("dialNumber", {"number": "600", "dryRun": "yes"}, "dryRun"),
        ("dialNumber", {"number": "600", "numbers": "600"}, "numbers"),
        ("dialNumberByEmail", {"number": "600"}, "email"),
        ("hangupCall", [], None),
        ("hangupCall", [1], "callId"),
        ("hangupCall", [""], "callId"),
        ("hangupCall", ["x" * 256], "callId"),
        ("getServiceCurrentCalls", [1], "username"),
        ("getServiceCurrentCalls", ["a", "b"], None),
    ],
)
async def test_14_5_invalid_params(tvox: Tvox, method: str, params: Any, field: str | None) -> None:
    answer = await tvox.send({"jsonrpc": "2.0", "method": method, "params": params, "id": 1})
    assert answer == error(-32602, 1)
    assert answer["error"]["data"].get("field") == field
    assert len(answer["error"]["data"]["message"]) < 400
    assert tvox.api.engine.orders == []


async def test_14_5_who_is_not_logged_in_is_not_told_about_parameters(api: Api) -> None:
    assert (await Tvox(api).call("dialNumber", [1]))["code"] == -32001


# --- notifications and batches --------------------------------------------------------------------------------------


async def test_14_a_notification_is_done_and_not_answered(tvox: Tvox) -> None:
    assert await tvox.send(NOTE) is None
    assert len(tvox.api.engine.orders) == 1
    for note in ({**NOTE, "params": []}, {**NOTE, "method": "foobar"}, {**NOTE, "params": ["nobody", "1", "", ""]}):
        assert await tvox.send(note) is None


async def test_14_a_notification_logs_in(tvox: Tvox) -> None:
    response = await tvox.post(json.dumps({"jsonrpc": "2.0", "method": "login", "params": ["", "mrossi", "secret"]}))
    assert (response.status, await response.read()) == (204, b"")
    assert "JSESSIONID=" in response.headers["Set-Cookie"]


async def test_14_a_batch(tvox: Tvox) -> None:
    """The example of the specification of JSON-RPC."""
    answers = await tvox.send(
        [
            {**VERSION, "id": "1"},
            NOTE,
            {"jsonrpc": "2.0", "method": "dialNumber", "params": ["mrossi", "911", "", ""], "id": "2"},
            {"foo": "boo"},
            {"jsonrpc": "2.0", "method": "foo.get", "params": {"name": "myself"}, "id": "5"},
            {**VERSION, "id": None},
        ]
    )
    assert answers == [
        {"jsonrpc": "2.0", "id": "1", "result": VERSIONS},
        {"jsonrpc": "2.0", "id": "2", "error": {"code": -32003, "message": ANY, "data": ANY}},
        error(-32600),
        error(-32601, "5"),
        {"jsonrpc": "2.0", "id": None, "result": VERSIONS},
    ]
    assert len(tvox.api.engine.orders) == 1


async def test_14_a_batch_of_nothing_good(tvox: Tvox) -> None:
    assert await tvox.send([1]) == [error(-32600)]
    assert await tvox.send([1, 2, [VERSION]]) == [error(-32600)] * 3
    assert await tvox.send([]) == error(-32600)
    assert await tvox.send([NOTE, NOTE]) is None


async def test_14_a_batch_has_at_most_100_calls(tvox: Tvox) -> None:
    call = {**VERSION, "id": 1}
    assert len(await tvox.send([call] * 100)) == 100
    assert await tvox.send([call] * 101) == error(-32600)


# --- HTTP -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["GET", "PUT", "PATCH", "DELETE", "PROPFIND"])
async def test_14_other_verbs(api: Api, verb: str) -> None:
    async with api.session.request(verb, f"{api.base}{PATH}", data=b"x" * 100_000) as response:
        assert (response.status, response.headers["Allow"]) == (405, "POST, OPTIONS")
        assert await response.json() == error(-32600)


@pytest.mark.parametrize("path", ["/tvox", "/tvox/", "/tvox/webapi/x", "/tvox/other"])
async def test_14_other_paths(api: Api, path: str) -> None:
    async with api.session.post(f"{api.base}{path}", json=VERSION) as response:
        assert (response.status, await response.json()) == (404, error(-32600))


class TestSmallBodies:
    @pytest.fixture
    def settings_text(self) -> str:
        return "[api]\nmax_body = 2000\n" + settings_with_people()

    async def test_14_5_a_body_that_is_too_large(self, tvox: Tvox) -> None:
        response = await tvox.post(b" " * 2001)
        assert (response.status, response.headers["Connection"]) == (200, "close")
        assert await response.json() == error(-32600)
        assert (await tvox.send({**VERSION, "id": 1}))["result"] == VERSIONS


async def test_14_5_a_body_that_cannot_be_unpacked(tvox: Tvox) -> None:
    response = await tvox.post(b"no gzip", Content_Encoding="gzip")
    assert (response.status, await response.json()) == (200, error(-32700))
    assert (await tvox.send({**VERSION, "id": 1}))["result"] == VERSIONS


NAMES = [
    "username",
    "number",
    "accessCode",
    "jobLabel",
    "recordCall",
    "recFileName",
    "returnCallId",
    "callId",
    "metadata",
]
METHODS = ["dialNumber", "dialNumberByEmail", "hangupCall", "getServiceCurrentCalls", "recOn", "recOff", "getVersion"]
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
    | st.sampled_from(["mrossi", "600", "1009", "mrossi@acme.example.com", "sip:x@y", "\r\n", "2.0", *METHODS])
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=8) | st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=3), inner),
    max_leaves=12,
)
CALLS = st.fixed_dictionaries(
    {"jsonrpc": st.just("2.0") | SCALARS, "method": st.sampled_from(METHODS) | SCALARS},
    optional={"params": st.lists(SCALARS, max_size=9) | ANYTHING, "id": SCALARS | ANYTHING},
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=CALLS | st.lists(CALLS | ANYTHING, max_size=4) | ANYTHING)
async def test_whatever_is_sent_is_answered_by_the_rules(tvox: Tvox, value: Any) -> None:
    response = await tvox.post(json.dumps(value))
    if response.status == 204:
        return
    assert response.status == 200
    answers = await response.json()
    for answer in answers if isinstance(answers, list) else [answers]:
        assert answer["jsonrpc"] == "2.0"
        assert set(answer) in ({"jsonrpc", "id", "result"}, {"jsonrpc", "id", "error"})
        if "error" in answer:
            assert answer["error"]["code"] in (-32600, -32601, -32602, -32002, -32003), answer
    assert not CONTROL.search(msgspec.json.encode(tvox.api.engine.orders, enc_hook=str).decode())
