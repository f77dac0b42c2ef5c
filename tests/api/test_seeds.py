"""Every curl line and every request of the documents that these APIs are known by, word for word."""

from __future__ import annotations

import re
import uuid
from pathlib import Path

import pytest

from tests.api.conftest import KEY, A, Api
from tests.api.curl import SERVER, Curl
from tests.api.omicall_client import OMICALL
from tests.api.scripted_engine import ScriptedEngine
from tests.api.tvox_client import register_phones, settings_with_people


@pytest.fixture
def engine() -> ScriptedEngine:
    """Phones ring as soon as they are called."""
    made = ScriptedEngine()
    made.then = lambda engine, call_id: engine.ring(call_id)
    return made


@pytest.fixture
def curl(api: Api, tmp_path: Path) -> Curl:
    folder = tmp_path / "curl"
    folder.mkdir()
    return Curl(api, folder)


# --- the older pages of Kazoo 4: no verb, no token, one slash too many ------------------------------------------------

OLDER = [
    # line, status where the click-to-call needs a token, status where it is open
    ("curl -v http://{SERVER}:8000//v2/accounts/{ACCOUNTID}/clicktocall", 401, 401),
    ("curl -v http://{SERVER}:8000//v2/accounts/{ACCOUNTID}/clicktocall/{ID}", 401, 401),
    ("curl -v http://{SERVER}:8000//v2/accounts/{ACCOUNTID}/clicktocall/{ID}/history", 401, 401),
    ("curl -v http://{SERVER}:8000//v2/accounts/{ACCOUNTID}/clicktocall/{ID}/connect", 401, 400),
]


@pytest.mark.parametrize(("line", "closed", "opened"), OLDER)
async def test_seed_0_its_curl_lines(api: Api, curl: Curl, line: str, closed: int, opened: int) -> None:
    """All of them are a GET without a token: the list and the document are not shown, an open connect is tried."""
    for status, is_closed in ((closed, True), (opened, False)):
        click = await api.create(auth_required=is_closed)
        answer = await curl.run(line, SERVER=SERVER, ACCOUNTID=A, ID=click)
        assert (answer.status, answer.headers["content-type"]) == (status, "application/json")
        assert (answer.body["status"], answer.body["error"]) == ("error", str(status))
        if status == 401:
            assert answer.body["message"] == "invalid_credentials"
        else:
            assert list(answer.body["data"]) == ["contact"]


async def test_seed_0_its_lines_with_what_they_leave_out(api: Api, curl: Curl) -> None:
    """With the verb of the heading above each, a token and a body, they do what the heading says."""
    url = "http://{SERVER}:8000//v2/accounts/{ACCOUNTID}/clicktocall"
    token = f"-H 'X-Auth-Token: {api.token}'"
    fields = """-d '{"data":{"name":"Sales","extension":"1001","auth_required":false}}'"""
    made = await curl.run(f"curl -v -X PUT {token} {fields} {url}", SERVER=SERVER, ACCOUNTID=A)
    assert made.status == 201
    click = made.body["data"]["id"]
    assert made.headers["location"] == f"http://{SERVER}:8000/v2/accounts/{A}/clicktocall/{click}"
    lines = [
        (f"curl -v {token} {url}", 200),
        (f"curl -v {token} {url}/{{ID}}", 200),
        (f"""curl -v -X PATCH {token} -d '{{"data":{{"custom":"value"}}}}' {url}/{{ID}}""", 200),
        (f"curl -v -X POST {token} {fields} {url}/{{ID}}", 200),
        (f"curl -v '{url}/{{ID}}/connect?contact=4155550100'", 200),
        (f"""curl -v -d '{{"data":{{"contact":"4155550100"}}}}' {url}/{{ID}}/connect""", 200),
        (f"curl -v {token} {url}/{{ID}}/history", 200),
        (f"curl -v -X DELETE {token} {url}/{{ID}}", 200),
    ]
    answers = [await curl.run(line, SERVER=SERVER, ACCOUNTID=A, ID=click) for line, _ in lines]
    assert [answer.status for answer in answers] == [status for _, status in lines]
    assert answers[0].body["data"] == [{"id": click, "name": "Sales", "extension": "1001"}]
    assert [item["contact"] for item in answers[6].body["data"]] == ["+14155550100"] * 2


# --- the newer pages: verb and token ----------------------------------------------------------------------------------

