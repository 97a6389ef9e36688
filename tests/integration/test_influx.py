"""InfluxDB as it is in the field: conflicting types, limits, tokens without rights, away."""

import asyncio
from collections.abc import AsyncIterator

import numpy as np
import pytest

from bridge.adapters.series.influx import InfluxStore
from bridge.adapters.series.influx_client import InfluxOptions
from bridge.flow.ports import Retention
from bridge.model.errors import UnavailableError
from bridge.model.instants import NS_PER_S
from bridge.model.samples import Samples
from bridge.model.slots import SignalSlot, SlotTable
from tests.servers import HOST, InfluxDB, free_port

START_NS = 1_780_000_000 * NS_PER_S
EVER = {"start_ns": 0, "end_ns": 2 * START_NS}


@pytest.fixture
async def store(influxdb: InfluxDB, influxdb_org: str) -> AsyncIterator[InfluxStore]:
    """Give a store in an organisation of its own."""
    opened = InfluxStore(
        InfluxOptions(url=influxdb.url, org=influxdb_org, token=influxdb.token)
    )
    yield opened
    await opened.close()


def columns(signals: list[str], n: int) -> tuple[Samples, list[SignalSlot]]:
    """Make n samples of each signal, signal by signal within each second."""
    table = SlotTable()
    slots = [table.slot("acme", "press-07", name) for name in signals]
    k = len(slots)
    return Samples(
        np.tile(np.array(slots, np.int32), n),
        START_NS + np.repeat(np.arange(n, dtype=np.int64), k) * NS_PER_S,
        np.arange(n * k, dtype=np.float64),
        START_NS,
    ), table.rows


def send(influxdb: InfluxDB, org: str, bucket: str, line: str) -> None:
    """Write a line past the store, as another program would."""
    query = {"org": org, "bucket": bucket, "precision": "ns"}
    influxdb.call("POST", "write", params=query, content=line.encode())


async def test_refuses_only_the_conflicting_field(
    store: InfluxStore, influxdb: InfluxDB, influxdb_org: str
) -> None:
    """A field that has another type already is refused by row; its neighbours are kept."""
    influxdb.new_bucket(influxdb_org, "bridge-acme")
    send(influxdb, influxdb_org, "bridge-acme", f"telemetry,asset=other b=1i {START_NS}")
    batch, slots = columns(["a", "b", "c"], 500)
    (refused,) = await store.write(batch, slots, offset=1)
    assert refused.reason.startswith("store-refused: ")
    assert 'input field "b"' in refused.reason
    assert sorted(refused.rows.tolist()) == list(range(1, 1_500, 3))
    found = await store.query("acme", "press-07", ["a", "b", "c"], **EVER, points_max=1_000)
    assert found.keys() == {"a", "c"}
    np.testing.assert_array_equal(found["a"].mean, batch.value[0::3])
    np.testing.assert_array_equal(found["c"].mean, batch.value[2::3])


async def test_refuses_what_the_bucket_is_too_young_for(
    store: InfluxStore, influxdb: InfluxDB, influxdb_org: str
) -> None:
    """Samples older than the bucket's own retention are refused by row, others stored."""
    found = influxdb.call("GET", "orgs", params={"org": influxdb_org})["orgs"]
    content = {
        "orgID": found[0]["id"],
        "name": "bridge-acme",
        "retentionRules": [{"type": "expire", "everySeconds": 86_400 * 365}],
    }
    influxdb.call("POST", "buckets", json=content)
    table = SlotTable()
    slot = table.slot("acme", "press-07", "x")
    t_ns = np.array([10**18, START_NS, START_NS + 1, 10**18 + 1], np.int64)
    batch = Samples(np.full(4, slot, np.int32), t_ns, np.arange(4, dtype=np.float64), START_NS)
    (refused,) = await store.write(batch, table.rows, offset=1)
    assert "retention" in refused.reason
    assert sorted(refused.rows.tolist()) == [0, 3]
    series = (await store.query("acme", "press-07", ["x"], **EVER))["x"]
    assert series.t_ns.tolist() == [START_NS, START_NS + 1]


async def test_refuses_names_it_cannot_write(store: InfluxStore) -> None:
    """Names the line protocol cannot carry are refused with the reason; the rest is stored."""
    batch, slots = columns(["a", "time", "b\\", "c\nd"], 2)
    refused = await store.write(batch, slots, offset=1)
    assert {each.reason.partition(":")[0] for each in refused} == {"bad-name"}
    assert sorted(row for each in refused for row in each.rows) == [1, 2, 3, 5, 6, 7]
    assert await store.signals("acme", "press-07") == ["a"]


async def test_large_batches_go_in_parts(influxdb: InfluxDB, influxdb_org: str) -> None:
    """A batch larger than one body, and a scan over many blocks, are whole and in order."""
    options = InfluxOptions(
        url=influxdb.url,
        org=influxdb_org,
        token=influxdb.token,
        rows_per_write=700,
        scan_rows=500,
    )
    store = InfluxStore(options)
    batch, slots = columns(["a", "b", "c"], 2_000)
    assert await store.write(batch, slots, offset=1) == []
    values, last = [], 0
    async for _, block in store.scan("acme", **EVER):
        assert len(block) <= 500
        assert block.t_ns[0] >= last
        last = int(block.t_ns[-1])
        values += block.value.tolist()
    assert values == batch.value.tolist()
    await store.close()


