"""Whatever is sent to Kazoo's doors: their own error, never a 500, and nothing dangerous reaches the engine."""

from __future__ import annotations

import asyncio
import random
from typing import Any
from urllib.parse import quote, quote_from_bytes

import msgspec
import pytest
from aiohttp import ClientResponse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.api.conftest import CHILD, KEY, STRANGER, STRANGER_KEY, A, Api
from tests.api.kazoo_endpoints import ENDPOINTS, VERBS, Endpoint, Place

LIST = f"/v2/accounts/{A}/clicktocall"
JSON = {"Content-Type": "application/json"}
each_endpoint = pytest.mark.parametrize("endpoint", ENDPOINTS, ids=str)
WITH_TOKEN = [endpoint for endpoint in ENDPOINTS if not endpoint.is_public]


@pytest.fixture
async def place(api: Api) -> Place:
    made = Place(api)
    await made.prepare()
    return made


def says_no(endpoint: Endpoint, response: ClientResponse, body: Any, status: int, message: str, data: Any) -> None:
    """The error in Kazoo's envelope; on version 1 its objects are their messages."""
    assert (response.status, body["error"], body["status"]) == (status, str(status), "error"), (str(endpoint), body)
    assert response.headers["Content-Type"] == "application/json"
    assert body["message"] == message
    assert body["request_id"] == response.headers["X-Request-ID"]
    if endpoint.version == "v1" and "message" in data:
        assert body["data"] == data["message"]
    elif endpoint.version == "v1":
        (field,) = data
        ((code, complaint),) = data[field].items()
        assert body["data"] == {field: {code: complaint["message"]}}
    else:
        assert body["data"] == data


BAD_JSON = {"json": {"invalid": {"message": "All JSON must be valid", "target": "body"}}}
NO_DATA = {"data": {"required": {"message": "Field is required but missing", "value": "data"}}}


def of_wrong_type(value: Any) -> Any:
    message = "Value did not match type(s): object, array"
    return {"data": {"type": {"message": message, "target": "object, array", "value": value}}}


BAD_BODIES: dict[str, tuple[bytes, Any]] = {
    "cut": (b"{", BAD_JSON),
    "words": (b"nonsense", BAD_JSON),
    "more": (b'{"data":{}} x', BAD_JSON),
    "doubled": (b'{"data":{"name":"a","name":"b"}}', BAD_JSON),
    "doubled data": (b'{"data":{},"data":{}}', BAD_JSON),
    "doubled inside": (b'{"data":{"x":{"y":[{"k":1,"k":1}]}}}', BAD_JSON),
    "deep": (b'{"data":' + b"[" * 100 + b"]" * 100 + b"}", BAD_JSON),
    "very deep": (b'{"data":' + b'{"a":' * 5000 + b"1" + b"}" * 5001, BAD_JSON),
    "latin-1": ('{"data":{"name":"ü"}}'.encode("latin-1"), BAD_JSON),
    "utf-16": ('{"data":{}}'.encode("utf-16"), BAD_JSON),
    "no utf-8": (b'{"data":{"name":"\xff"}}', BAD_JSON),
    "half a pair": (b'{"data":{"name":"\\ud800"}}', BAD_JSON),
    "nan": (b'{"data":{"x":NaN}}', BAD_JSON),
    "no data": (b"{}", NO_DATA),
    "list": (b"[]", NO_DATA),
    "text": (b'"data"', NO_DATA),
    "no envelope": (b'{"contact":"1"}', NO_DATA),
    "null": (b'{"data":null}', of_wrong_type(None)),
    "data of text": (b'{"data":"x"}', of_wrong_type("x")),
    "data of a number": (b'{"data":17}', of_wrong_type(17)),
}


@each_endpoint
async def test_what_is_no_body(place: Place, endpoint: Endpoint) -> None:
    for text, data in BAD_BODIES.values():
        response, body = await place.api.call(endpoint.verb, place.path(endpoint), data=text, headers=JSON)
        says_no(endpoint, response, body, 400, "validation error", data)
    assert place.api.engine.orders == []


@each_endpoint
async def test_a_verb_that_the_path_does_not_have(place: Place, endpoint: Endpoint) -> None:
    for verb in VERBS:
        if verb in endpoint.verbs:
            continue
        response, body = await place.api.call(verb, place.path(endpoint), {})
        says_no(endpoint, response, body, 405, "invalid_method", {"message": "method not allowed"})
        assert response.headers["Allow"] == ", ".join([*sorted(endpoint.verbs), "OPTIONS"])
    response, _ = await place.api.call("HEAD", place.path(endpoint))
    assert response.status == 405
    response, _ = await place.api.call("TRACE", place.path(endpoint))
    assert response.status == 501