NEWER = [
    # line, status, and what the answer has at the place named
    (
        """curl -v -X GET \\
    -H "X-Auth-Token: {AUTH_TOKEN}" \\
    http://{SERVER}:8000/v2/accounts/{ACCOUNT_ID}/clicktocall
""",
        200,
    ),
    (
        """curl -v -X PUT \\
    -H "X-Auth-Token: {AUTH_TOKEN}" \\
    http://{SERVER}:8000/v2/accounts/{ACCOUNT_ID}/clicktocall
""",
        400,
    ),
    (
        """curl -v -X GET \\
    -H "X-Auth-Token: {AUTH_TOKEN}" \\
    http://{SERVER}:8000/v2/accounts/{ACCOUNT_ID}/clicktocall/{C2C_ID}
""",
        200,
    ),
    (
        """curl -v -X POST \\
    -H "X-Auth-Token: {AUTH_TOKEN}" \\
    http://{SERVER}:8000/v2/accounts/{ACCOUNT_ID}/clicktocall/{C2C_ID}
""",
        400,
    ),
    (
        """curl -v -X PATCH \\
    -H "X-Auth-Token: {AUTH_TOKEN}" \\
    http://{SERVER}:8000/v2/accounts/{ACCOUNT_ID}/clicktocall/{C2C_ID}
""",
        200,
    ),
    (
        """curl -v -X DELETE \\
    -H "X-Auth-Token: {AUTH_TOKEN}" \\
    http://{SERVER}:8000/v2/accounts/{ACCOUNT_ID}/clicktocall/{C2C_ID}
""",
        200,
    ),
    (
        """curl -v -X GET \\
    -H "X-Auth-Token: {AUTH_TOKEN}" \\
    http://{SERVER}:8000/v2/accounts/{ACCOUNT_ID}/clicktocall/{C2C_ID}/history
""",
        200,
    ),
    (
        """curl -v -X GET \\
    -H "X-Auth-Token: {AUTH_TOKEN}" \\
    http://{SERVER}:8000/v2/accounts/{ACCOUNT_ID}/clicktocall/{C2C_ID}/connect
""",
        400,
    ),
    (
        """curl -v -X POST \\
    -H "X-Auth-Token: {AUTH_TOKEN}" \\
    http://{SERVER}:8000/v2/accounts/{ACCOUNT_ID}/clicktocall/{C2C_ID}/connect
""",
        400,
    ),
]
MISSING = {
    ("PUT", ""): {"name", "extension"},
    ("POST", ""): {"name", "extension"},
    ("GET", "connect"): {"contact"},
    ("POST", "connect"): {"contact"},
}
"""The lines have no body: what each of these is told that it lacks."""


@pytest.mark.parametrize(
    ("line", "status"), NEWER, ids=lambda value: re.sub(r"[^A-Z]*-X (\S+).*clicktocall", r"\1 ", str(value), flags=re.S)
)
async def test_seed_1_its_curl_lines(api: Api, curl: Curl, line: str, status: int) -> None:
    click = await api.create()
    answer = await curl.run(line, AUTH_TOKEN=api.token, SERVER=SERVER, ACCOUNT_ID=A, C2C_ID=click)
    assert (answer.status, answer.headers["content-type"]) == (status, "application/json")
    assert answer.body["auth_token"] == answer.headers["x-auth-token"] == api.token
    last = line.rstrip().rpartition("/")[2]
    verb, last = line.split()[3], last if last in ("connect", "history") else ""
    data = answer.body["data"]
    if status == 400:
        assert set(data) == MISSING[verb, last]
    elif isinstance(data, list):
        assert [item["id"] for item in data] == ([] if last else [click])
    else:
        assert (data["id"], data["name"], data["extension"]) == (click, "Sales", "1001")
        assert ("_read_only" in data) is (verb == "DELETE")
    answer = await curl.run(line, AUTH_TOKEN="nobody's", SERVER=SERVER, ACCOUNT_ID=A, C2C_ID=click)
    assert answer.status == 401


# --- the wiki page of Kazoo 3 -----------------------------------------------------------------------------------------


async def test_seed_2_its_two_steps(api: Api, curl: Curl) -> None:
    """Created with a token, for anyone; then a number is passed to the id that it returned."""
    url = "http://{SERVER}:8000/v1/accounts/{A}/clicktocall"
    token = f"-H 'X-Auth-Token: {api.token}'"
    fields = '"name":"Sales","extension":"1001","realm":"acme.example.com","auth_required":false,"throttle":0'
    body = f"""-d '{{"data":{{{fields}}}}}'"""
    made = await curl.run(f"curl -X PUT {token} {body} {url}", SERVER=SERVER, A=A)
    assert made.status in (200, 201)
    click = made.body["data"]["id"]
    answers = [
        await curl.run(f"curl {how}", SERVER=SERVER, A=A, ID=click)
        for how in (
            f"""-d '{{"data":{{"contact":"4155550100"}}}}' {url}/{{ID}}/connect""",
            f"-d contact=4155550100 {url}/{{ID}}/connect",
            f"'{url}/{{ID}}/connect?contact=4155550100'",
        )
    ]
    assert [answer.status for answer in answers] == [200, 200, 200]
    for order in api.engine.orders:
        api.engine.bridge(order.call_id)
        api.engine.hang_up(order.call_id)
    listed = await curl.run(f"curl {token} {url}", SERVER=SERVER, A=A)
    assert listed.body["data"] == [
        {"id": click, "name": "Sales", "extension": "1001", "realm": "acme.example.com"},
    ]
    history = await curl.run(f"curl {token} {url}/{{ID}}/history", SERVER=SERVER, A=A, ID=click)
    assert len(history.body["data"]) == 3
    for item in history.body["data"]:
        assert {"contact", "timestamp", "call_id", "cdr_id"} <= set(item)
    read = await curl.run(f"curl {token} {url}/{{ID}}", SERVER=SERVER, A=A, ID=click)
    assert read.body["data"]["history_items"] == 3


