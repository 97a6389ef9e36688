"""The fixtures themselves: each server is real, takes what it is given, and is a test's own."""

import asyncio
import smtplib
import socket
import ssl
import subprocess
from collections.abc import Callable
from email.message import EmailMessage

import aiomqtt
import httpx
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.ext.asyncio import create_async_engine

from tests.mailbox import Smtp
from tests.servers import HOST, ROOT, InfluxDB, Mosquitto, free_port, locate


async def heard(broker: Mosquitto, topic: str, sender: aiomqtt.Client) -> bytes | None:
    """Publish through ``sender``; give what the bridge hears, None if nothing came."""
    # The broker keeps the order, so what did not come before this last word does not come.
    last_word = "spBv1.0/acme/NCMD/last-word"
    login = {"username": "bridge", "password": "bridge"}
    async with aiomqtt.Client(HOST, broker.port, **login) as listener:
        await listener.subscribe("#", qos=1)
        async with sender:
            await sender.publish(topic, b"21.5", qos=1)
        await listener.publish(last_word, b"", qos=1)
        found = None
        async with asyncio.timeout(10):
            async for message in listener.messages:
                if str(message.topic) == last_word:
                    return found
                found = bytes(message.payload)
    return found


async def test_mosquitto_holds_a_device_to_its_topics(mosquitto: Mosquitto) -> None:
    """A device writes below its own topic, and what it writes elsewhere reaches nobody."""

    def device() -> aiomqtt.Client:
        return aiomqtt.Client(
            HOST,
            mosquitto.port,
            username="press-07",
            password="press-07",
            identifier="press-07",
        )

    assert await heard(mosquitto, "acme/press-07/temperature", device()) == b"21.5"
    assert await heard(mosquitto, "acme/press-08/temperature", device()) is None


async def test_mosquitto_speaks_tls(mosquitto: Mosquitto) -> None:
    """The production door itself is open in tests: TLS, with a certificate that is checked."""
    context = ssl.create_default_context(cafile=str(mosquitto.ca_file))
    sender = aiomqtt.Client(
        HOST,
        mosquitto.tls_port,
        username="simulator",
        password="simulator",
        tls_context=context,
    )
    assert await heard(mosquitto, "acme/press-07/temperature", sender) == b"21.5"


def test_mosquitto_lets_nobody_in_unnamed(mosquitto: Mosquitto) -> None:
    """Without a name, or with a wrong password, there is no connection."""
    assert mosquitto.admits("bridge", "bridge")
    assert not mosquitto.admits("", "")
    assert not mosquitto.admits("bridge", "wrong")


async def test_production_acl(mosquitto_with: Callable[..., Mosquitto]) -> None:
    """As delivered, the bridge only reads, and a Sparkplug node speaks for itself only."""
    broker = mosquitto_with(acl=(ROOT / "deploy/mosquitto/acl").read_text())

    def sender(name: str) -> aiomqtt.Client:
        return aiomqtt.Client(HOST, broker.port, username=name, password=name)

    assert await heard(broker, "acme/press-07/telemetry", sender("bridge")) is None
    assert await heard(broker, "spBv1.0/acme/NDATA/press-07", sender("press-07")) == b"21.5"
    assert await heard(broker, "spBv1.0/acme/NDATA/press-08", sender("press-07")) is None
    assert await heard(broker, "spBv1.0/acme/NCMD/press-07", sender("bridge")) == b"21.5"


async def test_mosquitto_keeps_a_session_over_a_restart(mosquitto_own: Mosquitto) -> None:
    """What waits for an absent client survives, also more than mosquitto's default keeps."""
    login = {"username": "bridge", "password": "bridge"}
    absent = {"identifier": "absent", "clean_session": False, **login}
    async with aiomqtt.Client(HOST, mosquitto_own.port, **absent) as client:
        await client.subscribe("acme/#", qos=1)
    async with aiomqtt.Client(HOST, mosquitto_own.port, **login) as sender:
        sender.pending_calls_threshold = 5_000
        for number in range(3_000):
            await sender.publish("acme/press-07/count", str(number), qos=1)
    mosquitto_own.stop()
    mosquitto_own.start()
    got = []
    async with (
        asyncio.timeout(20),
        aiomqtt.Client(HOST, mosquitto_own.port, **absent) as client,
    ):
        async for message in client.messages:
            got.append(int(message.payload))
            if len(got) == 3_000:
                break
    assert got == list(range(3_000))


async def test_postgres_gives_each_test_a_database(postgres_database: str) -> None:
    """One DSN serves both kinds of engine, and the database is empty."""
    tables = text(
        "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'"
    )
    engine = create_engine(postgres_database)
    with engine.begin() as connection:
        assert connection.scalar(tables) == 0
        connection.execute(text("CREATE TABLE left_behind (id integer)"))
    engine.dispose()
    later = create_async_engine(postgres_database)
    async with later.connect() as connection:
        assert await connection.scalar(tables) == 1
    await later.dispose()


def test_influxdb_takes_and_gives_back(influxdb: InfluxDB, influxdb_bucket: str) -> None:
    """A line written is a row read, with the token and names that the fixture gives."""
    headers = {"Authorization": f"Token {influxdb.token}"}
    asked = {"org": influxdb.org, "bucket": influxdb_bucket}
    line = "m,asset=press-07 temperature=21.5 1700000000000000000"
    answer = httpx.post(
        f"{influxdb.url}/api/v2/write", params=asked, headers=headers, content=line
    )
    assert answer.status_code == 204
    flux = f'from(bucket: "{influxdb_bucket}") |> range(start: 2023-11-14, stop: 2023-11-16)'
    answer = httpx.post(
        f"{influxdb.url}/api/v2/query",
        params={"org": influxdb.org},
        headers={**headers, "Content-Type": "application/vnd.flux"},
        content=flux,
    )
    assert ",21.5,temperature,m,press-07" in answer.text


def test_influxdb_organisations_are_apart(influxdb: InfluxDB, influxdb_org: str) -> None:
    """A bucket of one organisation can have the name of another's."""
    assert influxdb.new_bucket(influxdb_org, "acme") == "acme"
    assert influxdb.new_bucket(influxdb.new_org(), "acme") == "acme"


def test_smtp_keeps_messages_and_can_refuse(smtp: Smtp) -> None:
    """A message arrives readable; a reply asked for is given once, and nothing is kept then."""
    message = EmailMessage()
    message["From"], message["To"] = "bridge@example.com", "planner@example.com"
    message["Subject"] = "Lager prüfen: P10 bis Freitag"
    message.set_content("Bitte einplanen, danke.")
    smtp.replies.append("451 Try later")
    with smtplib.SMTP(smtp.host, smtp.port, timeout=10) as client:
        with pytest.raises(smtplib.SMTPDataError) as refused:
            client.send_message(message)
        assert refused.value.smtp_code == 451
        assert smtp.messages == []
        client.send_message(message)
    assert [kept["Subject"] for kept in smtp.messages] == ["Lager prüfen: P10 bis Freitag"]
    assert "danke" in smtp.messages[0].get_content()


def test_chromium_renders(chromium: str) -> None:
    """The browser starts without a screen and runs a page's script."""
    page = "data:text/html,<script>document.write(6*7)</script>"
    command = [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", page]
    answer = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert "42" in answer.stdout


def test_free_port_is_free() -> None:
    """A port that is given can be listened on."""
    with socket.socket() as probe:
        probe.bind((HOST, free_port()))


def test_locate_finds_nothing_that_is_not_there() -> None:
    """A server that nobody installed is absent, not an error."""
    assert locate("no-such-server") is None
