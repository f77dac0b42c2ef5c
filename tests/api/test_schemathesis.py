"""Schemathesis asks everything that the description allows and much that it does not; the answers are as described."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import Case, CheckContext, Config, GenerationMode, Response
from schemathesis.checks import CHECKS, CheckFunction, CoverageScenario, load_all_checks

from api.openapi.description import description
from api.openapi.kazoo_requests import ACCOUNT_ID
from c2c_b2bua.service.validation import BOOLEANS, INTEGER
from tests.api.running_server import RunningServer

DOCUMENT = msgspec.json.decode(description().json.body)
SAME_AGAIN = r"^/v1/|/users/.+/quickcall/"
"""What runs through the same code as something else, and need not be tried as thoroughly."""
TVOX = "/tvox/webapi"


def described(covers_limits: bool) -> Any:
    """The description; with or without a request for every limit of every schema in it."""
    config = {
        "seed": 20,
        # Unknown parameters are ignored, as Kazoo does. Who asks is said by a header of ours.
        "generation": {"allow-extra-parameters": False, "with-security-parameters": False},
        # 412: the description does not know the revision.
        "checks": {"positive_data_acceptance": {"expected-statuses": ["2xx", "3xx", 401, 403, 404, 409, 412]}},
        # TRACE is answered 501 (§2: a verb that nobody knows).
        "phases": {
            "coverage": {
                "enabled": covers_limits,
                "unexpected-methods": ["GET", "PUT", "POST", "PATCH", "DELETE"],
            }
        },
    }
    return schemathesis.openapi.from_dict(DOCUMENT, config=Config.from_dict(config))


def random_ones(count: int) -> Any:
    """So many, the same in every run."""
    checks = list(HealthCheck)
    return settings(max_examples=count, deadline=None, derandomize=True, database=None, suppress_health_check=checks)


load_all_checks()
BEYOND_SCHEMAS = ("/connect", "/quickcall/", "/history")
"""Whether such a request, or any that brings something, is good is also a question of phones, numbers, patterns, dates."""
OTHER_KINDS = {CoverageScenario.MALFORMED_CONTENT_TYPE, CoverageScenario.UNSUPPORTED_CONTENT_TYPE}


def refused_in_its_own_words(_context: CheckContext, response: Response, case: Case) -> None:
    """TVox and OMICall say no with HTTP 200: whatever body or query the schema forbids they refuse in the body."""
    assert case.meta
    has_other_kind = getattr(case.meta.phase.data, "scenario", None) in OTHER_KINDS
    if response.status_code == 200 and not has_other_kind and not (is_good(case, "body") and is_good(case, "query")):
        assert says_no(response.json()), response.text


def says_no(answer: Any) -> bool:
    if isinstance(answer, list):
        return any(says_no(inner) for inner in answer)
    return "error" in answer or answer.get("status_code") == -9999


def not_checked(case: Case) -> list[CheckFunction]:
    """What does not hold there."""
    names = []
    if case.path.startswith((TVOX, "/api")) or is_taken_for_good(case.body):
        names += ["negative_data_rejection", "missing_required_header"]
    if case.method not in ("GET", "DELETE") or any(part in case.path for part in BEYOND_SCHEMAS):
        names += ["positive_data_acceptance"]
    return CHECKS.get_by_names(names)


def is_taken_for_good(value: Any) -> bool:
    """Kazoo passes over null and takes a list for nothing, and text that reads as a number or boolean for that."""
    if isinstance(value, dict):
        return isinstance(value.get("data"), list) or any(is_taken_for_good(member) for member in value.values())
    return value is None or (isinstance(value, str) and (value in BOOLEANS or INTEGER.fullmatch(value) is not None))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with RunningServer(tmp_path_factory.mktemp("schemathesis")) as running:
        yield running


@described(covers_limits=True).exclude(path_regex=f"{SAME_AGAIN}|^{TVOX}").parametrize()
@random_ones(6)
def test_the_server_does_what_the_description_says(case: Case, server: RunningServer) -> None:
    judge(case, server)


@described(covers_limits=False).include(path_regex=SAME_AGAIN).parametrize()
@random_ones(3)
def test_it_does_so_on_the_other_ways(case: Case, server: RunningServer) -> None:
    judge(case, server)


@described(covers_limits=False).include(path=TVOX).parametrize()
@random_ones(100)
def test_tvox_does_so(case: Case, server: RunningServer) -> None:
    judge(case, server)


def judge(case: Case, server: RunningServer) -> None:
    """Send it with the path's ids filled in, and hold every check against what comes back."""
    token = server.run(server.token())
    if is_good(case, "path"):
        known = {
            "account_id": ACCOUNT_ID,
            "schema_id": "clicktocall",
            "user_id": server.user.id,
            "device_id": server.user.id,
            "token": token,
        }
        case.path_parameters.update({name: known[name] for name in case.path_parameters if name in known})
        if "click_id" in case.path_parameters:
            case.path_parameters["click_id"] = server.run(server.click())
    headers = {"X-Auth-Token": token}
    if case.path == TVOX:
        headers = {"Cookie": f"JSESSIONID={token}"}
    elif case.path.startswith("/api"):
        headers = {"Authorization": f"Bearer {token}"}
    words = [refused_in_its_own_words] if case.path.startswith((TVOX, "/api")) else []
    try:
        case.call_and_validate(
            base_url=server.url, headers=headers, additional_checks=words, excluded_checks=not_checked(case)
        )
    finally:
        if case.path.endswith("/webhooks/register"):
            server.run(server.forget_webhook())


def is_good(case: Case, place: str) -> bool:
    """Whether what stands in this part of the request is as the schema wants it."""
    assert case.meta
    parts = {found.value: inner.mode for found, inner in case.meta.components.items()}
    return parts.get(place, GenerationMode.POSITIVE) is GenerationMode.POSITIVE