# --- TVox -------------------------------------------------------------------------------------------------------------

LOGIN = """{
  "id": 2,
  "jsonrpc": "2.0",
  "method": "login",
  "params": ["10.26.0", "mrossi", "secret"]
}"""
DIAL_NUMBER = """
    {
      "jsonrpc":"2.0",
      "method":"dialNumber",
      "params":[
         "mrossi",
         "600",
         "",
         "",
         false,
         null,
         true,
         ""
      ],
      "id":2
   }"""


class TestTvox:
    @pytest.fixture
    def settings_text(self) -> str:
        return settings_with_people()

    @pytest.mark.parametrize("kind", ["", "-H 'Content-Type: application/json'", "-H 'Content-Type: text/plain'"])
    async def test_seed_3_its_request(self, api: Api, curl: Curl, kind: str) -> None:
        """Logged in first, as its warning says; curl keeps the cookie."""
        register_phones(api.exchange)
        (curl.folder / "dial.json").write_text(DIAL_NUMBER)
        (curl.folder / "login.json").write_text(LOGIN)
        url = "http://{SERVER}/tvox/webapi"
        answer = await curl.run(f"curl {kind} -d @dial.json {url}", SERVER=SERVER)
        assert (answer.status, answer.body["id"], answer.body["error"]["code"]) == (200, 2, -32001)
        answer = await curl.run(f"curl -c jar {kind} -d @login.json {url}", SERVER=SERVER)
        assert answer.body["result"]["logged"] is True
        answer = await curl.run(f"curl -b jar {kind} -d @dial.json {url}", SERVER=SERVER)
        (order,) = api.engine.orders
        assert (answer.status, answer.body) == (200, {"jsonrpc": "2.0", "id": 2, "result": order.call_id})
        assert (order.a.target, order.b.target) == ("1009", "600")


# --- OMICall ----------------------------------------------------------------------------------------------------------


class TestOmicall:
    @pytest.fixture
    def settings_text(self) -> str:
        return OMICALL

    async def test_seed_4_its_request_and_its_answer(self, api: Api, curl: Curl) -> None:
        url = "http://{SERVER}"
        json_type = "-H 'Content-Type: application/json'"
        answer = await curl.run(f"curl {json_type} '{url}/api/auth?apiKey={KEY}'", SERVER=SERVER)
        token = answer.body["payload"]["access_token"]
        (curl.folder / "call.json").write_text(
            '{"extension":"100","hotline":"842899959300","phone_number":"0395187319"}'
        )
        headers = f"-H 'Authorization: Bearer {token}'"
        answer = await curl.run(f"curl {headers} {json_type} -d @call.json {url}/api/click2call", SERVER=SERVER)
        assert (answer.status, answer.body["status_code"], answer.body["key_enabled"]) == (200, 9999, False)
        assert {"status_code", "instance_id", "instance_version", "payload", "key_enabled"} <= set(answer.body)
        assert list(answer.body["payload"]) == ["call_uuid"]
        assert str(uuid.UUID(answer.body["payload"]["call_uuid"])) == answer.body["payload"]["call_uuid"]
        (order,) = api.engine.orders
        assert (order.a.target, order.b.target) == ("100", "+84395187319")
        form = "-d extension=100 -d hotline=842899959300 -d phone_number=0395187319"
        answer = await curl.run(f"curl {headers} {form} {url}/api/click2call", SERVER=SERVER)
        assert answer.body["status_code"] == 9999

    @pytest.mark.parametrize(
        ("fields", "error"),
        [
            ('{"extension":"100","hotline":"842899959300"}', "data_is_required"),
            ('{"extension":"1009","hotline":"842899959300","phone_number":"0395187319"}', "user_not_registered"),
            ('{"extension":"100","hotline":"842899959301","phone_number":"0395187319"}', "number_call_out_invalid"),
            ('{"extension":"999","hotline":"842899959300","phone_number":"0395187319"}', "extension_invalid"),
        ],
    )
    async def test_seed_4_its_errors(self, api: Api, curl: Curl, fields: str, error: str) -> None:
        answer = await curl.run(f"curl http://{SERVER}/api/auth?apiKey={KEY}")
        headers = f"-H 'Authorization: Bearer {answer.body['payload']['access_token']}'"
        answer = await curl.run(f"curl {headers} -d '{fields}' http://{SERVER}/api/click2call")
        assert (answer.status, answer.body["status_code"], answer.body["payload"]["error"]) == (200, -9999, error)
        assert api.engine.orders == []
