"""What every source promises about TLS, against a real mosquitto."""

from collections.abc import Callable
from pathlib import Path

import pytest

from bridge.adapters.mqtt.options import MqttOptions, TlsOptions
from bridge.flow.ports import Source
from bridge.model.errors import InputError, UnavailableError
from tests.certificates import Pair, authority, locked, signed
from tests.servers import Mosquitto
from tests.servers_mqtt import publish
from tests.sources import SOURCES, Kit, collect, kit_for, numbered
from tests.system.running import bridge

# The broker's own authority signs the clients too; who they are stands in their certificates.
BY_CERTIFICATE = (
    "cafile tls/server.crt\nrequire_certificate true\nuse_identity_as_username true"
)

# paho leaves its socket open when the handshake fails.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(params=SOURCES)
def make(request: pytest.FixtureRequest) -> Callable[[MqttOptions], Source]:
    """Give each kind of source in turn."""
    return SOURCES[request.param]


@pytest.fixture
def strict(mosquitto_with: Callable[..., Mosquitto]) -> Mosquitto:
    """Give a broker whose TLS door asks for a certificate."""
    return mosquitto_with(options=BY_CERTIFICATE)


def owner(broker: Mosquitto) -> Pair:
    """Give the authority that a broker trusts."""
    return Pair(broker.ca_file, broker.ca_file.with_name("server.key"))


def at_tls(kit: Kit, broker: Mosquitto, own: Pair | None, by: Path | None = None) -> Source:
    """Make a source for a TLS door, without password."""
    files = (None, None) if own is None else (own.certificate, own.key)
    tls = TlsOptions(by or broker.ca_file, *files)
    return kit.source(port=broker.tls_port, tls=tls, username="", password="")


async def test_broker_is_verified(
    mosquitto: Mosquitto, make: Callable[[MqttOptions], Source]
) -> None:
    """Over TLS the broker's certificate is verified; a stranger's is refused."""
    kit = kit_for(mosquitto, make)
    tls = TlsOptions(ca_file=mosquitto.ca_file)
    async with kit.source(port=mosquitto.tls_port, tls=tls) as source:
        publish(mosquitto, kit.topic, numbered(10))
        assert await collect(source, 10) == numbered(10)
    with pytest.raises(UnavailableError, match=r"(?i)certificate"):
        async with kit.source(port=mosquitto.tls_port, tls=TlsOptions()):
            pass


async def test_certificate_instead_of_password(
    strict: Mosquitto, make: Callable[[MqttOptions], Source], tmp_path: Path
) -> None:
    """A certificate lets the bridge in, and its name has the rights of that user."""
    kit = kit_for(strict, make)
    own = signed(owner(strict), tmp_path, "bridge")
    async with at_tls(kit, strict, own) as source:
        publish(strict, kit.topic, numbered(10))
        assert await collect(source, 10) == numbered(10)


async def test_certificate_that_is_refused(
    strict: Mosquitto, make: Callable[[MqttOptions], Source], tmp_path: Path
) -> None:
    """No certificate, an expired one and a stranger's are told apart from a broker away."""
    kit = kit_for(strict, make)
    stranger = authority(tmp_path, "stranger")
    expired = signed(owner(strict), tmp_path / "expired", "bridge", days=-1)
    foreign = signed(stranger, tmp_path / "foreign", "bridge")
    with pytest.raises(UnavailableError, match=r"ask for a certificate \(tls_certificate\)"):
        async with at_tls(kit, strict, None):
            pass
    for own in (expired, foreign):
        accepted = f"accept the certificate {own.certificate}"
        with pytest.raises(UnavailableError, match=accepted) as told:
            async with at_tls(kit, strict, own):
                pass
        assert f"127.0.0.1:{strict.tls_port}" in str(told.value)
    with pytest.raises(UnavailableError, match="certificate verify failed"):
        async with at_tls(kit, strict, foreign, stranger.certificate):
            pass


def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    """A missing file, a key that does not fit and a locked key are named; nothing is asked."""
    one, other = authority(tmp_path, "one"), authority(tmp_path, "other")
    for options, named in (
        (TlsOptions(tmp_path / "none.pem"), "authority .*none.pem: .*No such file"),
        (TlsOptions(None, tmp_path / "none.crt"), "certificate .*none.crt, key in it: "),
        (TlsOptions(None, one.certificate, other.key), "key .*other.key: .*(?i:mismatch)"),
        (TlsOptions(None, one.certificate, locked(one)), "key .*one.locked: "),
    ):
        with pytest.raises(InputError, match=named):
            options.context()


def test_check_says_what_is_wrong(strict: Mosquitto, tmp_path: Path) -> None:
    """`bridge check --connect` says whether the certificate is taken, and what may be wrong."""
    own = signed(owner(strict), tmp_path, "bridge")
    expired = signed(owner(strict), tmp_path / "expired", "bridge", days=-1)
    for pair, code, told in (
        (own, 0, "broker: 127.0.0.1:"),
        (expired, 1, f"does the broker accept the certificate {expired.certificate}?"),
    ):
        config = tmp_path / "bridge.toml"
        config.write_text(
            f'[service]\ndata_folder = "{tmp_path}/data"\n'
            f'[broker]\nport = {strict.tls_port}\ntls = true\ntls_ca = "{strict.ca_file}"\n'
            f'tls_certificate = "{pair.certificate}"\ntls_key = "{pair.key}"\n'
        )
        answer = bridge("check", "--config", config, "--connect")
        assert answer.returncode == code, answer.stdout + answer.stderr
        assert told in " ".join(answer.stdout.split())
