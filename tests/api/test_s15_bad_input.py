"""Whatever is sent to OMICall's door: an answer in its envelope, never a 500, and nobody is rung by nonsense."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.omicall_door import RESOURCES
from tests.api.conftest import KEY, Api
from tests.api.omicall_client import CUSTOMER, HOTLINE, OMICALL, Omicall

ENDPOINTS = [
    ("GET", "auth"),
    ("POST", "click2call"),
    ("GET", "calls"),
    ("GET", "calls/{name}"),
    ("DELETE", "calls/{name}"),
    ("GET", "call_center/hotline/list"),
    ("GET", "call_center/internal_phone/list"),
    ("GET", "call_transaction/list"),
    ("GET", "call_transaction/detail/{name}"),
    ("GET", "webhooks/list"),
    ("POST", "webhooks/register"),
    ("POST", "webhooks/destroy"),
]
NAMES = [
    "extension",
    "hotline",
    "phone_number",
    "metadata",
    "dry_run",
    "webhook",
    "type",
    "url",
    "events",
    "hook_type",
    "apiKey",
    "page",
    "size",
    "keyword",
    "from_date",
    "to_date",
    "agents",
    "sip_user",
    "direction",
    "disposition",
    "sip_numbers",
]
GOOD = [
    "100",
    HOTLINE,
    CUSTOMER,
    "call",
    "https://crm.example/",
    "true",
    "1",
    "1800000000000",
    "answered",
    "[",
    '["a"]',
]
texts = st.sampled_from(GOOD) | st.text(max_size=30)
names = st.sampled_from(NAMES) | st.text(max_size=10)
leaves = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | texts
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4),
    max_leaves=12,
)
objects = st.dictionaries(names, values, max_size=6)
GOOD_CALL = {"extension": "100", "hotline": HOTLINE, "phone_number": CUSTOMER}
good_enough = objects.map(lambda found: {**found, **GOOD_CALL}) | objects.map(lambda found: {**GOOD_CALL, **found})
queries = st.lists(st.tuples(names, texts), max_size=4)


@pytest.fixture
def settings_text() -> str:
    return OMICALL


@pytest.fixture
async def omicall(api: Api) -> Omicall:
    made = Omicall(api)
    made.engine.then = lambda engine, call_id: engine.end(call_id, "USER_BUSY", "a", 486)
    await made.log_in()
    return made


def test_every_endpoint_is_here() -> None:
    there = {(verb, path.replace("*", "{name}")) for path, handlers in RESOURCES.items() for verb in handlers}
    assert set(ENDPOINTS) == there


@pytest.mark.parametrize(("verb", "path"), ENDPOINTS, ids=lambda part: part)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
async def test_never_a_500(omicall: Omicall, verb: str, path: str, data: st.DataObject) -> None:
    body = msgspec.json.encode(data.draw(objects | good_enough | values))
    query = data.draw(queries)
    rung = len(omicall.engine.orders)
    response, answer = await omicall.ask(
        verb,
        path.format(name="x"),
        params=query,
        data=body,
        headers={"Content-Type": "application/json"},
    )
    assert response.status == 200, (query, body, answer)
    if len(omicall.engine.orders) > rung:
        fields = msgspec.json.decode(body)
        assert all(fields[name] for name in ("extension", "hotline", "phone_number"))
        check(omicall)


@pytest.mark.parametrize(("verb", "path"), ENDPOINTS, ids=lambda part: part)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=st.binary(max_size=60),
    kind=st.sampled_from(
        [
            "",
            "application/json",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "multipart/form-data",
            "text/csv",
            "application/json; charset=utf-16",
            "\u00fc",
        ]
    ),
)
async def test_bytes_of_any_kind(omicall: Omicall, verb: str, path: str, body: bytes, kind: str) -> None:
    response, _ = await omicall.ask(verb, path.format(name="x"), data=body, headers={"Content-Type": kind})
    assert response.status in (200, 415)
    assert omicall.engine.orders == []


@pytest.mark.parametrize(
    "fields",
    [
        {"phone_number": "a\r\nVia: x"},
        {"phone_number": "sip:bob@example.com?Subject=x"},
        {"phone_number": "sip:bob@example.com;maddr=192.0.2.1"},
        {"hotline": f"{HOTLINE}\r\nVia: x"},
        {"extension": "100\r\n"},
        {"extension": "100", "metadata": {"a": "\r\nVia: x"}},
    ],
)
async def test_nothing_dangerous_reaches_the_engine(omicall: Omicall, fields: dict[str, Any]) -> None:
    await omicall.call(**fields)
    check(omicall)


def check(omicall: Omicall) -> None:
    for order in omicall.engine.orders[-1:]:
        for party in (order.a, order.b):
            for text in (party.uri, party.from_uri, party.from_name, *(t for pair in party.headers for t in pair)):
                assert not any(ord(character) < 32 or ord(character) == 127 for character in text), text


@pytest.mark.parametrize(("verb", "path"), [e for e in ENDPOINTS if e[1] != "auth"], ids=lambda part: part)
async def test_no_token_comes_before_a_bad_body(omicall: Omicall, verb: str, path: str) -> None:
    response, body = await omicall.ask(verb, path.format(name="x"), token=None, data=b"{")
    assert (response.status, body["message"]) == (401, "unauthorized")


async def test_a_key_is_as_unknown_as_another(omicall: Omicall) -> None:
    """The same answer for a key that is nearly right."""
    near, far = KEY[:-1] + "0", "f" * 64
    answers = [(await omicall.get("auth", token=None, apiKey=key))[1] for key in (near, far)]
    assert answers[0] == answers[1]
