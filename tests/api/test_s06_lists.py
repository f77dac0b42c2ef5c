"""§6 of the API description: pages, order, filters, CSV."""

from __future__ import annotations

import csv
import io

import pytest

from c2c_b2bua.service import listing
from tests.api.conftest import A, Api

LIST = f"/v2/accounts/{A}/clicktocall"


async def test_6_pages(api: Api) -> None:
    made = sorted([await api.create(name=f"n{number}") for number in range(5)], reverse=True)
    _, body = await api.call("GET", f"{LIST}?page_size=2")
    seen = [item["id"] for item in body["data"]]
    assert body["page_size"] == 2
    while "next_start_key" in body:
        _, body = await api.call("GET", f"{LIST}?page_size=2&start_key={body['next_start_key']}")
        seen += [item["id"] for item in body["data"]]
    assert seen == made
    assert body["page_size"] == 1
    _, body = await api.call("GET", f"{LIST}?paginate=false")
    assert [item["id"] for item in body["data"]] == made
    assert not {"page_size", "start_key", "next_start_key"} & set(body)


@pytest.mark.parametrize("order", ["ascending=true", "descending=false"])
async def test_6_order(api: Api, order: str) -> None:
    made = [await api.create() for _ in range(4)]
    _, body = await api.call("GET", f"{LIST}?{order}&page_size=3")
    assert [item["id"] for item in body["data"]] == sorted(made)[:3]
    _, body = await api.call("GET", f"{LIST}?{order}&page_size=3&start_key={body['next_start_key']}")
    assert [item["id"] for item in body["data"]] == sorted(made)[3:]


@pytest.mark.parametrize(("size", "message"), [("0", "page size must be at least 1"), ("abc", "invalid page size")])
async def test_6_a_page_size_that_is_none(api: Api, size: str, message: str) -> None:
    response, body = await api.call("GET", f"{LIST}?page_size={size}")
    assert (response.status, body["message"], body["data"]) == (404, "faulty_request", {"message": message})


async def test_6_a_page_is_never_larger_than_1000(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "LARGEST_PAGE", 3)
    for _ in range(4):
        await api.create()
    _, body = await api.call("GET", f"{LIST}?page_size=99999999999999999999")
    assert (body["page_size"], "next_start_key" in body) == (3, True)


