"""§13 of the API description: what Kazoo's own tests do to a server."""

from __future__ import annotations

import pytest

from c2c_b2bua.numbers import normalized
from tests.api.conftest import KEY, A, Api


@pytest.mark.parametrize("version", ["v1", "v2"])
async def test_13_kazoos_own_sequence(api: Api, version: str) -> None:
    """Empty list, create, patch, list, delete, empty list; a request id and JSON every time."""
    path = f"/{version}/accounts/{A}/clicktocall"
    response, body = await api.call("PUT", f"/{version}/api_auth", {"api_key": KEY}, token=None)
    assert (response.status, bool(body["auth_token"])) == (201, True)
    answers = [await api.call("GET", path)]
    assert answers[-1][1]["data"] == []
    answers.append(await api.call("PUT", path, {"name": "a1b2c3d4", "extension": "2600"}))
    document = answers[-1][1]["data"]["id"]
    answers.append(await api.call("PATCH", f"{path}/{document}", {"custom": "value"}))
    assert answers[-1][1]["data"]["custom"] == "value"
    answers.append(await api.call("GET", path))
    assert [item["id"] for item in answers[-1][1]["data"]] == [document]
    answers.append(
        await api.call("POST", f"{path}/{document}", {"id": document, "name": "a1b2c3d4", "extension": "2600"})
    )
    assert "custom" not in answers[-1][1]["data"]
    answers.append(await api.call("GET", f"{path}/{document}"))
    answers.append(await api.call("DELETE", f"{path}/{document}"))
    answers.append(await api.call("GET", path))
    assert answers[-1][1]["data"] == []
    assert [response.status for response, _ in answers] == [200, 201, 200, 200, 200, 200, 200, 200]
    for response, body in answers:
        assert response.headers["Content-Type"] == "application/json"
        assert body["request_id"] == response.headers["X-Request-ID"]
        assert body["status"] == "success"


@pytest.mark.parametrize("number", ["2234567890", "12234567890", "+12234567890"])
async def test_13_kazoos_numbers(number: str) -> None:
    assert normalized(number, "US") == "+12234567890"