@each_endpoint
async def test_a_body_of_a_type_that_is_not_read(place: Place, endpoint: Endpoint) -> None:
    for kind in ("text/plain", "application/xml", "image/png", "nonsense", "text/html; charset=utf-8"):
        headers = {"Content-Type": kind}
        response, _ = await place.api.call(endpoint.verb, place.path(endpoint), data=b'{"data":{}}', headers=headers)
        if endpoint.verb in ("PUT", "POST", "PATCH"):
            assert (response.status, await response.read()) == (415, b"")
        elif endpoint.verb == "GET":
            has_no_phone = "users/{user}/quickcall" in endpoint.path
            assert response.status == (400 if has_no_phone or endpoint.path.endswith("connect") else 200)
    assert not place.api.engine.orders or (endpoint.verb == "GET" and "quickcall" in endpoint.path)


@each_endpoint
async def test_an_answer_that_there_is_not(place: Place, endpoint: Endpoint) -> None:
    response, _ = await place.api.call(
        endpoint.verb, place.path(endpoint), {"contact": "2600"}, headers={"Accept": "image/png"}
    )
    assert (response.status, await response.read()) == (406, b"")
    assert place.api.engine.orders == []


@pytest.mark.parametrize("endpoint", WITH_TOKEN, ids=str)
async def test_no_token_and_tokens_that_are_none(place: Place, endpoint: Endpoint) -> None:
    for token in (None, "nonsense", "undefined", "a.b.c", "x" * 5000, "ü", "'; DROP TABLE", "Bearer"):
        response, body = await place.api.call(endpoint.verb, place.path(endpoint), {"contact": "2600"}, token=token)
        says_no(endpoint, response, body, 401, "invalid_credentials", {"message": "invalid credentials"})
    assert place.api.engine.orders == []


@pytest.mark.parametrize("endpoint", WITH_TOKEN, ids=str)
@pytest.mark.parametrize("how", ["expired", "given back"])
async def test_a_token_that_was_good(place: Place, endpoint: Endpoint, how: str) -> None:
    api = place.api
    if how == "expired":
        api.engine.clock = api.engine.now() + 3601
    else:
        await api.call("DELETE", "/v2/token_auth")
    response, body = await api.call(endpoint.verb, place.path(endpoint), {"contact": "2600"})
    assert (response.status, body["message"], body["data"]) == (401, "invalid credentials", {})
    assert api.engine.orders == []


@pytest.mark.parametrize("endpoint", [endpoint for endpoint in WITH_TOKEN if endpoint.of_account], ids=str)
async def test_the_token_of_somebody_else(place: Place, endpoint: Endpoint) -> None:
    api = place.api
    _, body = await api.call("PUT", "/v2/api_auth", {"api_key": STRANGER_KEY}, token=None)
    fields = {"name": "x", "extension": "1", "contact": "2600"}
    response, body = await api.call(endpoint.verb, place.path(endpoint), fields, token=body["auth_token"])
    says_no(endpoint, response, body, 403, "forbidden", {"message": "forbidden"})
    response, _ = await api.call(endpoint.verb, place.path(endpoint, account=STRANGER), fields)
    assert response.status == 403
    assert api.engine.orders == []


@pytest.mark.parametrize("endpoint", [endpoint for endpoint in ENDPOINTS if endpoint.of_account], ids=str)
async def test_accounts_that_are_none(place: Place, endpoint: Endpoint) -> None:
    for account, message, cause in (
        ("9" * 32, "bad_identifier", {"message": "bad identifier", "cause": "9" * 32}),
        ("xyz", "bad identifier", {"message": "invalid account_id 'xyz'"}),
        ("a" * 31 + "!", "bad identifier", {"message": f"invalid account_id '{'a' * 31}!'"}),
        ("a" * 3000, "bad identifier", {"message": f"invalid account_id '{'a' * 3000}'"}),
    ):
        response, body = await place.api.call(endpoint.verb, place.path(endpoint, account=account))
        says_no(endpoint, response, body, 404, message, cause)


OF_DOCUMENT = [endpoint for endpoint in ENDPOINTS if any(name in endpoint.path for name in ("{doc", "{user", "{dev"))]


