"""Numbers for assets and signals: issued once, never reused, kept in the journal's file.

A slot is how columns name a signal. The table only grows; a reader that meets a slot it does
not know fetches the newer rows from the journal.
"""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SignalSlot:
    """One signal of one asset of one tenant.

    Parameters
    ----------
    slot : int
        Its number, from 0, dense.
    asset_slot : int
        Number of its asset, from 0, dense.
    tenant, asset, signal : str
        Whose it is.
    """

    slot: int
    asset_slot: int
    tenant: str
    asset: str
    signal: str


class SlotTable:
    """All slots known here, with look-ups both ways.

    Notes
    -----
    One owner, one thread. Intake issues; everybody else only `absorb`s what the journal holds.
    """

    def __init__(self) -> None:
        self.rows: list[SignalSlot] = []
        self.assets: list[tuple[str, str]] = []
        self._signal: dict[tuple[str, str, str], int] = {}
        self._asset: dict[tuple[str, str], int] = {}
        self._fresh: list[SignalSlot] = []

    def __len__(self) -> int:
        return len(self.rows)

    def absorb(self, rows: Iterable[SignalSlot]) -> None:
        """Add rows issued elsewhere, in order of their slots; known ones are passed over."""
        for row in rows:
            if row.slot < len(self.rows):
                continue
            assert row.slot == len(self.rows), f"slot {row.slot} after {len(self.rows)} rows"
            self._add(row)

    def slot(self, tenant: str, asset: str, signal: str) -> int:
        """Return the slot of a signal, issuing a new one where there is none."""
        key = (tenant, asset, signal)
        known = self._signal.get(key)
        if known is not None:
            return known
        asset_slot = self._asset.get((tenant, asset), len(self.assets))
        row = SignalSlot(len(self.rows), asset_slot, tenant, asset, signal)
        self._add(row)
        self._fresh.append(row)
        return row.slot

    def find(self, tenant: str, asset: str, signal: str) -> int | None:
        """Return the slot of a signal, or None; issues nothing."""
        return self._signal.get((tenant, asset, signal))

    def asset_slot(self, tenant: str, asset: str) -> int | None:
        """Return the number of an asset, or None while none of its signals was seen."""
        return self._asset.get((tenant, asset))

    def take_fresh(self) -> list[SignalSlot]:
        """Hand over the rows issued since the last call, for the journal's next commit."""
        fresh, self._fresh = self._fresh, []
        return fresh

    def put_back(self, rows: list[SignalSlot]) -> None:
        """Return rows whose commit failed, so that the next commit carries them."""
        self._fresh[:0] = rows

    def _add(self, row: SignalSlot) -> None:
        self.rows.append(row)
        self._signal[row.tenant, row.asset, row.signal] = row.slot
        if row.asset_slot == len(self.assets):
            self.assets.append((row.tenant, row.asset))
            self._asset[row.tenant, row.asset] = row.asset_slot
