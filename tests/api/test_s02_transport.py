"""§2 of the API description: paths, bodies, verbs, CORS, conditional requests. Tests are named after its sections."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from aiohttp import FormData

from tests.api.conftest import A, Api

LIST = f"/v2/accounts/{A}/clicktocall"
DOCUMENT = {"name": "Sales", "extension": "1001"}
INVALID_JSON = {"json": {"invalid": {"message": "All JSON must be valid", "target": "body"}}}
NO_DATA = {"data": {"required": {"message": "Field is required but missing", "value": "data"}}}


@pytest.mark.parametrize("path", [f"//v2/accounts/{A}/clicktocall", f"{LIST}/", f"/v2//accounts//{A}/clicktocall//"])
async def test_2_slashes_too_many_are_ignored(api: Api, path: str) -> None:
    response, body = await api.call("GET", path)
    assert (response.status, body["data"]) == (200, [])


@pytest.mark.parametrize(
    "target", [f"http://127.0.0.1{LIST}", f"/v2/%61ccounts/{A}/clicktocall", f"/%76%32/accounts/{A}/clicktocall?x=1"]
)
async def test_2_paths_in_other_letters(api: Api, target: str) -> None:
    """In absolute form (RFC 9112 §3.2.2), or escaped where there is no need."""
    reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
    head = f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Auth-Token: {api.token}\r\nConnection: close\r\n\r\n"
    writer.write(head.encode())
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    assert answer.startswith(b"HTTP/1.1 200") and b'"data":[]' in answer


@pytest.mark.parametrize("path", ["/", "/index.html", f"/v3/accounts/{A}/clicktocall"])
async def test_2_elsewhere_is_a_banner(api: Api, path: str) -> None:
    response, _ = await api.call("GET", path, token=None)
    assert (response.status, response.content_type) == (200, "text/plain")


async def test_2_account_without_id_is_that_of_the_token(api: Api) -> None:
    document = await api.create()
    response, body = await api.call("GET", "/v2/account/clicktocall")
    assert [item["id"] for item in body["data"]] == [document]
    _, body = await api.call("POST", f"/v2/account/clicktocall/{document}/connect", {"contact": "4155550100"})
    assert body["data"]["custom_channel_vars"]["account_id"] == A
    response, body = await api.call("GET", f"/v2/account/clicktocall/{document}/history")
    assert (response.status, len(body["data"])) == (200, 1)
    response, body = await api.call("GET", "/v2/account/clicktocall", token=None)
    assert (response.status, body["message"], body["data"]) == (401, "invalid credentials", {})


@pytest.mark.parametrize(
    ("verb", "path", "status"),
    [
        ("HEAD", LIST, 405),
        ("DELETE", LIST, 405),
        ("POST", LIST, 405),
        ("PUT", f"{LIST}/{'0' * 32}/connect", 405),
        ("POST", f"{LIST}/{'0' * 32}/history", 405),
        ("PROPFIND", LIST, 501),
        ("GET", f"{LIST}/{'0' * 32}/bogus", 404),
        ("GET", "/v2/bogus", 404),
        ("GET", "/v2", 404),
        ("HEAD", f"{LIST}/{'0' * 32}", 405),
        ("OPTIONS", LIST, 200),
        ("TRACE", "/v2/bogus", 501),
        ("GET", "/v2/*/*/clicktocall", 404),
        ("GET", "/v2/accounts/*/clicktocall", 404),
        ("GET", f"{LIST}/{'0' * 32}/connect/x", 404),
    ],
)
async def test_2_verbs_and_paths(api: Api, verb: str, path: str, status: int) -> None:
    response, body = await api.call(verb, path)
    assert response.status == status
    if status == 405 and verb != "HEAD":
        assert (body["message"], body["data"]) == ("invalid_method", {"message": "method not allowed"})
        assert "GET" in response.headers["Allow"]
    if status == 404 and "accounts/*" not in path:
        assert (body["message"], body["data"]) == ("not_found", {"message": "not found"})
    if status == 501:
        assert await response.read() == b""


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "application/json",
        "application/x-json",
        "application/json; charset=utf-8",
        "APPLICATION/JSON",
        "application/octet-stream",
        "application/x-www-form-urlencoded",
    ],
)
async def test_2_json_under_any_of_its_types(api: Api, content_type: str | None) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    options: dict[str, Any] = {} if content_type else {"skip_auto_headers": ["Content-Type"]}
    text = json.dumps({"data": DOCUMENT})
    response, body = await api.call("PUT", LIST, headers=headers, **({"data": text.encode()} | options))
    assert response.status == 201, body


@pytest.mark.parametrize("content_type", ["text/plain", "application/xml", "image/png"])
async def test_2_other_types_are_415(api: Api, content_type: str) -> None:
    text = json.dumps({"data": DOCUMENT})
    path = f"{LIST}/{await api.create()}"
    for verb, where in (("PUT", LIST), ("POST", path), ("PATCH", path), ("POST", f"{path}/connect")):
        response, _ = await api.call(verb, where, data=text, headers={"Content-Type": content_type})
        assert (response.status, await response.read()) == (415, b"")
    assert api.engine.orders == []


@pytest.mark.parametrize("content_type", ["text/csv", "multipart/mixed; boundary=x"])
async def test_2_types_that_hold_no_data_are_taken(api: Api, content_type: str) -> None:
    response, body = await api.call("PUT", LIST, data="a,b", headers={"Content-Type": content_type})
    assert (response.status, set(body["data"])) == (400, {"name", "extension"})


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("*/*", 200),
        ("application/json", 200),
        ("text/html, application/*;q=0.1", 200),
        ("text/html, */*;q=0.1", 200),
        ("text/javascript", 200),
        ("", 200),
        ("text/html", 406),
        ("application/json;q=0", 406),
        ("image/png", 406),
    ],
)
async def test_2_accept(api: Api, accept: str, status: int) -> None:
    response, _ = await api.call("GET", LIST, headers={"Accept": accept})
    assert response.status == status
    if status == 406:
        assert await response.read() == b""
    response, _ = await api.call("GET", f"{LIST}?accept=application/json", headers={"Accept": accept})
    assert response.status == 200


async def test_2_accept_inside_the_request(api: Api) -> None:
    path, headers = f"{LIST}/{await api.create()}", {"Accept": "image/png"}
    for query in ("?accept=application/json", "?accept=json", "?accept=*/*"):
        assert (await api.call("GET", path + query, headers=headers))[0].status == 200
    for accept, status in (("application/json", 200), ("image/gif", 406), (7, 406)):
        envelope = {"data": {"a": 1}, "accept": accept}
        assert (await api.call("PATCH", path, json=envelope, headers=headers))[0].status == status
    assert (await api.call("GET", f"{path}?accept=csv"))[0].status == 406


async def test_2_response_headers(api: Api) -> None:
    response, body = await api.call("GET", LIST)
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["X-Auth-Token"] == api.token
    assert response.headers["Content-Language"] == "en"
    assert response.headers["Vary"] == "accept-language, accept"
    assert " 1999 " in response.headers["Expires"]
    assert len(response.headers["X-Request-ID"]) == 32
    assert body["request_id"] == response.headers["X-Request-ID"]


async def test_2_request_id_of_the_client_is_kept(api: Api) -> None:
    response, body = await api.call("GET", LIST, headers={"X-Request-ID": "mine-1"})
    assert (response.headers["X-Request-ID"], body["request_id"]) == ("mine-1", "mine-1")


@pytest.mark.parametrize("given", ["", "a b", "x" * 129, "\u00fc"])
async def test_2_a_request_id_that_is_none_is_replaced(api: Api, given: str) -> None:
    response, body = await api.call("GET", LIST, headers={"X-Request-ID": given})
    assert response.headers["X-Request-ID"] == body["request_id"] != given
    assert len(body["request_id"]) == 32 and int(body["request_id"], 16)


async def test_2_every_answer_has_a_request_id(api: Api) -> None:
    for verb, path in (("GET", LIST), ("GET", "/v2/bogus"), ("OPTIONS", LIST), ("LOCK", LIST), ("HEAD", LIST)):
        response, _ = await api.call(verb, path, headers={"X-Request-ID": "mine"}, token=None)
        assert response.headers["X-Request-ID"] == "mine", verb


async def test_2_a_body_of_8_000_000_bytes_is_the_largest(api: Api) -> None:
    assert api.exchange.settings.api.max_body == 8_000_000


async def test_2_jsonp(api: Api) -> None:
    response, _ = await api.call("GET", f"{LIST}?jsonp=my.callback")
    text = await response.text()
    assert response.content_type == "application/javascript"
    assert text.startswith("my.callback({") and text.endswith("});")
    assert json.loads(text[len("my.callback(") : -2])["status"] == "success"
    response, _ = await api.call("GET", f"{LIST}?jsonp=alert(1)//")
    assert response.content_type == "application/json"
    response, _ = await api.call("GET", f"{LIST}/{'0' * 32}?jsonp=f")
    assert (response.status, (await response.text())[:3]) == (404, "f({")


@pytest.mark.parametrize("how", ["header", "query"])
async def test_2_pretty_print(api: Api, how: str) -> None:
    headers = {"X-Pretty-Print": "true"} if how == "header" else {}
    response, _ = await api.call("GET", LIST + ("?pretty_print=true" if how == "query" else ""), headers=headers)
    assert (await response.text()).count("\n") > 5


async def test_2_1_envelope_of_the_request(api: Api) -> None:
    envelope = {"data": DOCUMENT, "auth_token": api.token, "verb": "PUT", "accept": "application/json"}
    response, body = await api.call("PUT", LIST, token=None, json=envelope)
    assert response.status == 201, body


async def test_2_1_an_empty_body_is_an_empty_envelope(api: Api) -> None:
    _, body = await api.call("PUT", LIST, data=b"", headers={"Content-Type": "application/json"})
    assert set(body["data"]) == {"name", "extension"}


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("{", INVALID_JSON),
        ("nonsense", INVALID_JSON),
        ('{"data": "\\ud800"}', INVALID_JSON),
        ("[" * 5000, INVALID_JSON),
        ('{"data":' + '{"a":' * 100 + "1" + "}" * 101, INVALID_JSON),
        ("{}", NO_DATA),
        ("[]", NO_DATA),
        ("17", NO_DATA),
        ('{"contact": "1"}', NO_DATA),
    ],
)
@pytest.mark.parametrize(
    ("verb", "path"),
    [("PUT", LIST), ("DELETE", LIST), ("PUT", "/v2/bogus"), ("GET", "/v2/accounts/nobody/clicktocall")],
)
async def test_2_1_a_bad_body_comes_before_everything_else(
    api: Api, text: str, data: Any, verb: str, path: str
) -> None:
    headers = {"Content-Type": "application/json"}
    response, body = await api.call(verb, path, data=text.encode(), headers=headers, token=None)
    assert (response.status, body["message"], body["data"]) == (400, "validation error", data)


@pytest.mark.parametrize("data", ['"text"', "17", "null", "true"])
async def test_2_1_data_is_an_object_or_a_list(api: Api, data: str) -> None:
    headers = {"Content-Type": "application/json"}
    response, body = await api.call("PUT", LIST, data=f'{{"data": {data}}}', headers=headers)
    assert (response.status, list(body["data"]["data"])) == (400, ["type"])


@pytest.mark.parametrize("kind", ["urlencoded", "multipart"])
async def test_2_1_form_fields_are_data(api: Api, kind: str) -> None:
    document = await api.create()
    form: Any = {"contact": "4155550100"}
    if kind == "multipart":
        form = FormData(form, default_to_multipart=True)
    response, body = await api.call("POST", f"{LIST}/{document}/connect", data=form)
    assert response.status == 200, body
    assert body["data"]["application_data"]["route"] == "+14155550100"


async def test_2_1_a_form_makes_a_document(api: Api) -> None:
    form = "name=Sales&extension=1001&auth_required=false&timeout=12&name=Other"
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    response, body = await api.call("PUT", LIST, data=form, headers=headers)
    found = [body["data"][name] for name in ("name", "extension", "auth_required", "timeout")]
    assert (response.status, found) == (201, ["Sales", "1001", False, 12])


async def test_2_1_parameters_are_looked_for_in_data_then_query_then_envelope(api: Api) -> None:
    path = f"{LIST}/{await api.create()}/connect"
    envelope = {"data": {"contact": "4155550101"}, "contact": "4155550103"}
    _, body = await api.call("POST", f"{path}?contact=4155550102", json=envelope)
    assert body["data"]["application_data"]["route"] == "+14155550101"
    _, body = await api.call("POST", f"{path}?contact=4155550102", json={**envelope, "data": {}})
    assert body["data"]["application_data"]["route"] == "+14155550102"
    _, body = await api.call("POST", path, json={**envelope, "data": {}})
    assert body["data"]["application_data"]["route"] == "+14155550103"


async def test_2_1_a_get_may_have_a_body(api: Api) -> None:
    path = f"{LIST}/{await api.create()}/connect"
    _, body = await api.call("GET", path, {"contact": "4155550101"})
    assert body["data"]["application_data"]["route"] == "+14155550101"


async def test_2_1_data_may_be_a_list_where_nothing_is_wanted_of_it(api: Api) -> None:
    document = await api.create()
    response, _ = await api.call("POST", f"{LIST}/{document}/connect?contact=4155550100", [])
    assert response.status == 200
    response, _ = await api.call("DELETE", f"{LIST}/{document}", [1])
    assert response.status == 200


async def test_2_1_private_keys_are_dropped(api: Api) -> None:
    document = await api.create(_rev="1", pvt_type="x", _read_only={"a": 1}, ui_metadata={"ui": "monster-ui"})
    _, body = await api.call("GET", f"{LIST}/{document}")
    assert set(body["data"]) == {"id", "name", "extension", "auth_required", "custom_application_vars", "ui_metadata"}


@pytest.mark.parametrize("where", ["query", "data", "envelope"])
async def test_2_2_a_verb_inside_a_post(api: Api, where: str) -> None:
    envelope: dict[str, Any] = {"data": dict(DOCUMENT)}
    if where == "data":
        envelope["data"]["verb"] = "put"
    if where == "envelope":
        envelope["verb"] = "PUT"
    response, body = await api.call("POST", LIST + ("?verb=PUT" if where == "query" else ""), json=envelope)
    assert response.status == 201
    assert response.headers["Location"].endswith(body["data"]["id"])
    response, _ = await api.call("POST", f"{LIST}?verb=DELETE", {})
    assert response.status == 405


async def test_2_2_every_verb_can_be_inside(api: Api) -> None:
    path = f"{LIST}/{await api.create()}"
    response, body = await api.call("POST", f"{path}?verb=patch", {"custom": "value"})
    assert (response.status, body["data"]["name"], body["data"]["custom"]) == (200, "Sales", "value")
    response, body = await api.call("POST", path, json={"data": {}, "verb": "Get"})
    assert (response.status, body["data"]["custom"]) == (200, "value")
    response, body = await api.call("POST", f"{path}?verb=DELETE")
    assert (response.status, body["data"]["_read_only"]) == (200, {"deleted": True})


@pytest.mark.parametrize("verb", ["HEAD", "OPTIONS", "TRACE", "call me"])
async def test_2_2_a_verb_inside_that_is_none_of_the_resource(api: Api, verb: str) -> None:
    response, body = await api.call("POST", f"{LIST}/{await api.create()}?verb={verb}", dict(DOCUMENT))
    assert (response.status, body["message"]) == (405, "invalid_method")


async def test_2_2_only_a_post_carries_another_verb(api: Api) -> None:
    path = f"{LIST}/{await api.create()}"
    response, body = await api.call("GET", f"{path}?verb=DELETE")
    assert (response.status, body["data"]["name"]) == (200, "Sales")
    response, _ = await api.call("PUT", LIST, {**DOCUMENT, "verb": "DELETE"})
    assert response.status == 201
    response, _ = await api.call("PATCH", f"{path}?verb=DELETE", {"a": 1})
    assert (response.status, (await api.call("GET", path))[0].status) == (200, 200)


async def test_2_3_preflight_needs_no_token(api: Api) -> None:
    headers = {"Origin": "https://shop.example", "Access-Control-Request-Method": "POST"}
    response, _ = await api.call("OPTIONS", f"{LIST}/{'0' * 32}/connect", headers=headers, token=None)
    assert (response.status, await response.read()) == (200, b"")
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert "POST" in response.headers["Access-Control-Allow-Methods"]
    for name in ("content-type", "x-auth-token", "authorization", "if-match"):
        assert name in response.headers["Access-Control-Allow-Headers"]
    assert response.headers["Access-Control-Max-Age"] == "86400"


async def test_2_3_pages_of_another_origin_may_read_answers_and_errors(api: Api) -> None:
    response, _ = await api.call("GET", LIST, headers={"Origin": "https://shop.example"})
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert "etag" in response.headers["Access-Control-Expose-Headers"]
    response, _ = await api.call("GET", LIST, token=None)
    assert (response.status, response.headers["Access-Control-Allow-Origin"]) == (401, "*")
    response, _ = await api.call("GET", LIST)
    assert "Access-Control-Allow-Origin" not in response.headers


async def test_2_4_etags_of_documents(api: Api) -> None:
    path = f"{LIST}/{await api.create()}"
    response, body = await api.call("GET", path)
    revision = body["revision"]
    assert response.headers["ETag"] == f'"{revision}"'
    assert revision.startswith("1-") and len(revision) == 34
    response, _ = await api.call("GET", path, headers={"If-None-Match": f'"{revision}"'})
    assert (response.status, await response.read()) == (304, b"")
    response, _ = await api.call("PATCH", path, {"a": 1}, headers={"If-Match": '"1-00000000000000000000000000000000"'})
    assert (response.status, await response.read()) == (412, b"")
    response, body = await api.call("PATCH", path, {"a": 1}, headers={"If-Match": f'"{revision}"'})
    assert response.status == 200
    assert body["revision"].startswith("2-")
    response, _ = await api.call("DELETE", path, headers={"If-Match": f'"{revision}"'})
    assert response.status == 412
    response, _ = await api.call("DELETE", path, headers={"If-Match": "*"})
    assert response.status == 200


async def test_2_4_every_save_has_the_new_revision(api: Api) -> None:
    response, body = await api.call("PUT", LIST, dict(DOCUMENT))
    path = f"{LIST}/{body['data']['id']}"
    seen = [body["revision"]]
    assert response.headers["ETag"] == f'"{seen[0]}"'
    for verb, fields in (("POST", DOCUMENT), ("PATCH", {"custom": 1}), ("PATCH", {"custom": 1}), ("DELETE", {})):
        response, body = await api.call(verb, path, dict(fields))
        assert response.headers["ETag"] == f'"{body["revision"]}"'
        seen.append(body["revision"])
    assert [revision.partition("-")[0] for revision in seen] == ["1", "2", "3", "4", "5"]
    assert len(set(seen)) == 5


@pytest.mark.parametrize(
    ("verb", "headers", "status"),
    [
        ("GET", {"If-None-Match": '"x", W/"REVISION"'}, 304),
        ("GET", {"If-None-Match": "*"}, 304),
        ("GET", {"If-None-Match": '"x"'}, 200),
        ("GET", {"If-Match": '"x"'}, 412),
        ("GET", {"If-Match": '"REVISION"'}, 200),
        ("PATCH", {"If-Match": 'W/"REVISION"'}, 412),
        ("PATCH", {"If-Match": '"x", "REVISION"'}, 200),
        ("PATCH", {"If-Match": "REVISION"}, 200),
        ("PATCH", {"If-Match": "*"}, 200),
        ("PATCH", {"If-Match": ""}, 412),
        ("PATCH", {"If-None-Match": '"REVISION"'}, 412),
        ("PATCH", {"If-None-Match": "*"}, 412),
        ("PATCH", {"If-None-Match": '"x"'}, 200),
        ("POST", {"If-Match": '"x"'}, 412),
        ("DELETE", {"If-Match": '"x"'}, 412),
    ],
)
async def test_2_4_conditional_requests(api: Api, verb: str, headers: dict[str, str], status: int) -> None:
    path = f"{LIST}/{await api.create()}"
    _, body = await api.call("GET", path)
    revision = body["revision"]
    headers = {name: value.replace("REVISION", revision) for name, value in headers.items()}
    response, _ = await api.call(verb, path, dict(DOCUMENT), headers=headers)
    assert response.status == status
    _, body = await api.call("GET", path)
    assert body["revision"].startswith("2-" if verb != "GET" and status == 200 else "1-")


async def test_2_4_a_condition_comes_after_validation(api: Api) -> None:
    path = f"{LIST}/{await api.create()}"
    response, _ = await api.call("POST", path, {"name": 5}, headers={"If-Match": '"x"'})
    assert response.status == 400


async def test_2_4_history_has_an_etag_too(api: Api) -> None:
    document = await api.create()
    await api.connect(document)
    response, _ = await api.call("GET", f"{LIST}/{document}/history")
    tag = {"If-None-Match": response.headers["ETag"]}
    assert (await api.call("GET", f"{LIST}/{document}/history", headers=tag))[0].status == 304
    await api.connect(document)
    assert (await api.call("GET", f"{LIST}/{document}/history", headers=tag))[0].status == 200


async def test_2_4_etags_of_lists(api: Api) -> None:
    response, body = await api.call("GET", LIST)
    assert "ETag" not in response.headers and "revision" not in body
    await api.create()
    response, body = await api.call("GET", LIST)
    assert response.headers["ETag"] == f'"{body["revision"]}"'
    response, _ = await api.call("GET", LIST, headers={"If-None-Match": response.headers["ETag"]})
    assert response.status == 304


async def test_2_4_a_connect_has_no_etag(api: Api) -> None:
    response, _ = await api.connect(await api.create())
    assert "ETag" not in response.headers


class TestSmallBodies:
    """With `max_body = 1024`."""

    @pytest.fixture
    def settings_text(self, settings_text: str) -> str:
        return settings_text.replace("[storage]", "[api]\nmax_body = 1024\n[storage]", 1)

    async def test_5_3_a_body_too_large(self, api: Api) -> None:
        for _ in range(2):
            response, body = await api.call("PUT", LIST, {"name": "x" * 2000, "extension": "1"})
            assert response.status == 400
            assert body["data"]["file"]["maxSize"]["target"] == 1024
        response, _ = await api.call("GET", LIST)
        assert response.status == 200