@pytest.mark.parametrize("endpoint", OF_DOCUMENT, ids=str)
async def test_names_of_nothing(place: Place, endpoint: Endpoint) -> None:
    fields = {"name": "x", "extension": "1001", "contact": "2600"}
    for name in ("0" * 32, "x", "ü", "%00", "*", "' OR 1=1", "a" * 3000):
        wrong = quote(name, safe="")
        path = place.path(endpoint, document=wrong, user=wrong, device=wrong)
        response, body = await place.api.call(endpoint.verb, path, fields)
        if path.endswith("/history"):
            assert (response.status, body["data"]) == (200, [])
        else:
            assert (response.status, body["message"]) == (404, "bad_identifier"), path
    assert place.api.engine.orders == []


async def test_documents_of_another_account_are_not_there(api: Api) -> None:
    """Not even for an account that may act on both."""
    document = await api.create()
    _, body = await api.connect(document)
    other = f"/v2/accounts/{CHILD}/clicktocall/{document}"
    for verb, path in (
        ("GET", other),
        ("POST", other),
        ("PATCH", other),
        ("DELETE", other),
        ("POST", f"{other}/connect"),
        ("GET", f"{other}/calls"),
        ("GET", f"{other}/calls/{body['data']['call_id']}"),
        ("DELETE", f"{other}/calls/{body['data']['call_id']}"),
    ):
        response, answer = await api.call(verb, path, {"name": "x", "extension": "1", "contact": "2600"})
        assert (response.status, answer["message"]) == (404, "bad_identifier"), (verb, path)
    _, answer = await api.call("GET", f"{other}/history")
    assert answer["data"] == []
    assert len(api.engine.orders) == 1


LONG = "x" * 5000
FIELDS: list[tuple[str, str, dict[str, Any], str, str]] = [
    ("PUT", "api_auth", {}, "api_key", "required"),
    ("PUT", "api_auth", {"api_key": None}, "api_key", "required"),
    ("PUT", "api_auth", {"api_key": ""}, "api_key", "minLength"),
    ("PUT", "api_auth", {"api_key": LONG}, "api_key", "maxLength"),
    ("PUT", "api_auth", {"api_key": 5}, "api_key", "type"),
    ("PUT", "api_auth", {"api_key": ["x"]}, "api_key", "type"),
    ("PUT", "user_auth", {}, "credentials", "required"),
    ("PUT", "user_auth", {"credentials": 5}, "credentials", "type"),
    ("PUT", "user_auth", {"credentials": "x", "account_name": {}}, "account_name", "type"),
    ("PUT", "user_auth", {"credentials": "x", "account_realm": 5}, "account_realm", "type"),
    ("PUT", "user_auth", {"credentials": "x", "realm": False}, "realm", "type"),
    ("PUT", "user_auth", {"credentials": "x", "phone_number": 5}, "phone_number", "type"),
    ("PUT", "user_auth", {"credentials": "x", "method": LONG}, "method", "enum"),
    ("PUT", "accounts/{account}/clicktocall", {"extension": "1"}, "name", "required"),
    ("PUT", "accounts/{account}/clicktocall", {"name": "x"}, "extension", "required"),
    ("PUT", "accounts/{account}/clicktocall", {"name": "", "extension": "1"}, "name", "minLength"),
    ("PUT", "accounts/{account}/clicktocall", {"name": LONG, "extension": "1"}, "name", "maxLength"),
    ("PUT", "accounts/{account}/clicktocall", {"name": ["x"], "extension": "1"}, "name", "type"),
    ("PUT", "accounts/{account}/clicktocall", {"name": "x", "extension": LONG}, "extension", "pattern"),
    ("PUT", "accounts/{account}/clicktocall", {"name": "x", "extension": ""}, "extension", "pattern"),
    ("PUT", "accounts/{account}/clicktocall", {"name": "x", "extension": "1", "throttle": "x"}, "throttle", "type"),
    ("POST", "accounts/{account}/clicktocall/{document}", {"extension": "1"}, "name", "required"),
    ("POST", "accounts/{account}/clicktocall/{document}", {"name": 5, "extension": "1"}, "name", "type"),
    ("PATCH", "accounts/{account}/clicktocall/{document}", {"name": None}, "name", "required"),
    ("PATCH", "accounts/{account}/clicktocall/{document}", {"throttle": "x"}, "throttle", "type"),
    ("PATCH", "accounts/{account}/clicktocall/{document}", {"whitelist": ["("]}, "whitelist.0", "pattern"),
    ("POST", "accounts/{account}/clicktocall/{document}/connect", {}, "contact", "required"),
    ("POST", "accounts/{account}/clicktocall/{document}/connect", {"contact": ""}, "contact", "required"),
    ("POST", "accounts/{account}/clicktocall/{document}/connect", {"contact": []}, "contact", "type"),
    ("POST", "accounts/{account}/clicktocall/{document}/connect", {"contact": False}, "contact", "type"),
    ("POST", "accounts/{account}/clicktocall/{document}/connect", {"contact": LONG}, "contact", "pattern"),
    ("GET", "accounts/{account}/clicktocall/{document}/connect?contact=%00", {}, "contact", "pattern"),
    ("GET", "accounts/{account}/clicktocall/{document}/connect?contact=%FF%FE", {}, "contact", "pattern"),
    ("GET", "accounts/{account}/clicktocall/{document}/connect", {}, "contact", "required"),
    ("GET", "accounts/{account}/devices/{device}/quickcall/%00", {}, "contact", "pattern"),
    ("POST", "accounts/{account}/devices/{device}/quickcall/2600", {"timeout": "x"}, "timeout", "type"),
    ("GET", "accounts/{account}/clicktocall?created_from=x", {}, "created_from", "type"),
    ("GET", "accounts/{account}/clicktocall/{document}/history?created_to=x", {}, "created_to", "type"),
    ("GET", "accounts/{account}/users?modified_to=-1", {}, "modified_to", "type"),
]


