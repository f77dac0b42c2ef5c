"""§4 to §7 of the API description: envelopes, errors, lists, and the life of a click-to-call."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.api.conftest import A, Api

LIST = f"/v2/accounts/{A}/clicktocall"
NOBODY = "0" * 32


async def test_4_success_envelope(api: Api) -> None:
    await api.create()
    _, body = await api.call("GET", LIST)
    assert set(body) == {
        "data",
        "auth_token",
        "status",
        "request_id",
        "node",
        "version",
        "timestamp",
        "revision",
        "page_size",
        "start_key",
    }
    assert (body["status"], body["page_size"], len(body["node"])) == ("success", 1, 22)
    assert body["timestamp"].endswith("Z")
    _, body = await api.call("GET", "/v2/schemas/clicktocall", token=None)
    assert "auth_token" not in body


async def test_5_error_envelope(api: Api) -> None:
    _, body = await api.call("GET", f"{LIST}/{NOBODY}")
    assert set(body) == {
        "data",
        "auth_token",
        "status",
        "request_id",
        "node",
        "version",
        "timestamp",
        "error",
        "message",
    }
    assert (body["error"], body["status"], body["message"]) == ("404", "error", "bad_identifier")


@pytest.mark.parametrize(
    ("fields", "complaints"),
    [
        (
            {},
            {
                "name": {"required": {"message": "Field is required but missing", "value": "name"}},
                "extension": {"required": {"message": "Field is required but missing", "value": "extension"}},
            },
        ),
        (
            {"name": "x", "extension": 1001},
            {
                "extension": {
                    "type": {"message": "Value did not match type(s): string", "target": "string", "value": 1001}
                }
            },
        ),
        (
            {"name": "", "extension": "1"},
            {
                "name": {
                    "minLength": {
                        "message": "String must be at least 1 characters",
                        "target": 1,
                        "cause": "",
                        "value": "",
                    }
                }
            },
        ),
        (
            {"name": "a" * 129, "extension": "1"},
            {
                "name": {
                    "maxLength": {
                        "message": "String must not be more than 128 characters",
                        "target": 128,
                        "cause": "a" * 129,
                        "value": "a" * 129,
                    }
                }
            },
        ),
        (
            {"name": "x", "extension": "1", "dial_first": "both"},
            {
                "dial_first": {
                    "enum": {
                        "message": "Value not found in enumerated list of values",
                        "target": ["extension", "contact"],
                        "value": "both",
                    }
                }
            },
        ),
    ],
)
async def test_5_2_complaints_in_full(api: Api, fields: dict[str, Any], complaints: dict[str, Any]) -> None:
    response, body = await api.call("PUT", LIST, fields)
    assert (response.status, body["message"], body["data"]) == (400, "validation error", complaints)


@pytest.mark.parametrize(
    ("fields", "path", "code"),
    [
        ({"name": "ü" * 65}, "name", "maxLength"),
        ({"auth_required": "maybe"}, "auth_required", "type"),
        ({"throttle": "1.5"}, "throttle", "type"),
        ({"throttle": True}, "throttle", "type"),
        ({"timeout": 1.5}, "timeout", "type"),
        ({"timeout": "9" * 30}, "timeout", "type"),
        ({"whitelist": "x"}, "whitelist", "type"),
        ({"whitelist": ["a", 1]}, "whitelist.1", "type"),
        ({"whitelist": ["a", ""]}, "whitelist.1", "minLength"),
        ({"whitelist": ["ok", "(", "(?=x)"]}, "whitelist.1", "pattern"),
        ({"whitelist": ["ok", "(", "(?=x)"]}, "whitelist.2", "pattern"),
        ({"whitelist": ["(a{1000}){1000}"]}, "whitelist.0", "pattern"),
        ({"whitelist": ["x" * 2000]}, "whitelist.0", "pattern"),
        ({"whitelist": ["x"] * 257}, "whitelist", "maxItems"),
        ({"media": {"ignore_early_media": "perhaps"}}, "media.ignore_early_media", "type"),
        ({"music_on_hold": {"media_id": "x" * 2049}}, "music_on_hold.media_id", "maxLength"),
        ({"custom_application_vars": {"a.b": 1}}, "custom_application_vars.a%2Eb", "type"),
        ({"bypass_media": "x"}, "bypass_media", "not_one_schema_valid"),
        ({"custom_sip_headers": {"X-A": 1}}, "custom_sip_headers.X-A", "type"),
        ({"custom_sip_headers": {"X-A": "a\r\nVia: x"}}, "custom_sip_headers.X-A", "pattern"),
        ({"custom_sip_headers": {"X A": "a"}}, "custom_sip_headers.X A", "forbidden"),
        ({"custom_sip_headers": {"Via": "a"}}, "custom_sip_headers.Via", "forbidden"),
        ({"custom_sip_headers": {"v": "a"}}, "custom_sip_headers.v", "forbidden"),
        (
            {"custom_sip_headers": {"out": {"proxy-authorization": "a"}}},
            "custom_sip_headers.out.proxy-authorization",
            "forbidden",
        ),
        ({"custom_sip_headers": {f"X-{n}": "a" for n in range(33)}}, "custom_sip_headers", "maxItems"),
        ({"name": "a\r\nVia: x"}, "name", "pattern"),
        ({"name": "a\x00"}, "name", "pattern"),
        ({"extension": "1001\r\nVia: x"}, "extension", "pattern"),
        ({"extension": "sip:a@b;maddr=192.0.2.1"}, "extension", "pattern"),
        ({"extension": ""}, "extension", "pattern"),
        ({"extension": None}, "extension", "required"),
        ({"name": None}, "name", "required"),
        ({"auth_required": 1}, "auth_required", "type"),
        ({"dial_first": True}, "dial_first", "type"),
        ({"max_active": "x"}, "max_active", "type"),
        ({"max_active": 2.5}, "max_active", "type"),
        ({"realm": ["x"]}, "realm", "type"),
        ({"realm": "a\nb"}, "realm", "pattern"),
        ({"caller_id_number": 5}, "caller_id_number", "type"),
        ({"ringback": 5}, "ringback", "type"),
        ({"presence_id": {}}, "presence_id", "type"),
        ({"media": "x"}, "media", "type"),
        ({"music_on_hold": []}, "music_on_hold", "type"),
        ({"custom_application_vars": []}, "custom_application_vars", "type"),
        ({"custom_sip_headers": "x"}, "custom_sip_headers", "type"),
        ({"caller_id_number": "1" * 513}, "caller_id_number", "pattern"),
        ({"caller_id_number": "1\n2"}, "caller_id_number", "pattern"),
        ({"outbound_callee_id_name": "\x7f"}, "outbound_callee_id_name", "pattern"),
        ({"outbound_callee_id_number": "1\r2"}, "outbound_callee_id_number", "pattern"),
    ],
)
async def test_5_2_complaints_by_path_and_code(api: Api, fields: dict[str, Any], path: str, code: str) -> None:
    response, body = await api.call("PUT", LIST, {"name": "x", "extension": "1001", **fields})
    assert response.status == 400, body
    assert code in body["data"][path]


async def test_5_2_every_failure_is_told_at_once(api: Api) -> None:
    fields = {"extension": 5, "whitelist": ["ok", 7, "("], "media": {"ignore_early_media": 3}, "throttle": "x"}
    _, body = await api.call("PUT", LIST, fields)
    wrong = {"name", "extension", "whitelist.1", "whitelist.2", "media.ignore_early_media", "throttle"}
    assert set(body["data"]) == wrong


async def test_5_2_numbers_are_not_made_strings(api: Api) -> None:
    for field in ("name", "extension", "caller_id_number", "presence_id"):
        response, body = await api.call("PUT", LIST, {"name": "x", "extension": "1001", field: 1001})
        assert (response.status, list(body["data"])) == (400, [field])


async def test_5_2_strings_are_made_what_is_wanted(api: Api) -> None:
    document = await api.create(auth_required="false", timeout="30", throttle="-1", bypass_media="true")
    _, body = await api.call("GET", f"{LIST}/{document}")
    found = [body["data"][name] for name in ("auth_required", "timeout", "throttle", "bypass_media")]
    assert found == [False, 30, -1, "true"]


async def test_5_2_data_that_is_a_list(api: Api) -> None:
    response, body = await api.call("PUT", LIST, ["x"])
    assert response.status == 400
    assert "type" in body["data"][""]


async def test_5_4_a_write_that_comes_too_late(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two saves of the same revision: the second is told."""
    path = f"{LIST}/{await api.create()}"
    answers = await asyncio.gather(*(api.call("PATCH", path, {"n": number}) for number in range(4)))
    statuses = sorted(response.status for response, _ in answers)
    assert statuses[0] == 200 and set(statuses) <= {200, 409}
    for response, body in answers:
        if response.status == 409:
            assert (body["message"], body["data"]) == ("datastore_conflict", {"message": "conflicting documents"})


