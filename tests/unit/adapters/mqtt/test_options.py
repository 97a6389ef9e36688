import pytest

from bridge.adapters.mqtt.options import MqttOptions, covers


@pytest.mark.parametrize(
    ("wide", "narrow", "expected"),
    [
        ("a/+/c", "a/b/c", True),
        ("a/+/+", "a/+/c", True),
        ("a/#", "a/+/c", True),
        ("a/#", "a", True),
        ("#", "a/b", True),
        ("a/+/c", "a/+/+", False),
        ("a/+", "a/b/c", False),
        ("a/+/c", "a/#", False),
        ("a/b", "a/c", False),
        ("a/b/c", "a/b", False),
    ],
)
def test_a_filter_covers_another(wide: str, narrow: str, *, expected: bool) -> None:
    """A filter covers another where every topic of the other fits it."""
    assert covers(wide, narrow) is expected


def test_covered_filters_are_not_subscribed() -> None:
    """What another filter brings anyway is not subscribed: brokers would deliver it twice."""
    filters = ("plant/+/telemetry", "plant/+/+", "senml/+", "senml/+", "plant/rows/+")
    assert MqttOptions(filters=filters).subscriptions == ("plant/+/+", "senml/+")
    shared = MqttOptions(filters=filters, share_group="g").subscriptions
    assert shared == ("$share/g/plant/+/+", "$share/g/senml/+")
