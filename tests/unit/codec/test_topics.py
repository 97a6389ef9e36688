"""Topic templates."""

import pytest

from bridge.codec.topics import Place, TopicTemplate
from bridge.model.errors import InputError


@pytest.mark.parametrize(
    ("template", "subscription"),
    [
        ("{tenant}/{site}/{asset}/telemetry", "+/+/+/telemetry"),
        ("plant/{asset}/{signal}", "plant/+/+"),
        ("gw/{gateway}/#", "gw/+/#"),
        ("plant/line-{line}/press-{asset}", "plant/+/+"),
        ("+/{asset}", "+/+"),
    ],
)
def test_subscription(template: str, subscription: str) -> None:
    """A placeholder is one level of the subscription."""
    assert TopicTemplate(template).filter == subscription


@pytest.mark.parametrize(
    ("template", "topic", "place"),
    [
        ("{tenant}/{site}/{asset}/telemetry", "acme/b/m1/telemetry", Place("acme", "m1")),
        ("{tenant}/{site}/{asset}/telemetry", "acme/b/m1/state", None),
        ("{tenant}/{site}/{asset}/telemetry", "acme/b/c/m1/telemetry", None),
        ("plant/{asset}/{signal}", "plant/m1/temp", Place(None, "m1", "temp")),
        ("plant/{asset}/{signal}", "plant/m1/", None),
        ("plant/press-{asset}", "plant/press-7", Place(asset="7")),
        ("plant/press-{asset}", "plant/pump-7", None),
        ("gw/{gateway}/#", "gw/7/a/b", Place(gateway="7")),
        ("gw/{gateway}/#", "gw/7", Place(gateway="7")),
        ("a.b/{asset}", "aXb/m", None),
        ("#", "a/b", Place()),
        ("#", "$SYS/a", None),
    ],
)
def test_match(template: str, topic: str, place: Place | None) -> None:
    """A topic that fits tells what its levels stand for; one that does not tells nothing."""
    assert TopicTemplate(template).match(topic) == place


@pytest.mark.parametrize(
    "template",
    [
        "",
        "a/#/b",
        "a#",
        "a+/b",
        "{asset",
        "a}/b",
        "{asset}/{asset}",
        "{asset}{signal}",
        "$SYS/x",
    ],
)
def test_impossible_templates(template: str) -> None:
    """What cannot be a topic is refused, and named."""
    with pytest.raises(InputError, match="topic"):
        TopicTemplate(template)
