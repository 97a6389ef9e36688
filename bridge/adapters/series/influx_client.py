"""A connection to InfluxDB 2: writing, asking, removing, and what its errors mean to us."""

import json
import re
from dataclasses import dataclass
from typing import Any

import aiohttp
import polars as pl
from influxdb_client.client.influxdb_client_async import InfluxDBClientAsync
from influxdb_client.domain.dialect import Dialect
from influxdb_client.domain.post_bucket_request import PostBucketRequest
from influxdb_client.domain.write_precision import WritePrecision
from influxdb_client.rest import ApiException
from influxdb_client.service.buckets_service import BucketsService
from influxdb_client.service.organizations_service import OrganizationsService

from bridge.adapters.series.flux import read
from bridge.model.errors import BridgeError, UnavailableError

_REFUSED = {400, 413, 422}
_MISSING = 404
_DROPPED = re.compile(r" dropped=(\d+)")
_CSV = Dialect(header=True, annotations=[], delimiter=",", date_time_format="RFC3339Nano")  # type: ignore[no-untyped-call]
_NS: Any = WritePrecision.NS
_BUCKETS_A_PAGE = 100


@dataclass(frozen=True, slots=True)
class InfluxOptions:
    """Where InfluxDB is and how it is used.

    Attributes
    ----------
    bucket_prefix : str
        A tenant's bucket is this and the tenant's id.
    timeout_s : float
        For one request.
    rows_per_write : int
        Most samples in one body.
    scan_rows : int
        Most samples in one block of a scan, as far as their times can be told apart.
    """

    url: str = "http://127.0.0.1:8086"
    org: str = "bridge"
    token: str = ""
    bucket_prefix: str = "bridge-"
    timeout_s: float = 20.0
    rows_per_write: int = 20_000
    scan_rows: int = 50_000


class RefusedError(BridgeError):
    """The server will never take this body, or not all of it.

    Parameters
    ----------
    message : str
        What it says, without the count.
    dropped : int or None
        How many points it left out, the others being stored; None where it took nothing.
    """

    def __init__(self, message: str, dropped: int | None) -> None:
        super().__init__(message)
        self.message = message
        self.dropped = dropped