@pytest.mark.parametrize(("verb", "path", "fields", "name", "code"), FIELDS)
async def test_fields_that_are_wrong(
    place: Place, verb: str, path: str, fields: dict[str, Any], name: str, code: str
) -> None:
    for version in ("v1", "v2"):
        response, body = await place.api.call(verb, f"/{version}/{path.format(**place.names)}", fields)
        assert (response.status, body["message"]) == (400, "validation error")
        found = body["data"][name][code]
        assert isinstance(found, str) if version == "v1" else found["message"]
    assert place.api.engine.orders == []


TEXTS = [
    "",
    " ",
    "1001",
    "4155550100",
    "+14155550100",
    "sip:bob@example.com",
    "sip:",
    "a\r\nVia: x",
    "\x00",
    "ü☎\U0001f4de",
]
TEXTS += ["[" * 50, "%0d%0a", "true", "-1", "9" * 40, "(", "null", "\u202e", "x" * 300]
NAMES = ["name", "extension", "auth_required", "dial_first", "caller_id_number", "outbound_callee_id_name", "whitelist"]
NAMES += [
    "throttle",
    "max_active",
    "realm",
    "timeout",
    "media",
    "music_on_hold",
    "bypass_media",
    "custom_application_vars",
]
NAMES += [
    "custom_sip_headers",
    "contact",
    "blocking",
    "verb",
    "auth_token",
    "authorization",
    "in",
    "out",
    "",
    "a.b",
    "id",
]
NAMES += [
    "credentials",
    "account_name",
    "phone_number",
    "api_key",
    "method",
    "metadata",
    "dry_run",
    "accept",
    "cid-name",
]
NAMES += [
    "number_filter",
    "target_call_id",
    "ignore-early-media",
    "auto_answer",
    "history_items",
    "_read_only",
    "message",
]

anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(TEXTS)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=9), inner, max_size=6)
    ),
    max_leaves=20,
)
objects = st.dictionaries(st.sampled_from(NAMES), anything, max_size=8)
good_enough = objects.map(lambda found: {"name": "x", "extension": "1001", "contact": "4155550100", **found})
bodies = st.one_of(
    st.builds(lambda data, more: {**more, "data": data}, objects | good_enough | anything, objects), anything
)


@each_endpoint
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=bodies)
async def test_arbitrary_json_is_never_a_500(api: Api, endpoint: Endpoint, body: Any) -> None:
    place = Place(api)
    _, answer = await api.call("PUT", "/v2/api_auth", {"api_key": KEY}, token=None)
    api.token = answer["auth_token"]
    api.engine.then = lambda engine, call_id: engine.end(call_id, "USER_BUSY", "a", 486)
    await place.prepare(auth_required=False)
    text = msgspec.json.encode(body)
    response, answer = await api.call(endpoint.verb, place.path(endpoint), data=text, headers=JSON)
    is_failed_quickcall = answer is not None and answer.get("message") == "quickcall initiation failed"
    assert response.status < 500 or is_failed_quickcall, (body, answer)
    if answer is not None:
        assert answer["request_id"] == response.headers["X-Request-ID"]
        assert (answer["status"] == "error") is (response.status >= 400)
    check_orders(api)