async def test_5_4_too_much_for_one_answer(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    assert listing.LARGEST_LIST == 50_000
    monkeypatch.setattr(listing, "LARGEST_LIST", 3)
    made = [await api.create() for _ in range(3)]
    for _ in range(3):
        await api.connect(made[0])
    for path in (f"{LIST}?paginate=false", f"{LIST}/{made[0]}/history?paginate=false"):
        response, body = await api.call("GET", path)
        assert (response.status, len(body["data"])) == (200, 3)
    await api.create()
    await api.connect(made[0])
    for path in (f"{LIST}?paginate=false", f"{LIST}/{made[0]}/history?paginate=false"):
        response, body = await api.call("GET", path)
        assert (response.status, body["error"], body["message"]) == (416, "416", "range not satisfiable")
        response, body = await api.call("GET", path.partition("?")[0])
        assert (response.status, len(body["data"])) == (200, 4)
        response, body = await api.call("GET", path.replace("v2", "v1").partition("?")[0])
        assert (response.status, body["message"]) == (416, "range not satisfiable")
    response, body = await api.call("GET", f"{LIST}?paginate=false&filter_id={made[0]}")
    assert (response.status, len(body["data"])) == (200, 1)


@pytest.mark.parametrize("query", ["is_chunked=true", "chunk_size=2", "nothing=1", "start_key=", "created_from="])
async def test_6_what_is_not_known_is_ignored(api: Api, query: str) -> None:
    document = await api.create()
    response, body = await api.call("GET", f"{LIST}?{query}")
    assert (response.status, [item["id"] for item in body["data"]]) == (200, [document])


@pytest.mark.parametrize("key", ["!!!", "AAAA", "%FF", "x" * 3000, "zzz"])
async def test_6_a_start_key_of_nobodys_making_is_no_failure(api: Api, key: str) -> None:
    document = await api.create()
    await api.connect(document)
    for path in (LIST, f"{LIST}/{document}/history"):
        response, body = await api.call("GET", f"{path}?start_key={key}")
        assert response.status == 200 and isinstance(body["data"], list)


@pytest.mark.parametrize("name", ["created_from", "created_to", "modified_from", "modified_to"])
async def test_6_a_time_that_is_none(api: Api, name: str) -> None:
    for value in ("x", "-1", "1.5", "9" * 30, "٣"):
        response, body = await api.call("GET", f"{LIST}?{name}={value}")
        assert (response.status, list(body["data"][name])) == (400, ["type"])


async def test_6_filters_look_at_the_whole_document_and_pages_go_on_through_them(api: Api) -> None:
    made = [await api.create(colour="red" if number % 2 else "blue") for number in range(7)]
    red = sorted((made[number] for number in range(7) if number % 2), reverse=True)
    _, body = await api.call("GET", f"{LIST}?filter_colour=red&page_size=2")
    assert [item["id"] for item in body["data"]] == red[:2]
    assert "colour" not in body["data"][0]
    _, body = await api.call("GET", f"{LIST}?filter_colour=red&page_size=2&start_key={body['next_start_key']}")
    assert [item["id"] for item in body["data"]] == red[2:]


async def test_6_the_start_key_is_that_of_the_page(api: Api) -> None:
    for _ in range(3):
        await api.create()
    _, first = await api.call("GET", f"{LIST}?page_size=2")
    _, again = await api.call("GET", f"{LIST}?page_size=2&start_key={first['start_key']}")
    assert (again["data"], again["start_key"]) == (first["data"], first["start_key"])


async def test_6_csv(api: Api) -> None:
    for number in range(3):
        await api.create(name=f"n{number}")
    response, _ = await api.call("GET", LIST, headers={"Accept": "text/csv"})
    rows = list(csv.DictReader(io.StringIO(await response.text())))
    assert (response.status, response.headers["Content-Type"]) == (200, "text/csv; charset=utf-8")
    assert [list(row) for row in rows] == [["id", "name", "extension"]] * 3
    assert sorted(row["name"] for row in rows) == ["n0", "n1", "n2"]
    assert response.headers["X-Auth-Token"] == api.token
    again, _ = await api.call("GET", LIST, headers={"Accept": "text/csv", "If-None-Match": response.headers["ETag"]})
    assert again.status == 304
    _, body = await api.call("GET", LIST, headers={"If-None-Match": response.headers["ETag"]})
    assert body["page_size"] == 3


async def test_6_csv_in_pages(api: Api) -> None:
    made = sorted([await api.create() for _ in range(3)], reverse=True)
    response, _ = await api.call("GET", f"{LIST}?accept=csv&page_size=2")
    key = response.headers["X-Next-Start-Key"]
    rows = list(csv.DictReader(io.StringIO(await response.text())))
    response, _ = await api.call("GET", f"{LIST}?accept=csv&page_size=2&start_key={key}")
    rows += list(csv.DictReader(io.StringIO(await response.text())))
    assert [row["id"] for row in rows] == made
    assert "X-Next-Start-Key" not in response.headers


async def test_6_an_empty_csv_has_its_columns(api: Api) -> None:
    response, _ = await api.call("GET", f"{LIST}?accept=csv")
    assert await response.text() == "id,name,extension\r\n"


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("text/csv", "text/csv"),
        ("text/*", "text/csv"),
        ("text/csv, application/json;q=0.5", "text/csv"),
        ("text/csv;q=0.5, application/json", "application/json"),
        ("text/csv;q=0, */*", "application/json"),
        ("*/*", "application/json"),
        ("text/csv, application/json", "application/json"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "application/json"),
    ],
)
async def test_6_csv_is_had_by_who_likes_it_better(api: Api, accept: str, content_type: str) -> None:
    response, _ = await api.call("GET", LIST, headers={"Accept": accept})
    assert (response.status, response.content_type) == (200, content_type)