async def test_5_4_a_locked_database(api: Api, tmp_path: Path) -> None:
    document = await api.create()
    other = sqlite3.connect(tmp_path / "c2c.db")
    other.execute("BEGIN IMMEDIATE")
    for verb, path in (("PUT", LIST), ("PATCH", f"{LIST}/{document}")):
        response, body = await api.call(verb, path, {"name": "y", "extension": "1"})
        assert (response.status, body["message"]) == (503, "datastore_unreachable")
    # What was accepted before the lock was seen is kept elsewhere; from then on nothing is accepted.
    assert (await api.connect(document))[0].status == 200
    await api.exchange.history.store.caught_up()
    response, body = await api.connect(document)
    assert (response.status, body["message"]) == (503, "datastore_unreachable")
    assert len(api.engine.orders) == 1
    other.rollback()
    other.close()
    _, body = await api.call("GET", LIST)
    assert [item["name"] for item in body["data"]] == ["Sales"]
    _, body = await api.call("GET", f"{LIST}/{document}/history")
    assert [item["call_id"] for item in body["data"]] == [api.engine.orders[0].call_id]
    response, _ = await api.connect(document)
    assert response.status == 200


async def test_7_1_items_have_three_fields(api: Api) -> None:
    document = await api.create(custom="x")
    _, body = await api.call("GET", LIST)
    assert body["data"] == [{"id": document, "name": "Sales", "extension": "1001"}]


