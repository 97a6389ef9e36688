"""Who is away: assets from which nothing comes, and whole gateways, told once each.

An asset is away when nothing came for several of its rows. Where all the assets of a gateway
fall silent together it is the gateway that is away, and one event says so. Times are receive
times on the bridge's clock; after a restart everybody has a grace of as long as it takes to be
missed.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from bridge.model.catalog import Catalog
from bridge.model.detections import Connectivity, derive_id
from bridge.model.instants import NS_PER_S, as_datetime


@dataclass(frozen=True, slots=True)
class PresenceOptions:
    """When somebody is missed.

    Parameters
    ----------
    rows : float
        Nothing for so many intervals ...
    least_s : float
        ... and at least for so long.
    unknown_s : float
        Where nobody knows how often an asset sends.
    """

    rows: float = 4.0
    least_s: float = 60.0
    unknown_s: float = 900.0


@dataclass(slots=True)
class Presence:
    """Who was here when, of one tenant.

    Attributes
    ----------
    heard : dict of asset to ns
        When something last came.
    away : dict of asset to ns
        Who was told to be away, and since when it was silent.
    gateways : dict of gateway to ns
        Gateways that were told to be away.
    since_ns : int
        When the watch itself came: nobody is missed by what happened before.
    """

    tenant: str
    options: PresenceOptions
    heard: dict[str, int] = field(default_factory=dict)
    away: dict[str, int] = field(default_factory=dict)
    gateways: dict[str, int] = field(default_factory=dict)
    since_ns: int = 0
    _gateway: dict[str, str] = field(default_factory=dict)
    _members: dict[str, list[str]] = field(default_factory=dict)

    def adopt(self, catalog: Catalog) -> None:
        """Learn which assets hang on which gateway."""
        self._gateway = {
            each.id: each.gateway for each in catalog.assets if each.gateway is not None
        }
        self._members = {}
        for asset, gateway in self._gateway.items():
            self._members.setdefault(gateway, []).append(asset)

    def note(self, asset: str, receive_ns: int) -> None:
        """Note when something last came from an asset."""
        self.heard[asset] = max(self.heard.get(asset, receive_ns), receive_ns)

    def check(self, every_s: dict[str, float | None], now_ns: int) -> Iterator[Connectivity]:
        """Yield who went away, and who came back; `every_s` are the intervals by asset."""
        limit = {asset: self._limit_ns(every_s.get(asset)) for asset in self.heard}
        yield from self._returned(now_ns)
        for asset in self.heard:
            silent_ns = now_ns - self._last(asset)
            if asset in self.away or silent_ns < limit[asset]:
                continue
            gateway = self._gateway.get(asset)
            mates = [
                each for each in self._members.get(gateway or "", ()) if each in self.heard
            ]
            # Mates that are half missed already will be missed in a moment: one event for all.
            silent = all(2 * (now_ns - self._last(each)) >= limit[each] for each in mates)
            if gateway is None or len(mates) < 2 or not silent:  # noqa: PLR2004 - two make a group
                self.away[asset] = self.heard[asset]
                yield self._event("offline", asset, None, self.heard[asset], now_ns)
                continue
            self.away.update({each: self.heard[each] for each in mates})
            if gateway not in self.gateways:
                # The last word of any of them: the same after a restart, unlike the grace.
                last_ns = max(self.heard[each] for each in mates)
                self.gateways[gateway] = last_ns
                yield self._event("offline", mates[0], gateway, last_ns, now_ns)

    def _last(self, asset: str) -> int:
        """Return from when on an asset's silence counts."""
        return max(self.heard[asset], self.since_ns)

    def _returned(self, now_ns: int) -> Iterator[Connectivity]:
        back = [asset for asset, since in self.away.items() if self.heard[asset] > since]
        for asset in back:
            since = self.away.pop(asset)
            gateway = self._gateway.get(asset, "")
            if gateway in self.gateways:
                since = self.gateways.pop(gateway)
                yield self._event("online", asset, gateway, since, now_ns)
            elif not any(
                each in back for each in self._members.get(gateway, ()) if each != asset
            ):
                yield self._event("online", asset, None, since, now_ns)

    def _limit_ns(self, every_s: float | None) -> int:
        options = self.options
        wait_s = (
            options.unknown_s
            if every_s is None
            else max(options.rows * every_s, options.least_s)
        )
        return int(wait_s * NS_PER_S)

    def _event(
        self, state: str, asset: str, gateway: str | None, since_ns: int, now_ns: int
    ) -> Connectivity:
        return Connectivity(
            id=derive_id(state, self.tenant, asset, gateway or "", since_ns),
            tenant=self.tenant,
            asset=asset,
            at=as_datetime(now_ns),
            state="offline" if state == "offline" else "online",
            gateway=gateway,
        )

    def dump(self) -> dict[str, Any]:
        """Return what a snapshot keeps."""
        return {
            "heard": dict(self.heard),
            "away": dict(self.away),
            "gateways": dict(self.gateways),
        }

    def load(self, kept: dict[str, Any]) -> None:
        """Take what a snapshot kept."""
        self.heard, self.away = dict(kept["heard"]), dict(kept["away"])
        self.gateways = dict(kept["gateways"])
