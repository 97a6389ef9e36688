"""When a source comes back, and when it sees that it should not."""

import pytest

from bridge.adapters.mqtt.comeback import NEWCOMER_KICKS_MAX, SETTLED_KICKS_MAX, Comeback
from bridge.adapters.mqtt.options import MqttOptions
from bridge.model.errors import ConflictError

OPTIONS = MqttOptions(settled_s=10.0, backoff_min_s=1.0, backoff_max_s=8.0)


def kicks(comeback: Comeback, count: int) -> None:
    """Connect and be closed at once, without a reason."""
    for _ in range(count):
        comeback.connected(0.0)
        comeback.lost(1.0, explained=False)


def test_waits_double_up_to_a_ceiling() -> None:
    """Waits double with jitter, never above the ceiling, never zero."""
    comeback = Comeback(OPTIONS)
    for ceiling_s in (1.0, 2.0, 4.0, 8.0, 8.0, 8.0):
        assert ceiling_s / 2 <= comeback.wait_s() <= ceiling_s


def test_a_long_life_starts_over() -> None:
    """After a connection that lasted, the first wait is short again."""
    comeback = Comeback(OPTIONS)
    for _ in range(5):
        comeback.wait_s()
    comeback.connected(0.0)
    comeback.lost(60.0, explained=True)
    assert comeback.wait_s() <= 1.0


def test_newcomer_gives_up_before_the_elder() -> None:
    """Who never held a connection gives up after few kicks, who did after many."""
    newcomer, elder = Comeback(OPTIONS), Comeback(OPTIONS)
    elder.connected(0.0)
    elder.lost(3_600.0, explained=True)
    kicks(newcomer, NEWCOMER_KICKS_MAX)
    kicks(elder, SETTLED_KICKS_MAX)
    assert NEWCOMER_KICKS_MAX < SETTLED_KICKS_MAX
    for one in (newcomer, elder):
        with pytest.raises(ConflictError, match="another client"):
            kicks(one, 1)


@pytest.mark.parametrize("lead_s", [4.0, 30.0, 86_400.0])
@pytest.mark.parametrize("settled_newcomer", [False, True])
def test_one_of_two_gives_up(lead_s: float, *, settled_newcomer: bool) -> None:
    """Two clients with one id never fight for ever, and the elder outlasts a newcomer.

    Each one's connection lasts as long as the other waits before it comes back.
    """
    elder, newcomer = Comeback(MqttOptions()), Comeback(MqttOptions())
    names = {id(elder): "elder", id(newcomer): "newcomer"}
    elder.connected(0.0)
    now_s, holder, other = lead_s, elder, newcomer
    if settled_newcomer:
        newcomer.connected(0.0)
        newcomer.lost(60.0, explained=True)
    given_up = None
    for _ in range(100):
        other.connected(now_s)
        try:
            holder.lost(now_s, explained=False)
        except ConflictError:
            given_up = names[id(holder)]
            break
        now_s += holder.wait_s()
        holder, other = other, holder
    assert given_up is not None
    if not settled_newcomer:
        assert given_up == "newcomer"


def test_a_broker_that_is_away_is_no_kick() -> None:
    """Failed attempts and explained ends between kicks show trouble at the broker."""
    comeback = Comeback(OPTIONS)
    for _ in range(10):
        kicks(comeback, NEWCOMER_KICKS_MAX)
        comeback.failed()
    for _ in range(10):
        kicks(comeback, NEWCOMER_KICKS_MAX)
        comeback.connected(0.0)
        comeback.lost(1.0, explained=True)
