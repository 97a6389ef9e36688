"""What the watch owns and its thread works on: groups, tellers, presence; no waiting in here.

The async part hands over records in the order of the journal and takes away what is to be said.
One thread at a time works on an engine, so nothing in it is locked.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from bridge.codec import blob
from bridge.detect.align import Surplus, Tall
from bridge.flow.groups import Group, Plan, Row, build, plan_of_model, plan_of_stranger
from bridge.flow.ports import Record
from bridge.flow.presence import Presence, PresenceOptions
from bridge.flow.telling import Teller, TellingOptions
from bridge.model.catalog import Catalog
from bridge.model.control import (
    CONTROL,
    CatalogControl,
    Control,
    ModelControl,
    RebaselineControl,
    RepairControl,
)
from bridge.model.detections import Detection
from bridge.model.instants import NS_PER_S, as_ns
from bridge.model.samples import Samples
from bridge.model.slots import SignalSlot, SlotTable

UNWATCHED = -2
UNRESOLVED = -1


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """How the engine reads and what it tells.

    Parameters
    ----------
    lateness_s : float or None
        Known reordering of all sources; None learns it.
    since_ns : int
        When the watch began, on the bridge's clock: nobody is missed by what was before.
    future_s : float
        A sample so far ahead of its receive time has a wrong clock and is not watched.
    derived_every_s : float
        Event time between two points of the derived series.
    telling, presence
        See their modules.
    """

    lateness_s: float | None = None
    since_ns: int = 0
    future_s: float = 300.0
    derived_every_s: float = 3_600.0
    telling: TellingOptions = field(default_factory=TellingOptions)
    presence: PresenceOptions = field(default_factory=PresenceOptions)


@dataclass(slots=True)
class Counts:
    """Samples that were not watched, by reason."""

    late: int = 0
    repeat: int = 0
    future: int = 0
    unwatched: int = 0


@dataclass(slots=True)
class Tenant:
    """What is watched for one tenant.

    Attributes
    ----------
    version, catalog
        Of the catalog that holds; 0 and None before there is one.
    groups : dict of name to Group
        By model id, or ``~`` and the asset's id.
    home : dict of asset to Group
        Where each asset is watched.
    """

    teller: Teller
    presence: Presence
    version: int = 0
    catalog: Catalog | None = None
    groups: dict[str, Group] = field(default_factory=dict)
    home: dict[str, Group] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Derived:
    """Points of the derived series: one score and one health of one asset each."""

    tenant: str
    asset: str
    t_ns: int
    score: float
    health: float


class HaltedError(Exception):
    """The engine was halted in the middle of its work; what it holds is half done."""


class Engine:
    """All that is watched.

    Attributes
    ----------
    slots : SlotTable
        Names of the slots; `absorb` keeps it up.
    tenants : dict of str to Tenant
        By name.
    counts : Counts
        Since they were last taken.
    derived : list of Derived
        Since they were last taken.
    """

    def __init__(self, options: EngineOptions) -> None:
        self.options = options
        self.slots = SlotTable()
        self.tenants: dict[str, Tenant] = {}
        self.counts = Counts()
        self.derived: list[Derived] = []
        self._halted = False
        self._groups: list[Group] = []
        self._where = np.empty((0, 3), np.int32)

    def absorb(self, rows: Sequence[SignalSlot]) -> None:
        """Take the names of new slots."""
        self.slots.absorb(rows)
        more = len(self.slots) - len(self._where)
        if more > 0:
            new = np.full((more, 3), UNRESOLVED, np.int32)
            self._where = np.concatenate([self._where, new])

    def tenant(self, name: str) -> Tenant:
        """Return what is watched for a tenant."""
        if name not in self.tenants:
            teller = Teller(name, self.options.telling)
            presence = Presence(name, self.options.presence, since_ns=self.options.since_ns)
            self.tenants[name] = Tenant(teller, presence)
        return self.tenants[name]

    def halt(self) -> None:
        """Let work in another thread end at its next frame by HaltedError; for good."""
        self._halted = True

    def feed(
        self, records: Sequence[Record], catalogs: dict[tuple[str, int], Catalog]
    ) -> dict[str, list[Detection]]:
        """Take records in the order of the journal; return what is to be said, by tenant."""
        for record in records:
            if record.kind == "samples":
                self.take(record.tenant, blob.decode(record.body))
            else:
                self._control(CONTROL.validate_json(record.body), catalogs)
        return {
            name: said for name, each in self.tenants.items() if (said := each.teller.take())
        }

    def take(self, tenant: str, samples: Samples) -> None:
        """Watch one blob of samples."""
        if not len(samples):
            return
        ahead = samples.t_ns > samples.receive_ns + int(self.options.future_s * NS_PER_S)
        self.counts.future += int(ahead.sum())
        keep = ~ahead
        slot = samples.signal[keep]
        known = slot < len(self._where)
        assert bool(known.all()), "a blob names a slot that the journal has not told"
        for each in np.unique(slot[self._where[slot, 0] == UNRESOLVED]):
            self._resolve(int(each))
        where = self._where[slot]
        self.counts.unwatched += int((where[:, 0] == UNWATCHED).sum())
        t_ns, value = samples.t_ns[keep], samples.value[keep]
        for number in np.unique(where[:, 0][where[:, 0] >= 0]):
            pick = where[:, 0] == number
            tall = Tall(where[pick, 1], where[pick, 2], t_ns[pick], value[pick])
            self._watch(tenant, self._groups[number], tall, samples.receive_ns)

    def adopt(self, catalog: Catalog, version: int) -> None:
        """Watch by this catalog: new assets are watched, known ones keep their memory."""
        tenant = self.tenant(catalog.tenant)
        tenant.version, tenant.catalog = version, catalog
        tenant.presence.adopt(catalog)
        for model in catalog.models:
            plan = plan_of_model(catalog, model, self.options.lateness_s)
            if plan is None:
                continue
            known = tenant.groups.get(model.id)
            assets = [each.id for each in catalog.assets if each.model == model.id]
            if known is None or not _alike(known.plan, plan):
                self.replace(tenant, model.id, build(plan, len(assets)))
            else:
                known.replan(plan)
            group = tenant.groups[model.id]
            for asset in assets:
                group.row(asset)
                tenant.home[asset] = group
        self.forget_places()

    def forget_places(self) -> None:
        """Look up anew where every signal is watched."""
        self._where[:, 0] = UNRESOLVED

    def replace(self, tenant: Tenant, key: str, group: Group) -> None:
        """Put a group into the place of the one that has this name."""
        known = tenant.groups.get(key)
        tenant.groups[key] = group
        if known is None:
            self._groups.append(group)
        else:
            number = next(at for at, each in enumerate(self._groups) if each is known)
            self._groups[number] = group

    def check(self, now_ns: int) -> dict[str, list[Detection]]:
        """Return who went away and who came back, by tenant."""
        said: dict[str, list[Detection]] = {}
        for name, tenant in self.tenants.items():
            every_s = {asset: group.plan.config.every_s for asset, group in tenant.home.items()}
            events: list[Detection] = list(tenant.presence.check(every_s, now_ns))
            if events:
                said[name] = events
        return said

    def _watch(self, name: str, group: Group, tall: Tall, receive_ns: int) -> None:
        tenant, surplus = self.tenant(name), Surplus()
        every_ns = int(self.options.derived_every_s * NS_PER_S)

        def tell(row: Row) -> None:
            if self._halted:
                raise HaltedError
            tenant.teller.look(group, row)
            self._derive(name, group, row, every_ns)

        group.take(tall, receive_ns, surplus, tell)
        for slot in np.unique(tall.asset):
            tenant.presence.note(group.assets[slot], receive_ns)
        self.counts.late += surplus.late
        self.counts.repeat += surplus.repeat

    def _derive(self, tenant: str, group: Group, row: Row, every_ns: int) -> None:
        """Note score and health at the first row of each span of event time."""
        latest, at = group.memory.latest, row.frame.slot
        span = row.frame.t_ns // every_ns
        for index in np.flatnonzero(span > latest.derived[at]):
            slot = int(at[index])
            self.derived.append(
                Derived(
                    tenant,
                    group.assets[slot],
                    int(row.frame.t_ns[index]),
                    float(row.out.score[index]),
                    float(latest.health[slot]),
                )
            )
        latest.derived[at] = np.maximum(latest.derived[at], span)

    def _resolve(self, slot: int) -> None:
        """Find where a signal is watched; an asset without a home gets one."""
        row = self.slots.rows[slot]
        tenant = self.tenant(row.tenant)
        group = tenant.home.get(row.asset)
        if group is None or (not group.plan.known and row.signal not in group.signals):
            group = self._stranger(tenant, group, row)
        if row.signal not in group.signals:
            self._where[slot] = (UNWATCHED, 0, 0)
            return
        number = next(at for at, each in enumerate(self._groups) if each is group)
        column = group.signals.index(row.signal)
        self._where[slot] = (number, group.row(row.asset), column)

    def _stranger(self, tenant: Tenant, known: Group | None, row: SignalSlot) -> Group:
        """Make a group for an asset without a catalog, or a wider one while it learns."""
        if known is not None and known.memory.latest.learned[0] >= 1.0:
            return known
        signals = (*known.signals, row.signal) if known else (row.signal,)
        plan = plan_of_stranger(row.tenant, row.asset, signals, self.options.lateness_s)
        group = build(plan, 1)
        group.row(row.asset)
        tenant.home[row.asset] = group
        self.replace(tenant, f"~{row.asset}", group)
        return group

    def _control(self, control: Control, catalogs: dict[tuple[str, int], Catalog]) -> None:
        """Do what a control record says."""
        tenant = self.tenant(control.tenant)
        if isinstance(control, CatalogControl):
            catalog = catalogs.get((control.tenant, control.version))
            if catalog is not None:
                self.adopt(catalog, control.version)
            return
        if isinstance(control, ModelControl):
            return  # nothing here is learned from it, so there is nothing to forget
        group = tenant.home.get(control.asset)
        if group is None:
            return
        reason = "repaired" if isinstance(control, RepairControl) else "another normal"
        tenant.teller.end(control.asset, as_ns(control.at), reason)
        if isinstance(control, RepairControl | RebaselineControl):
            group.forget(control.asset)
            tenant.teller.forget(control.asset)


def _alike(old: Plan, new: Plan) -> bool:
    """Say whether a group's memory still means the same under another plan."""
    a, b = old.config, new.config
    same = (a.signals, a.settings, a.every_s) == (b.signals, b.settings, b.every_s)
    return same and old.grid.every_ns == new.grid.every_ns
