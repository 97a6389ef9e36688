"""Series in InfluxDB 2: a bucket per tenant, the asset a tag, each signal a field.

Identity comes from the server: the field of one name, of one asset and instant, is replaced. A
second bucket per tenant, ``...~means``, holds what retention made of old samples, as the
measurements ``mean``, ``low``, ``high`` and ``n``. The server keeps no offset of ours: the
journal's position counts, moved only after the server has answered for the write.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from bridge.adapters.series.flux import (
    COLUMNS,
    PARTS,
    REDUCED,
    answer,
    beside,
    merge,
    select,
    windows,
)
from bridge.adapters.series.influx_client import InfluxClient, InfluxOptions, RefusedError
from bridge.adapters.series.screen import TIME_MAX_NS, TIME_MIN_NS, screen
from bridge.codec.lineprotocol import encode, encode_columns, unfit
from bridge.flow.ports import Refused, Retention, Series
from bridge.model.instants import NS_PER_S, as_datetime
from bridge.model.samples import Samples
from bridge.model.slots import SignalSlot, SlotTable

__all__ = ["InfluxOptions", "InfluxStore"]

Rows = NDArray[np.int64]

DAY_NS = 86_400 * NS_PER_S
MEANS = "~means"
"""End of the name of a tenant's second bucket; no tenant's id has a ``~`` in it."""


class InfluxStore:
    """`SeriesStore` in InfluxDB 2; made inside a running event loop; connects when used."""

    keeps_position = False

    def __init__(self, options: InfluxOptions) -> None:
        self.options = options
        self._client = InfluxClient(options)

    async def write(
        self,
        batch: Samples,
        slots: Sequence[SignalSlot],
        *,
        offset: int | None,  # noqa: ARG002
    ) -> list[Refused]:
        """Write a batch, tenant by tenant, not its offset; return what is refused for ever."""
        # Sorting and encoding take milliseconds: in a thread, not on the event loop.
        screened = await asyncio.to_thread(screen, batch, slots)
        refused = list(screened.refused)
        used, position = np.unique(batch.signal[screened.rows], return_inverse=True)
        by_tenant: dict[str, list[int]] = {}
        for at, slot in enumerate(used.tolist()):
            reason = unfit(slots[slot])
            if reason is None:
                by_tenant.setdefault(slots[slot].tenant, []).append(at)
            else:
                refused.append(Refused(screened.rows[position == at], f"bad-name: {reason}"))
        for tenant, places in by_tenant.items():
            rows = screened.rows[np.isin(position, places)]
            for at in range(0, len(rows), self.options.rows_per_write):
                part = rows[at : at + self.options.rows_per_write]
                refused += await self._put(self._bucket(tenant), batch, slots, part)
        return refused

    async def position(self) -> int:
        """Return 0: the server keeps no offset."""
        return 0

    async def query(
        self,
        tenant: str,
        asset: str,
        signals: Sequence[str],
        *,
        start_ns: int,
        end_ns: int,
        points_max: int = 800,
    ) -> dict[str, Series]:
        """Return each signal in [start, end), reduced as `DuckDbStore.query` does."""
        assert points_max > 0, "points_max must be positive"
        span = (max(start_ns, TIME_MIN_NS), min(end_ns, TIME_MAX_NS))
        if not signals or span[0] >= span[1]:
            return {}
        bucket = self._bucket(tenant)
        raw = select(bucket, span, assets=[asset], fields=signals)
        tables = await self._client.query(
            raw + answer("n", "count()") + answer("first", "first()") + answer("last", "last()")
        )
        old = await self._old(bucket, span, asset, signals)
        counts = _counts(tables.get("n"), old)
        if not counts:
            return {}
        ends = pl.concat(
            [old["t"], *(tables[name]["t"] for name in ("first", "last") if tables)]
        )
        first_ns, end_ns = int(ends.min()), int(ends.max()) + 1  # type: ignore[arg-type]
        width_ns = -(-(end_ns - first_ns) // points_max)
        crowded = [name for name, n in counts.items() if n > points_max]
        tight = (first_ns, end_ns)
        frames = [old]
        if crowded:
            flux = select(bucket, tight, assets=[asset], fields=crowded)
            found = beside(await self._client.query(flux + windows(width_ns, first_ns)))
            frames.append(found.select(REDUCED.keys()))
        if len(crowded) < len(counts):
            sparse = [name for name in counts if name not in crowded]
            flux = select(bucket, tight, assets=[asset], fields=sparse)
            frames.append(_alone((await self._client.query(flux + answer("raw"))).get("raw")))
        bucketed = first_ns + (pl.col("t") - first_ns) // width_ns * width_ns
        placed = pl.when(pl.col("field").is_in(crowded)).then(bucketed).otherwise(pl.col("t"))
        frames = [frame.with_columns(placed.alias("t")) for frame in frames]
        return _series(merge(frames, ["field", "t"]))

    async def signals(self, tenant: str, asset: str) -> list[str]:
        """Return the names of an asset's stored signals, sorted."""
        bucket = self._bucket(tenant)
        everything = (TIME_MIN_NS, TIME_MAX_NS)
        raw = await self._client.query(
            select(bucket, everything, assets=[asset]) + answer("one", "last()")
        )
        old = await self._client.query(
            select(bucket + MEANS, everything, measurements=["n"], assets=[asset])
            + answer("one", "last()")
        )
        names = {name for each in (*raw.values(), *old.values()) for name in each["field"]}
        return sorted(names)

    async def scan(
        self, tenant: str, *, start_ns: int, end_ns: int, assets: Sequence[str] | None = None
    ) -> AsyncIterator[tuple[list[SignalSlot], Samples]]:
        """Yield raw samples in time order, block by block (replay, relearning, export).

        The slots are numbered as they come up in this scan; the list grows from block to block.
        """
        table = SlotTable()
        bucket = self._bucket(tenant)
        at_ns, end_ns = max(start_ns, TIME_MIN_NS), min(end_ns, TIME_MAX_NS)
        width_ns = DAY_NS
        while at_ns < end_ns and (assets is None or assets):
            rest = select(bucket, (at_ns, end_ns), assets=assets)
            found = await self._client.query(rest + answer("first", "first()"))
            if "first" not in found:
                return
            at_ns = int(found["first"]["t"].min())  # type: ignore[arg-type]
            block, until_ns = await self._block(bucket, (at_ns, end_ns), assets, width_ns)
            width_ns = until_ns - at_ns
            if len(block) < self.options.scan_rows // 2:
                width_ns *= 2
            at_ns = until_ns
            names = block.select("asset", "field").unique(maintain_order=True)
            slot = {row: table.slot(tenant, *row) for row in names.iter_rows()}
            numbered = names.with_columns(slot=pl.Series(list(slot.values()), dtype=pl.Int32))
            block = block.join(numbered, on=["asset", "field"]).sort("t", "slot")
            for part in block.iter_slices(self.options.scan_rows):
                t_ns = part["t"].to_numpy()
                columns = (part["slot"].to_numpy(), t_ns, part["value"].to_numpy())
                yield table.rows, Samples(*columns, int(t_ns[-1]))

    async def keep(self, retention: Retention, *, now_ns: int) -> int:
        """Turn raw samples past their time into means, a day at a time; return rows removed.

        A sample that arrives after its time was turned into means is added to them. Broken off
        between writing means and removing samples, the next call makes the same means again: as
        many samples as a mean stands for, or more, replace it, fewer are added to it.
        """
        removed = 0
        for bucket in await self._client.buckets():
            if not bucket.endswith(MEANS):
                removed += await self._downsample(bucket, retention, now_ns)
                removed += await self._drop_means(bucket + MEANS, retention, now_ns)
        return removed

    async def ping(self) -> str:
        """Return the store's name and version; raises as `InfluxClient.version` does."""
        return f"InfluxDB {await self._client.version()}"

    async def close(self) -> None:
        """Close the connection."""
        await self._client.close()

    def _bucket(self, tenant: str) -> str:
        return self.options.bucket_prefix + tenant

    async def _put(
        self, bucket: str, batch: Samples, slots: Sequence[SignalSlot], rows: Rows
    ) -> list[Refused]:
        """Write rows; where some are refused, halve until it is known which.

        A refused field takes its whole line with it, so that after the first refusal each
        sample has a line of its own, in order of (signal, time): refused ones then stand
        together, and a part of which all were dropped needs no halving.
        """
        refused: dict[str, list[Rows]] = {}
        waiting, together = [rows], True
        while waiting:
            part = waiting.pop()
            samples = Samples(batch.signal[part], batch.t_ns[part], batch.value[part], 0)
            try:
                body = await asyncio.to_thread(encode, samples, slots, together=together)
                await self._client.write(bucket, body)
            except RefusedError as error:
                if together:
                    together = False
                    waiting.append(part[np.lexsort((samples.t_ns, samples.signal))])
                elif len(part) == 1 or (error.dropped or 0) >= len(part):
                    refused.setdefault(f"store-refused: {error.message}", []).append(part)
                else:
                    waiting += [part[: len(part) // 2], part[len(part) // 2 :]]
        return [Refused(np.concatenate(parts), reason) for reason, parts in refused.items()]

    async def _old(
        self, bucket: str, span: tuple[int, int], asset: str, signals: Sequence[str]
    ) -> pl.DataFrame:
        flux = select(bucket + MEANS, span, measurements=PARTS, assets=[asset], fields=signals)
        return _means(await self._client.query(flux + answer("all"))).select(REDUCED.keys())

    async def _block(
        self,
        bucket: str,
        span: tuple[int, int],
        assets: Sequence[str] | None,
        width_ns: int,
    ) -> tuple[pl.DataFrame, int]:
        """Read from the beginning of the span as far as a block goes; return where that is."""
        while True:
            until_ns = min(span[0] + width_ns, span[1])
            part = select(bucket, (span[0], until_ns), assets=assets)
            n = _sum(await self._client.query(part + answer("n", "count()")))
            if n <= self.options.scan_rows or width_ns == 1:
                found = await self._client.query(part + answer("raw"))
                return found.get("raw", pl.DataFrame(schema=COLUMNS)), until_ns
            width_ns //= 2

    async def _downsample(self, bucket: str, retention: Retention, now_ns: int) -> int:
        if retention.raw_days <= 0:
            return 0
        width_ns = int(retention.downsample_s * NS_PER_S)
        cut_ns = (now_ns - int(retention.raw_days * DAY_NS)) // width_ns * width_ns
        removed = 0
        while True:
            rest = select(bucket, (TIME_MIN_NS, cut_ns)) + answer("first", "first()")
            found = await self._client.query(rest)
            if "first" not in found:
                return removed
            oldest_ns = int(found["first"]["t"].min())  # type: ignore[arg-type]
            first_ns = oldest_ns // width_ns * width_ns
            span = (first_ns, min(first_ns + max(DAY_NS // width_ns, 1) * width_ns, cut_ns))
            made = beside(
                await self._client.query(select(bucket, span) + windows(width_ns, first_ns))
            )
            there = _means(
                await self._client.query(
                    select(bucket + MEANS, span, measurements=PARTS) + answer("all")
                )
            )
            await self._put_means(bucket + MEANS, made, there)
            await self._client.delete(bucket, _instant(TIME_MIN_NS), _instant(span[1] - 1))
            removed += int(made["n"].sum())

    async def _drop_means(self, bucket: str, retention: Retention, now_ns: int) -> int:
        if retention.downsampled_days <= 0:
            return 0
        cut_ns = now_ns - int(retention.downsampled_days * DAY_NS)
        old = select(bucket, (TIME_MIN_NS, cut_ns), measurements=["n"])
        removed = _sum(await self._client.query(old + answer("n", "count()")))
        if removed:
            await self._client.delete(bucket, _instant(TIME_MIN_NS), _instant(cut_ns - 1))
        return removed

    async def _put_means(self, bucket: str, made: pl.DataFrame, there: pl.DataFrame) -> None:
        key = ["asset", "field", "t"]
        fewer = there.join(made, on=key, suffix="_made").filter(pl.col("n") > pl.col("n_made"))
        rows = merge([made, fewer.select(made.columns)], key)
        series = rows.select("asset", "field").unique(maintain_order=True)
        numbers = rows.join(series.with_row_index("number"), on=["asset", "field"])
        for at in range(0, len(numbers), self.options.rows_per_write):
            part = numbers[at : at + self.options.rows_per_write]
            for name in PARTS:
                names = [(name, *row) for row in series.iter_rows()]
                columns = (
                    part["number"].cast(pl.Int32).to_numpy(),
                    part["t"].to_numpy(),
                    part[name].to_numpy(),
                )
                await self._client.write(bucket, encode_columns(names, columns))


def _means(tables: dict[str, pl.DataFrame]) -> pl.DataFrame:
    """Put the four measurements of a means bucket beside each other."""
    if "all" not in tables:
        return beside({})
    parts = tables["all"].partition_by("measurement", as_dict=True)
    return beside({str(key[0]): part for key, part in parts.items()})


def _counts(raw: pl.DataFrame | None, old: pl.DataFrame) -> dict[str, int]:
    """Return how many points each field has, in both buckets."""
    counts: dict[str, int] = {}
    for name in old["field"]:
        counts[name] = counts.get(name, 0) + 1
    if raw is not None:
        for name, n in raw.select("field", "value").iter_rows():
            counts[name] = counts.get(name, 0) + int(n)
    return counts


def _alone(raw: pl.DataFrame | None) -> pl.DataFrame:
    """Let each sample stand for itself."""
    if raw is None:
        return pl.DataFrame(schema=REDUCED)
    value = pl.col("value")
    return raw.select(
        "field",
        "t",
        value.alias("mean"),
        value.alias("low"),
        value.alias("high"),
        pl.lit(1.0).alias("n"),
    )


def _sum(tables: dict[str, pl.DataFrame]) -> int:
    return int(tables["n"]["value"].sum()) if "n" in tables else 0


def _series(rows: pl.DataFrame) -> dict[str, Series]:
    return {
        str(name[0]): Series(
            *(part[column].to_numpy() for column in ("t", "mean", "low", "high"))
        )
        for name, part in rows.partition_by("field", as_dict=True, maintain_order=True).items()
    }


def _instant(t_ns: int) -> str:
    """Return RFC 3339 with all nine digits, which a datetime has no room for."""
    whole = as_datetime(t_ns // NS_PER_S * NS_PER_S)
    return f"{whole:%Y-%m-%dT%H:%M:%S}.{t_ns % NS_PER_S:09d}Z"