async def test_means_are_made_again_after_a_break(store: InfluxStore) -> None:
    """Broken off before removal, the same samples do not count twice; late ones are added."""
    batch, slots = columns(["x"], 3_600)
    kept = Retention(raw_days=1, downsample_s=3_600)
    now_ns = START_NS + 3 * 86_400 * NS_PER_S
    for _ in range(2):
        await store.write(batch, slots, offset=None)
        await store.keep(kept, now_ns=now_ns)
    series = (await store.query("acme", "press-07", ["x"], **EVER))["x"]
    hours = (START_NS + np.arange(3_600) * NS_PER_S) // (3_600 * NS_PER_S)
    for t_ns, mean in zip(series.t_ns.tolist(), series.mean.tolist(), strict=True):
        inside = batch.value[hours == t_ns // (3_600 * NS_PER_S)]
        assert mean == pytest.approx(inside.mean())
    late = Samples(batch.signal[:1], batch.t_ns[:1] + 1, np.array([1e6]), START_NS)
    await store.write(late, slots, offset=None)
    await store.keep(kept, now_ns=now_ns)
    after = (await store.query("acme", "press-07", ["x"], **EVER))["x"]
    assert after.high[0] == 1e6
    inside = batch.value[hours == hours[0]]
    assert after.mean[0] == pytest.approx((inside.sum() + 1e6) / (len(inside) + 1))


async def test_a_wrong_token_is_not_the_rows_fault(
    influxdb: InfluxDB, influxdb_org: str
) -> None:
    """A refused token makes the store unavailable with advice, and no dead letters."""
    store = InfluxStore(InfluxOptions(url=influxdb.url, org=influxdb_org, token="wrong"))
    with pytest.raises(UnavailableError, match="check the token"):
        await store.write(*columns(["a"], 1), offset=1)
    with pytest.raises(UnavailableError, match="check the token"):
        await store.ping()
    await store.close()


async def test_a_bucket_it_may_not_make(influxdb: InfluxDB, influxdb_org: str) -> None:
    """Where the bucket is missing and the token may not make it, the error names both."""
    influxdb.new_bucket(influxdb_org, "bridge-other")
    org = influxdb.call("GET", "orgs", params={"org": influxdb_org})["orgs"][0]["id"]
    rights = [
        {"action": "read", "resource": {"type": "buckets", "orgID": org}},
        {"action": "read", "resource": {"type": "orgs", "id": org}},
    ]
    made = influxdb.call("POST", "authorizations", json={"orgID": org, "permissions": rights})
    store = InfluxStore(InfluxOptions(url=influxdb.url, org=influxdb_org, token=made["token"]))
    with pytest.raises(UnavailableError, match="bridge-acme"):
        await store.write(*columns(["a"], 1), offset=1)
    await store.close()


async def test_away_says_where() -> None:
    """Nobody listens: unavailable, with the address, for writing, asking and pinging."""
    url = f"http://{HOST}:{free_port()}"
    store = InfluxStore(InfluxOptions(url=url, timeout_s=2))
    with pytest.raises(UnavailableError, match=url):
        await store.write(*columns(["a"], 1), offset=1)
    with pytest.raises(UnavailableError, match=url):
        await store.query("acme", "a", ["x"], **EVER)
    with pytest.raises(UnavailableError, match=url):
        await store.ping()
    await store.close()


class Door:
    """An HTTP server that says one thing to everything, as a proxy in trouble does."""

    def __init__(self) -> None:
        self.port = free_port()
        self.says = b""
        self.ping = b""
        self.silent = False

    async def serve(self) -> asyncio.Server:
        """Listen until the server is closed."""
        return await asyncio.start_server(self._answer, HOST, self.port)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if not self.silent:
            writer.write(self.ping if head.startswith(b"GET /ping") else self.says)
            await writer.drain()
        else:
            await reader.read()
        writer.close()


@pytest.mark.parametrize(
    ("status", "header", "retry_after_s"),
    [("429 Too Many Requests", "Retry-After: 7\r\n", 7.0), ("503 Busy", "", 1.0),
     ("502 Bad Gateway", "Retry-After: tomorrow\r\n", 1.0)],
)  # fmt: skip
async def test_busy_says_when_to_come_again(
    status: str, header: str, retry_after_s: float
) -> None:
    """Too many requests and server errors are unavailable, for as long as the server asks."""
    door = Door()
    door.says = (
        f"HTTP/1.1 {status}\r\n{header}Content-Length: 0\r\nConnection: close\r\n\r\n".encode()
    )
    store = InfluxStore(InfluxOptions(url=f"http://{HOST}:{door.port}", timeout_s=2))
    async with await door.serve():
        with pytest.raises(UnavailableError, match=status[:3]) as caught:
            await store.write(*columns(["a"], 1), offset=1)
    assert caught.value.retry_after_s == retry_after_s
    await store.close()


async def test_silence_ends() -> None:
    """A server that takes the request and never answers is unavailable after the time limit."""
    door = Door()
    door.silent = True
    store = InfluxStore(InfluxOptions(url=f"http://{HOST}:{door.port}", timeout_s=0.2))
    async with await door.serve(), asyncio.timeout(5):
        with pytest.raises(UnavailableError):
            await store.write(*columns(["a"], 1), offset=1)
    await store.close()


async def test_a_server_without_flux_is_told() -> None:
    """InfluxDB 3 and 1 take no Flux: the error says what stands there and what is needed."""
    door = Door()
    rest = b"X-Influxdb-Version: 3.2.1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    door.ping, door.says = b"HTTP/1.1 200 OK\r\n" + rest, b"HTTP/1.1 404 Not Found\r\n" + rest
    store = InfluxStore(InfluxOptions(url=f"http://{HOST}:{door.port}", timeout_s=2))
    async with await door.serve():
        with pytest.raises(UnavailableError, match=r"InfluxDB 3\.2\.1 .* InfluxDB 2 is needed"):
            await store.ping()
    await store.close()