async def test_6_csv_runs_nothing_in_a_spreadsheet(api: Api) -> None:
    for name in ('=HYPERLINK("http://x")', "+1+1", "-1+1", "@SUM(A1)", "a,b", 'say "x"', "|cmd", "%0A"):
        await api.create(name=name)
    await api.create(name="+14155550100", extension="+14155550111")
    response, _ = await api.call("GET", f"{LIST}?accept=csv")
    rows = list(csv.DictReader(io.StringIO(await response.text())))
    names = {row["name"] for row in rows}
    live = {'\'=HYPERLINK("http://x")', "'+1+1", "'-1+1", "'@SUM(A1)", "'|cmd", "'%0A"}
    assert names == live | {"a,b", 'say "x"', "+14155550100"}
    assert "+14155550111" in {row["extension"] for row in rows}


async def test_6_errors_of_a_csv_list_are_json(api: Api) -> None:
    response, body = await api.call("GET", f"{LIST}?page_size=0", headers={"Accept": "text/csv"})
    assert (response.status, body["message"]) == (404, "faulty_request")


async def test_6_an_empty_list(api: Api) -> None:
    _, body = await api.call("GET", LIST)
    assert (body["data"], body["page_size"]) == ([], 0)
    assert not {"start_key", "next_start_key", "revision"} & set(body)


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("filter_name=one", ["one"]),
        ("filter_name=nothing", []),
        ('filter_name=["one","two"]', ["one", "two"]),
        ("filter_not_name=one", ["three", "two"]),
        ("filter_media.ignore_early_media=true", ["two"]),
        ("filter_auth_required=false", ["three"]),
        ("filter_throttle=5", ["one"]),
        ("has_key=throttle", ["one"]),
        ("key_missing=throttle", ["three", "two"]),
        ("has_value=custom", ["three"]),
        ("value_missing=custom", ["one", "two"]),
        ("missing_value=custom", ["one", "two"]),
        ("filter_name=one&has_key=media", []),
        ("created_from=1", ["one", "three", "two"]),
        ("created_to=1", []),
        ("modified_from=99999999999", []),
        ("whatever=1", ["one", "three", "two"]),
    ],
)
async def test_6_filters(api: Api, query: str, names: list[str]) -> None:
    await api.create(name="one", throttle=5)
    await api.create(name="two", media={"ignore_early_media": True})
    await api.create(name="three", auth_required=False, custom="value")
    response, body = await api.call("GET", f"{LIST}?{query}")
    assert response.status == 200
    assert sorted(item["name"] for item in body["data"]) == names


async def test_6_a_list_that_was_asked_for_before_shows_every_change(api: Api) -> None:
    """Lists are kept ready; no save may leave an old one behind."""
    queries = ["", "?ascending=true", "?filter_name=named-1", "?accept=csv", "?page_size=1"]

    async def names() -> list[set[str]]:
        found = []
        for version in ("v1", "v2"):
            for query in queries:
                response, _ = await api.call("GET", f"/{version}/accounts/{A}/clicktocall{query}")
                text = await response.text()
                found.append({name for name in ("named-1", "named-2", "named-3") if name in text})
        return found

    empty = await names()
    assert empty == [set()] * 10
    first = await api.create(name="named-1")
    assert (await names()) == [{"named-1"}] * 10
    await api.call("PATCH", f"{LIST}/{first}", {"name": "named-2"})
    assert (await names())[:2] == [{"named-2"}, {"named-2"}] and (await names())[2] == set()
    await api.call("POST", f"{LIST}/{first}", {"name": "named-3", "extension": "1"})
    assert (await names())[5] == {"named-3"}
    await api.call("DELETE", f"{LIST}/{first}")
    assert (await names()) == empty


async def test_6_more_questions_than_are_kept_ready(api: Api) -> None:
    made = [await api.create(name=f"n{number}") for number in range(40)]
    for _ in range(2):
        for number, document in enumerate(made):
            _, body = await api.call("GET", f"{LIST}?filter_name=n{number}")
            assert [item["id"] for item in body["data"]] == [document]
    assert len(api.exchange.documents.made[A]) <= 16
