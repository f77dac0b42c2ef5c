from tests.api.conftest import A, Api


async def test_it(api: Api):
    c = await api.create()
    r, b = await api.connect(c)
    print(r.status, b, dict(r.headers))
    print(api.engine.orders)
    api.engine.bridge(b["data"]["call_id"])
    api.engine.end(b["data"]["call_id"], "NORMAL_CLEARING", "b")
    import asyncio

    await asyncio.sleep(0.1)
    r, b = await api.call("GET", f"/v2/accounts/{A}/clicktocall/{c}/history")
    print(b)
    assert 0
