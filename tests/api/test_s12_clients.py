"""§12.4 to §12.7 of the API description: what clients that cannot run here send, and what they read of the answers."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from aiohttp import ClientResponse

from tests.api.conftest import KEY, STRANGER, A, Api
from tests.api.scripted_engine import ScriptedEngine

LIST = f"/v2/accounts/{A}/clicktocall"
NOBODY = "0" * 32


class Client:
    """Sends the same header fields with everything, and bodies as they are written."""

    def __init__(self, api: Api, **headers: str) -> None:
        self.api = api
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}

    async def send(self, verb: str, path: str, body: str | None = None, **headers: str) -> tuple[ClientResponse, Any]:
        """The response and its JSON."""
        given = {**self.headers, **{name.replace("_", "-"): value for name, value in headers.items()}}
        async with self.api.session.request(verb, f"{self.api.base}{path}", data=body, headers=given) as response:
            text = await response.read()
            return response, json.loads(text) if text else None


def envelope(**data: Any) -> str:
    return json.dumps({"data": data})


# --- §12.4, PHP: kazoo-php-sdk ------------------------------------------------------------------------------------------


@pytest.fixture
def php(api: Api) -> Client:
    return Client(
        api,
        X_Auth_Token=api.token,
        Accept="application/json",
        Content_Type="application/json",
        User_Agent="kazoo-php-sdk/1.0",
    )


async def test_12_4_php_its_own_test(php: Client) -> None:
    """Create, fetch, change, list, filter, remove; everything it reads is `data`, and of that the id."""
    _, body = await php.send("PUT", LIST, envelope(name="SDK Create Test 512", extension="15342"))
    entity = body["data"]
    assert len(entity["id"]) > 0
    path = f"{LIST}/{entity['id']}"
    response, body = await php.send("GET", path)
    assert (response.status, body["data"]) == (200, entity)
    # It sends back what it has read, the id and the empty objects too.
    response, body = await php.send("POST", path, envelope(**{**entity, "name": "SDK Update Test 7"}))
    assert (response.status, body["data"]) == (200, {**entity, "name": "SDK Update Test 7"})
    _, body = await php.send("GET", path)
    assert body["data"]["name"] == "SDK Update Test 7"
    await php.send("PUT", LIST, envelope(name="another", extension="15342"))
    _, body = await php.send("GET", LIST)
    assert entity["id"] in [element["id"] for element in body["data"]]
    _, body = await php.send("GET", f"{LIST}?filter_name=SDK%20Update%20Test%207")
    assert [element["id"] for element in body["data"]] == [entity["id"]]
    _, body = await php.send("GET", f"{LIST}?filter_name=no-such-clicktocall")
    assert body["data"] == []
    response, _ = await php.send("DELETE", path)
    assert response.status == 200
    response, _ = await php.send("GET", path)
    assert response.status == 404


async def test_12_4_php_logs_in_with_its_realm(php: Client) -> None:
    credentials = hashlib.md5(b"mrossi:secret", usedforsecurity=False).hexdigest()
    body = envelope(credentials=credentials, realm="acme.example.com")
    response, answer = await php.send("PUT", "/v2/user_auth", body, X_Auth_Token="")
    assert response.status == 201
    assert answer["auth_token"]
    assert answer["data"]["account_id"] == A
    assert answer["data"]["owner_id"]


async def test_12_4_php_request_id(php: Client) -> None:
    response, body = await php.send("GET", LIST)
    assert response.headers["X-Request-ID"] == body["request_id"]


@pytest.mark.parametrize(
    ("verb", "path", "body", "status"),
    [
        ("PUT", LIST, envelope(), 400),
        ("GET", f"{LIST}/{NOBODY}", None, 404),
        ("GET", f"/v2/accounts/{STRANGER}/clicktocall", None, 403),
        ("PATCH", LIST, envelope(), 405),
    ],
)
async def test_12_4_php_tells_errors_by_their_status(
    php: Client, verb: str, path: str, body: str | None, status: int
) -> None:
    response, answer = await php.send(verb, path, body)
    assert (response.status, answer["error"], answer["status"]) == (status, str(status), "error")
    assert answer["message"]
    assert "data" in answer


async def test_12_4_php_logs_in_again_after_a_401_and_tells_a_429(php: Client) -> None:
    response, body = await php.send("GET", LIST, X_Auth_Token="old")
    assert (response.status, body["status"]) == (401, "error")
    click = await php.api.create(throttle=1)
    statuses = [
        (await php.send("POST", f"{LIST}/{click}/connect", envelope(contact="4155550100")))[0].status for _ in range(2)
    ]
    assert statuses == [200, 429]


# --- §12.5, JavaScript: Monster UI --------------------------------------------------------------------------------------

UI = {"version": "5.0-12", "ui": "monster-ui", "origin": "callflows"}


@pytest.fixture
def monster(api: Api) -> Client:
    return Client(
        api,
        X_Auth_Token=api.token,
        Content_Type="application/json",
        Accept="application/json, text/javascript, */*; q=0.01",
        Origin="https://monster.example",
        Referer="https://monster.example/",
    )


async def test_12_5_monster_its_six_methods(monster: Client) -> None:
    """`ui_metadata` is in the data of all that it writes; what it reads has a number against caches in the query."""
    click = {"name": "Sales", "extension": "1001", "auth_required": False, "ui_metadata": UI}
    response, body = await monster.send("PUT", LIST, envelope(**click))
    assert (response.status, body["data"]["ui_metadata"]) == (201, UI)
    path = f"{LIST}/{body['data']['id']}"
    response, answer = await monster.send("GET", f"{path}?_=1700000000000")
    assert (response.status, answer["data"]) == (200, body["data"])
    response, answer = await monster.send("GET", f"{LIST}?_=1700000000001&filter_name=Sales&paginate=false")
    assert (response.status, len(answer["data"])) == (200, 1)
    data = {"contact": "4155550100", "ui_metadata": UI}
    response, answer = await monster.send("POST", f"{path}/connect", envelope(**data))
    assert (response.status, answer["data"]["application_data"]) == (200, {"route": "+14155550100"})
    assert UI not in answer["data"].values()
    response, answer = await monster.send("DELETE", path, envelope(ui_metadata=UI))
    assert (response.status, answer["data"]["_read_only"]) == (200, {"deleted": True})
    assert (await monster.send("GET", path))[0].status == 404


async def test_12_5_monster_the_content_type_is_exactly_this(monster: Client) -> None:
    """It reads the body of an error only then."""
    asked = [
        ("PUT", "/v2/api_auth", envelope(api_key=KEY, ui_metadata=UI), {}, 201),
        ("PUT", LIST, envelope(ui_metadata=UI), {}, 400),
        ("PUT", LIST, "{", {}, 400),
        ("GET", LIST, None, {"X_Auth_Token": "undefined"}, 401),
        ("GET", f"/v2/accounts/{STRANGER}/clicktocall", None, {}, 403),
        ("GET", f"{LIST}/{NOBODY}", None, {}, 404),
        ("GET", f"{LIST}/{NOBODY}/bogus", None, {}, 404),
        ("PATCH", LIST, envelope(), {}, 405),
    ]
    for verb, path, body, headers, status in asked:
        response, answer = await monster.send(verb, path, body, **headers)
        assert (response.status, response.headers.getall("Content-Type")) == (status, ["application/json"])
        assert isinstance(answer["data"], dict)


async def test_12_5_monster_without_a_token_says_undefined(monster: Client) -> None:
    """An open click-to-call can be called all the same; any other cannot."""
    for is_closed, status in ((False, 200), (True, 401)):
        path = f"{LIST}/{await monster.api.create(auth_required=is_closed)}/connect"
        response, _ = await monster.send("POST", path, envelope(contact="4155550100"), X_Auth_Token="undefined")
        assert response.status == status


async def test_12_5_monster_may_send_all_it_sends_from_another_origin(monster: Client) -> None:
    """What a browser asks before, verb by verb."""
    click = f"{LIST}/{await monster.api.create()}"
    for path, verbs in ((LIST, {"GET", "PUT"}), (click, {"GET", "POST", "DELETE"}), (f"{click}/connect", {"POST"})):
        for verb in verbs:
            response, body = await monster.send(
                "OPTIONS",
                path,
                X_Auth_Token="",
                Access_Control_Request_Method=verb,
                Access_Control_Request_Headers="content-type,x-auth-token",
            )
            assert (response.status, body) == (200, None)
            assert response.headers["Access-Control-Allow-Origin"] == "*"
            assert verb in response.headers["Access-Control-Allow-Methods"].split(", ")
            allowed = response.headers["Access-Control-Allow-Headers"].lower().split(", ")
            assert {"content-type", "x-auth-token"} <= set(allowed)
    response, _ = await monster.send("GET", click)
    exposed = response.headers["Access-Control-Expose-Headers"].lower().split(", ")
    assert {"content-type", "x-request-id", "location", "etag"} <= set(exposed)


# --- §12.6, Erlang: the Zotonic portal, on version 1 ----------------------------------------------------------------------


async def test_12_6_zotonic_keeps_click_to_calls_on_v1(api: Api, engine: ScriptedEngine) -> None:
    portal = Client(api, X_Auth_Token=api.token, Content_Type="application/json")
    path = f"/v1/accounts/{A}/clicktocall"
    fields = {
        "auth_required": False,
        "dial_first": "extension",
        "extension": "1001",
        "name": "Sales",
        "caller_id_number": "4155550111",
        "outbound_callee_id_number": "4155550122",
    }
    response, body = await portal.send("PUT", path, envelope(**fields))
    assert response.status in (200, 201)
    click = body["data"]["id"]
    assert fields.items() <= body["data"].items()
    response, body = await portal.send("POST", f"{path}/{click}", envelope(**{**fields, "id": click, "name": "Desk"}))
    assert (response.status, body["data"]["id"], body["data"]["name"]) == (200, click, "Desk")
    _, body = await portal.send("POST", f"{path}/{click}/connect", '{"data":{"contact":"4155550100"}}', X_Auth_Token="")
    (order,) = engine.orders
    engine.end(order.call_id, "USER_BUSY", "a", 486, "Busy Here")
    _, body = await portal.send("GET", f"{path}/{click}/history")
    (item,) = body["data"]
    read = {name: item[name] for name in ("contact", "result", "cause", "call_id")}
    assert read == {"contact": "+14155550100", "result": "error", "cause": "USER_BUSY", "call_id": order.call_id}
    assert item["timestamp"] > 63_000_000_000
    response, _ = await portal.send("DELETE", f"{path}/{click}", envelope(**fields, id=click))
    assert response.status == 200
    _, body = await portal.send("GET", path)
    assert body["data"] == []


# --- §12.7, and others --------------------------------------------------------------------------------------------------


async def test_12_7_php_crossbar_client_wants_201_and_200(api: Api) -> None:
    client = Client(api, Content_Type="application/json")
    response, body = await client.send("PUT", "/v2/api_auth", envelope(api_key=KEY))
    assert response.status == 201
    response, _ = await client.send("GET", LIST, X_Auth_Token=body["auth_token"])
    assert response.status == 200


async def test_12_7_api_tester(api: Api) -> None:
    """Its request id comes back, its header fields are in lower case, and each verb has its status."""
    tester = Client(
        api, **{"content-type": "application/json", "accept": "application/json", "x-request-id": "8ac-1700000000000"}
    )
    response, body = await tester.send("PUT", "/v2/api_auth", envelope(api_key=KEY))
    assert (response.status, body["data"]["account_id"]) == (201, A)
    tester.headers["x-auth-token"] = body["auth_token"]
    statuses = {}
    _, body = await tester.send("PUT", LIST, envelope(name="5f3a9c01", extension="2600"))
    path = f"{LIST}/{body['data']['id']}"
    for verb, sent in (
        ("GET", None),
        ("PATCH", envelope(custom="value")),
        ("POST", envelope(name="n", extension="2600")),
    ):
        response, body = await tester.send(verb, path, sent)
        statuses[verb] = response.status
        assert response.headers["content-type"] == "application/json"
        assert response.headers["x-request-id"] == body["request_id"] == "8ac-1700000000000"
    response, _ = await tester.send("DELETE", path)
    assert {**statuses, "DELETE": response.status} == {"GET": 200, "PATCH": 200, "POST": 200, "DELETE": 200}


async def test_12_7_go_header_fields(api: Api) -> None:
    """Those of a captured answer of version 4.2."""
    client = Client(api, X_Auth_Token=api.token, Origin="https://app.example")
    click = await api.create()
    response, body = await client.send("GET", f"{LIST}/{click}")
    expected = {
        "content-type": "application/json",
        "content-language": "en",
        "vary": "accept-language, accept",
        "x-auth-token": api.token,
        "x-request-id": body["request_id"],
        "etag": f'"{body["revision"]}"',
        "access-control-allow-origin": "*",
        "access-control-max-age": "86400",
    }
    assert {name: response.headers.get(name) for name in expected} == expected
    assert " 1999 " in response.headers["expires"]
    assert {"auth_token", "data", "node", "request_id", "revision", "status", "timestamp", "version"} <= set(body)


async def test_12_7_python_script_goes_from_page_to_page(api: Api) -> None:
    client = Client(api, X_Auth_Token=api.token)
    made = {await api.create(name=f"c{number}") for number in range(5)}
    seen: list[str] = []
    query, sizes = "?page_size=2", []
    while True:
        _, body = await client.send("GET", f"{LIST}{query}")
        assert body["status"] == "success"
        sizes.append(body["page_size"])
        seen += [item["id"] for item in body["data"]]
        if "next_start_key" not in body:
            break
        query = f"?page_size=2&start_key={body['next_start_key']}"
    assert (sorted(seen), sizes) == (sorted(made), [2, 2, 1])
    _, body = await client.send("GET", f"{LIST}/{NOBODY}")
    assert (body["status"], body["error"], body["data"]["message"]) == ("error", "404", "bad identifier")


async def test_12_7_old_php_sdk_stores_the_fields_of_its_time(api: Api) -> None:
    """Version 1: name, extension, realm, auth_required, whitelist, throttle."""
    client = Client(api, X_Auth_Token=api.token, Content_Type="application/json")
    fields = {
        "name": "Old",
        "extension": "1001",
        "realm": "acme.example.com",
        "auth_required": True,
        "whitelist": ["^\\+1415"],
        "throttle": 3,
    }
    path = f"/v1/accounts/{A}/clicktocall"
    _, body = await client.send("PUT", path, envelope(**fields))
    _, body = await client.send("GET", f"{path}/{body['data']['id']}")
    assert fields.items() <= body["data"].items()