class InfluxClient:
    """The calls that the store makes, with our errors; made inside a running event loop."""

    def __init__(self, options: InfluxOptions) -> None:
        self.options = options
        self._client = InfluxDBClientAsync(
            options.url, options.token, options.org, timeout=int(options.timeout_s * 1_000)
        )
        self._write = self._client.write_api()
        self._query = self._client.query_api()
        self._buckets = BucketsService(self._client.api_client)  # type: ignore[no-untyped-call]

    async def write(self, bucket: str, body: bytes) -> None:
        """Send lines; make the bucket where it is missing.

        Raises
        ------
        RefusedError
            All or some of it is refused for ever.
        UnavailableError
            Anything else.
        """
        try:
            await self._send(bucket, body)
        except ApiException as error:
            if error.status != _MISSING:
                raise self._explain(error) from error
            await self._make(bucket)
            try:
                await self._send(bucket, body)
            except ApiException as again:
                raise self._explain(again) from again

    async def _send(self, bucket: str, body: bytes) -> None:
        try:
            await self._write.write(bucket, record=body, write_precision=_NS)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._away(error) from error
        except ApiException as error:
            if error.status in _REFUSED:
                message = _message(error)
                dropped = _DROPPED.search(message)
                raise RefusedError(
                    _DROPPED.sub("", message), int(dropped[1]) if dropped else None
                ) from error
            raise

    async def query(self, flux: str) -> dict[str, pl.DataFrame]:
        """Ask; a bucket that is missing answers nothing; `UnavailableError` otherwise."""
        try:
            body = await self._query.query_raw(flux, dialect=_CSV)
            return read(body)
        except ApiException as error:
            if error.status == _MISSING and "could not find bucket" in _message(error):
                return {}
            raise self._explain(error) from error
        except ValueError as error:
            raise UnavailableError("series", f"InfluxDB broke off: {error}") from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._away(error) from error

    async def delete(self, bucket: str, start: str, stop: str) -> None:
        """Remove all points from `start` to `stop`, both included; raises as `query`."""
        await self._call(self._client.delete_api().delete(start, stop, "", bucket))

    async def buckets(self) -> list[str]:
        """Return the names of the buckets with our prefix; raises as `query`."""
        names: list[str] = []
        while True:
            page = await self._call(
                self._buckets.get_buckets_async(  # type: ignore[no-untyped-call]
                    org=self.options.org, limit=_BUCKETS_A_PAGE, offset=len(names)
                )
            )
            names += [bucket.name for bucket in page.buckets]
            if len(page.buckets) < _BUCKETS_A_PAGE:
                prefix = self.options.bucket_prefix
                return [name for name in names if name.startswith(prefix)]

    async def version(self) -> str:
        """Return the server's version, having asked a question in Flux.

        Raises
        ------
        UnavailableError
            It is away, refuses the token, or speaks no Flux (InfluxDB 1 and 3).
        """
        version = await self._call(self._client.version())
        try:
            await self._query.query_raw("buckets() |> limit(n: 1)", dialect=_CSV)
        except ApiException as error:
            if error.status in {401, 403} and not re.match(r"v?[13]\.", str(version)):
                raise self._explain(error) from error
            raise UnavailableError(
                "series",
                f"{self.options.url} answers as InfluxDB {version} and takes no Flux "
                f"({error.status} {_message(error)}); InfluxDB 2 is needed",
                retry_after_s=30,
            ) from error
        return str(version)

    async def close(self) -> None:
        """Close the connection."""
        await self._client.close()  # type: ignore[no-untyped-call]

    async def _make(self, bucket: str) -> None:
        organizations = OrganizationsService(self._client.api_client)  # type: ignore[no-untyped-call]
        found = await self._call(organizations.get_orgs_async(org=self.options.org))  # type: ignore[no-untyped-call]
        request = PostBucketRequest(org_id=found.orgs[0].id, name=bucket, retention_rules=[])  # type: ignore[no-untyped-call]
        try:
            await self._buckets.post_buckets_async(request)  # type: ignore[no-untyped-call]
        except ApiException as error:
            if error.status == 422:  # noqa: PLR2004 - somebody else has just made it
                return
            raise UnavailableError(
                "series",
                f"bucket {bucket!r} is missing and the token may not make it "
                f"({error.status} {_message(error)}): make it, or give a token that may",
                retry_after_s=10,
            ) from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._away(error) from error

    async def _call(self, call: Any) -> Any:  # noqa: ANN401 - the library has no types
        try:
            return await call
        except ApiException as error:
            raise self._explain(error) from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._away(error) from error

    def _away(self, error: Exception) -> UnavailableError:
        what = str(error) or type(error).__name__
        return UnavailableError("series", f"InfluxDB at {self.options.url}: {what}")

    def _explain(self, error: ApiException) -> UnavailableError:
        advice = {
            401: "; check the token",
            403: f"; the token needs to read and write the buckets of org {self.options.org!r}",
        }.get(error.status, "")
        text = f"InfluxDB at {self.options.url}: {error.status} {_message(error)}{advice}"
        return UnavailableError("series", text, retry_after_s=_retry_after_s(error))


def _message(error: ApiException) -> str:
    body = (
        error.body.decode("utf-8", "replace") if isinstance(error.body, bytes) else error.body
    )
    try:
        return str(json.loads(body or "")["message"])
    except (ValueError, KeyError, TypeError):
        return (body or str(error.reason))[:200]


def _retry_after_s(error: ApiException) -> float:
    try:
        headers: Any = error.headers or {}
        return min(max(float(headers.get("Retry-After", 1)), 0.1), 300)
    except ValueError:
        return 1.0  # a date; the next try asks again