async def test_7_2_create(api: Api) -> None:
    response, body = await api.call(
        "PUT", LIST, {"name": "Sales", "extension": "1001", "auth_required": False, "id": "x"}
    )
    data = body["data"]
    assert response.status == 201
    assert response.headers["Location"].endswith(f"/v2/accounts/{A}/clicktocall/{data['id']}")
    assert data == {
        "id": data["id"],
        "name": "Sales",
        "extension": "1001",
        "auth_required": False,
        "custom_application_vars": {},
    }
    assert len(data["id"]) == 32 and data["id"] != "x"
    assert body["revision"].startswith("1-")


async def test_7_2_both_kinds_of_limit_are_shown_by_their_names(api: Api) -> None:
    document = await api.create(throttle=5, max_active="2", realm="pbx.example.com")
    _, body = await api.call("GET", f"{LIST}/{document}")
    assert (body["data"]["throttle"], body["data"]["max_active"]) == (5, 2)
    assert body["data"]["realm"] == "pbx.example.com"


async def test_7_2_a_strange_host_gives_a_location_without_one(api: Api) -> None:
    response, body = await api.call("PUT", LIST, {"name": "x", "extension": "1"}, headers={"Host": "a b/c"})
    assert response.headers["Location"] == f"/v2/accounts/{A}/clicktocall/{body['data']['id']}"