def check_orders(api: Api) -> None:
    """Nothing that the engine was told has a control character in it."""
    for order in api.engine.orders:
        for party in (order.a, order.b):
            texts = [party.uri, party.next_hop, party.from_uri, party.from_name]
            for text in [*texts, *(text for pair in party.headers for text in pair)]:
                assert not any(ord(character) < 32 or ord(character) == 127 for character in text), text


def anywhere(dice: random.Random, place: Place) -> tuple[str, str]:
    """A verb and a path, often good ones, with a query of anything."""
    endpoint = dice.choice(ENDPOINTS)
    path = place.path(endpoint)
    if dice.random() < 0.2:
        path = dice.choice(["/v2/schemas/x", "/v2/accounts/%00/clicktocall", f"{LIST}/%FF%FE/connect", "/v1/account"])
    names = [*NAMES, "page_size", "start_key", "created_from", "created_to", "filter_x", "has_key", "jsonp", "paginate"]
    pairs = [
        f"{quote(dice.choice(names))}={quote_from_bytes(dice.choice([*(t.encode() for t in TEXTS), b'%FF', b'5']))}"
        for _ in range(dice.randrange(3))
    ]
    verb = endpoint.verb if dice.random() < 0.8 else dice.choice(VERBS)
    return verb, f"{path}?{'&'.join(pairs)}" if pairs else path


@pytest.mark.parametrize("seed", range(6))
async def test_any_query_header_or_bytes_are_never_a_500(place: Place, seed: int) -> None:
    dice, api = random.Random(seed), place.api
    api.engine.then = lambda engine, call_id: engine.end(call_id, "USER_BUSY", "a", 486)
    for _ in range(150):
        verb, path = anywhere(dice, place)
        body: Any = dice.choice([b"", b'{"data":{}}', dice.randbytes(dice.randrange(60))])
        kinds = ["application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/csv"]
        headers = {"Content-Type": dice.choice([*kinds, "multipart/form-data", "multipart/mixed"])}
        if dice.random() < 0.5:
            name = dice.choice(["If-Match", "If-None-Match", "Authorization", "Accept", "Idempotency-Key", "Origin"])
            headers[name] = dice.choice(["x, *", "Basic OjA=", "Basic x", "text/csv", "*/*;q=x", "", "ü"])
        token = {"X-Auth-Token": api.token} if dice.random() < 0.8 else {}
        url = f"{api.base}{path}"
        async with api.session.request(verb, url, data=body, headers={**headers, **token}) as response:
            text = await response.text()
            assert response.status < 500 or "quickcall initiation failed" in text, (verb, path, body, text)
        if verb in ("DELETE", "POST"):  # That may have ended the token, or the document.
            _, answer = await api.call("PUT", "/v2/api_auth", {"api_key": KEY}, token=None)
            api.token = answer["auth_token"]
            await place.prepare()
        check_orders(api)


@pytest.mark.parametrize(
    "host", ["", "Host: a b\r\n", "Host: [::1\r\n", "Host: x:99999999\r\n", "Host: \xff\r\n", "Host: a/b?c#d@e\r\n"]
)
async def test_a_strange_host(api: Api, host: str) -> None:
    """The address of a new document is made of the host that the client names."""
    body = b'{"data":{"name":"x","extension":"1001"}}'
    head = f"PUT {LIST} HTTP/1.1\r\n{host}X-Auth-Token: {api.token}\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
    writer.write(head.encode("latin-1") + body)
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    assert answer.split()[1] in (b"201", b"400"), answer


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ("Content-Encoding: gzip", b"no gzip"),
        ("Content-Type: multipart/form-data; boundary=x", b"--x\r\nnonsense"),
        ("Content-Type: multipart/form-data; boundary=x\r\nContent-Encoding: gzip", b"no gzip"),
    ],
)
async def test_a_body_that_cannot_be_unpacked(api: Api, headers: str, body: bytes) -> None:
    head = f"PUT {LIST} HTTP/1.1\r\nHost: x\r\nX-Auth-Token: {api.token}\r\n{headers}\r\nContent-Length: {len(body)}\r\n\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
    writer.write(head.encode() + body)
    async with asyncio.timeout(10):
        answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    assert answer.startswith(b"HTTP/1.1 400") and b'"All JSON must be valid"' in answer
