import ast
from pathlib import Path

import pytest

from bridge.app import opening
from bridge.app.settings import Settings, load
from bridge.model.errors import InputError
from tests.unit.app.test_settings import options

APP = Path(opening.__file__).parent
READERS = ("opening.py", "wiring.py", "service.py", "listening.py", "settings.py")
BROKER = {
    "host": "elsewhere",
    "port": 8883,
    "client_id": "other",
    "user": "me",
    "password": "hush",
    "tls": True,
    "share_group": "many",
    "keep_alive_s": 7,
    "session_expiry_s": 77,
    "unacknowledged_max": 777,
    "coalesce_ms": 7.5,
    "connect_timeout_s": 7.5,
}


def attributes() -> set[str]:
    """Names of all attributes that the wiring reads."""
    trees = [ast.parse((APP / name).read_text("utf-8")) for name in READERS]
    return {
        node.attr
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
    }


def test_no_option_is_forgotten() -> None:
    """Every option of the settings is read where the service is opened and wired."""
    read = attributes()
    assert [f"{section}.{key}" for section, key in options(Settings) if key not in read] == []


@pytest.mark.parametrize(("key", "value"), BROKER.items())
def test_every_option_of_the_broker_arrives(key: str, value: object) -> None:
    """What is set for the broker changes what the source is told."""
    text = f'"{value}"' if isinstance(value, str) else str(value).lower()
    changed = opening.mqtt_options(load(None, [f"broker.{key}={text}"]))
    assert changed != opening.mqtt_options(load(None))


def test_the_brokers_files_arrive(tmp_path: Path) -> None:
    """Authority, certificate and key are used with TLS."""
    given = [f"broker.tls_{name}={tmp_path / name}" for name in ("ca", "certificate", "key")]
    tls = opening.mqtt_options(load(None, ["broker.tls=true", *given])).tls
    assert tls is not None
    assert (tls.ca_file, tls.cert_file, tls.key_file) == (
        tmp_path / "ca", tmp_path / "certificate", tmp_path / "key",
    )  # fmt: skip


def test_limits_arrive() -> None:
    """Each limit of intake is the decoder's."""
    limits = opening.limits(
        load(
            None,
            [
                "intake.payload_bytes_max=1", "intake.rows_max=2", "intake.assets_max=3",
                "intake.signals_max=4", "intake.signals_per_asset_max=5",
            ],
        )
    )  # fmt: skip
    assert (
        limits.payload_bytes_max, limits.rows_max, limits.assets_max, limits.signals_max,
        limits.asset_signals_max,
    ) == (1, 2, 3, 4, 5)  # fmt: skip


def test_a_mapping_arrives() -> None:
    """All of a mapping is handed on; a topic without a tenant takes the service's."""
    table = (
        'topic="p/{asset}", time_key="t", time_unit="s", shape="rows", signals_key="v", '
        'names={T1="temp"}, ignore=["seq"]'
    )
    given = ["service.tenant=acme", f"intake.mapping=[{{{table}}}]"]
    [mapping] = opening.mappings(load(None, given))
    assert (mapping.topic, mapping.tenant, mapping.time_key, mapping.time_unit) == (
        "p/{asset}", "acme", "t", "s",
    )  # fmt: skip
    assert (mapping.shape, mapping.signals_key, dict(mapping.names), tuple(mapping.ignore)) == (
        "rows", "v", {"T1": "temp"}, ("seq",),
    )  # fmt: skip
    assert opening.mqtt_options(
        load(None, ['intake.mapping=[{topic="p/{asset}"}, {topic="p/{asset}"}]'])
    ).filters == ("p/+",)


def test_a_mapping_that_makes_no_sense_is_refused() -> None:
    """It is refused when the service is opened, by its topic."""
    with pytest.raises(InputError, match=r"p/\{asset"):
        opening.mappings(load(None, ['intake.mapping=[{topic="p/{asset"}]']))


def test_without_a_mail_server_there_is_no_channel() -> None:
    """No host, no e-mail; with one there is."""
    assert opening.smtp_channel(load(None)) is None
    channel = opening.smtp_channel(load(None, ["channels.smtp.host=mail"]))
    assert channel is not None


async def test_channels_close_what_they_opened(tmp_path: Path) -> None:
    """Every channel is open under its name, and its connections end with the block."""
    journal = await opening.open_journal(load(None, [f"service.data_folder={tmp_path}"]))
    hook = '[{name="crm", url="http://127.0.0.1:9/x", secret_key="k"}]'
    settings = load(None, [f"channels.webhook={hook}"])
    async with opening.open_channels(settings, journal) as channels:
        assert tuple(channels) == opening.channel_names(settings)
        webhook = channels["webhook:crm"]
        assert not webhook._client.is_closed  # noqa: SLF001 - nothing else tells
    assert webhook._client.is_closed  # noqa: SLF001
    await journal.close()