async def test_7_2_what_is_left_out_of_a_create_is_not_made_up(api: Api) -> None:
    """Three documents of the same name are three documents."""
    made = {await api.create() for _ in range(3)}
    assert len(made) == 3


async def test_7_2_defaults_and_unknown_fields(api: Api) -> None:
    _, body = await api.call("PUT", LIST, {"name": "x", "extension": "2600", "anything": {"at": ["all"]}, "none": None})
    assert body["data"]["auth_required"] is True
    assert "dial_first" not in body["data"]
    assert body["data"]["anything"] == {"at": ["all"]}
    assert "none" not in body["data"]


async def test_7_3_read(api: Api) -> None:
    document = await api.create()
    response, body = await api.call("GET", f"{LIST}/{document}")
    assert (response.status, body["data"]["id"]) == (200, document)
    response, body = await api.call("GET", f"{LIST}/{NOBODY}")
    assert (response.status, body["data"]) == (404, {"message": "bad identifier", "cause": NOBODY})


async def test_7_4_replace(api: Api) -> None:
    document = await api.create(custom="x", auth_required=False)
    response, body = await api.call("POST", f"{LIST}/{document}", {"id": document, "name": "New", "extension": "2600"})
    assert response.status == 200
    assert body["data"] == {
        "id": document,
        "name": "New",
        "extension": "2600",
        "auth_required": True,
        "custom_application_vars": {},
    }
    assert body["revision"].startswith("2-")
    response, _ = await api.call("POST", f"{LIST}/{NOBODY}", {"name": "x"})
    assert response.status == 400
    response, _ = await api.call("POST", f"{LIST}/{NOBODY}", {"name": "x", "extension": "1"})
    assert response.status == 404


async def test_7_5_patch(api: Api) -> None:
    document = await api.create(media={"ignore_early_media": True, "x": 1}, gone=1)
    response, body = await api.call(
        "PATCH", f"{LIST}/{document}", {"custom": "value", "media": {"x": None}, "gone": None}
    )
    assert response.status == 200
    assert body["data"]["custom"] == "value"
    assert body["data"]["media"] == {"ignore_early_media": True}
    assert "gone" not in body["data"]
    response, body = await api.call("PATCH", f"{LIST}/{document}", {"name": None})
    assert (response.status, list(body["data"]["name"])) == (400, ["required"])
    response, _ = await api.call("PATCH", f"{LIST}/{NOBODY}", {"name": 1})
    assert response.status == 404
    response, _ = await api.call("PATCH", f"{LIST}/{document}", ["x"])
    assert response.status == 400


async def test_7_5_a_patch_is_validated_as_a_whole_and_changes_nothing_when_refused(api: Api) -> None:
    document = await api.create(media={"ignore_early_media": True})
    for fields in ({"media": {"ignore_early_media": 5}}, {"extension": None}, {"whitelist": ["("]}, {"media": 5}):
        response, _ = await api.call("PATCH", f"{LIST}/{document}", fields)
        assert response.status == 400, fields
    _, body = await api.call("GET", f"{LIST}/{document}")
    assert body["revision"].startswith("1-")


async def test_7_5_null_brings_a_default_back(api: Api) -> None:
    document = await api.create(auth_required=False)
    _, body = await api.call("PATCH", f"{LIST}/{document}", {"auth_required": None})
    assert body["data"]["auth_required"] is True


async def test_7_6_delete(api: Api) -> None:
    path = f"{LIST}/{await api.create()}"
    response, body = await api.call("DELETE", path, {"ui_metadata": {}})
    assert response.status == 200
    assert body["data"]["_read_only"] == {"deleted": True}
    assert body["revision"].startswith("2-")
    for verb, rest in (("GET", ""), ("POST", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/connect")):
        fields = {"name": "x", "extension": "1", "contact": "4155550100"}
        response, _ = await api.call(verb, path + rest, fields)
        assert response.status == 404, verb
    _, body = await api.call("GET", LIST)
    assert body["data"] == []
