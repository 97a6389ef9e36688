import re
import tomllib
from pathlib import Path

import pytest
from pydantic import BaseModel

from bridge.app.settings import Settings, load
from bridge.model.errors import CatalogError

SAMPLE = Path(__file__).parents[3] / "deploy" / "bridge.toml"


def options(model: type[BaseModel], prefix: str = "") -> list[tuple[str, str]]:
    """Every option as (section, key); nested sections have their own names."""
    found = []
    for name, field in model.model_fields.items():
        kinds = [field.annotation, *getattr(field.annotation, "__args__", ())]
        nested = next(
            (kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)),
            None,
        )
        if nested:
            found += options(nested, f"{prefix}.{name}".strip("."))
        else:
            found.append((prefix, name))
    return found


@pytest.mark.parametrize(("section", "key"), options(Settings), ids=str)
def test_every_option_is_documented(section: str, key: str):
    """The sample file names each option in its section, with a comment or a value."""
    text = SAMPLE.read_text("utf-8")
    heads = re.split(r"^#? ?(?=\[\[?[a-z_.]+\]\]?)", text, flags=re.MULTILINE)
    bodies = [part for part in heads if re.match(rf"\[\[?{re.escape(section)}\]\]?", part)]
    assert any(re.search(rf"^#? ?{key} = ", body, re.MULTILINE) for body in bodies)


def test_the_sample_holds_the_defaults():
    """Starting with the sample file is starting with the defaults."""
    assert load(SAMPLE) == load(None)


def test_the_sample_names_no_unknown_option():
    """Commented-in options that do not exist would mislead; the strict tree refuses them."""
    known = {key for _, key in options(Settings)}
    text = re.sub(r"^# (?=[a-z_]+ = )", "", SAMPLE.read_text("utf-8"), flags=re.MULTILINE)
    named = set(re.findall(r"^([a-z_]+) = ", text, flags=re.MULTILINE))
    assert named <= known
    assert tomllib.loads(SAMPLE.read_text("utf-8"))


def test_set_beats_environment_beats_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The nearer to the user, the stronger."""
    file = tmp_path / "bridge.toml"
    file.write_text('[broker]\nhost = "file"\nport = 1\nclient_id = "file"\n')
    monkeypatch.setenv("BRIDGE_BROKER__HOST", "environment")
    monkeypatch.setenv("BRIDGE_BROKER__PORT", "2")
    settings = load(file, ["broker.port=3"])
    assert settings.broker.host == "environment"
    assert settings.broker.port == 3
    assert settings.broker.client_id == "file"


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("broker.port=0", ["broker.port", "0", "greater than or equal to 1"]),
        ("broker.colour=1", ["broker.colour", "not permitted"]),
        ("web.host=0.0.0.0", ["not loopback", "tls_certificate", "behind_proxy"]),
        ('web.origins=["bridge.example"]', ["web.origins", "https://host"]),
        ('web.origins=["https://bridge.example/"]', ["web.origins", "https://host"]),
        (
            'channels.webhook=[{name="crm", url="crm.example", secret_key="k"}]',
            ["channels.webhook.0.url", "crm.example", "https://host/path"],
        ),
        ("series.url=influx:8086", ["series.url", "http://host/path"]),
        ("nothing", ["section.key=value"]),
        ('service.roles=["cook"]', ["service.roles", "cook", "intake"]),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(override: str, words: list[str]):
    """The error tells the key, what was found and what is allowed."""
    with pytest.raises(CatalogError) as caught:
        load(None, [override])
    for word in words:
        assert word in str(caught.value)


def test_a_secret_comes_from_its_file_and_never_shows(tmp_path: Path):
    """Passwords are read from their file, stripped, and hidden in every representation."""
    secret = tmp_path / "secret"
    secret.write_text("hush\n")
    settings = load(None, [f"broker.password_file={secret}"])
    assert settings.broker.secret == "hush"
    assert "hush" not in repr(settings)
    assert "hush" not in repr(load(None, ["broker.password=hush"]))


def test_a_file_that_is_no_toml_is_named(tmp_path: Path):
    """A broken file is an error with its name, not a traceback."""
    file = tmp_path / "broken.toml"
    file.write_text("[broker\n")
    with pytest.raises(CatalogError, match=r"broken\.toml"):
        load(file)


@pytest.mark.parametrize(
    "overrides",
    [
        ["broker.password=hush", "broker.password_file=/nonexistent"],
        ["broker.password=hush", "broker.tls_ca=ca.pem"],
        ["broker.password=['hush']"],
        ["records.url=['postgresql+psycopg://me:hush@db/x']"],
        ["series.url=ftp://me:hush@db"],
        ['channels.webhook=[{name="crm", url="http://crm", secret_key="whsec_hush!"}]'],
        ["broker=hush"],
    ],
)
def test_no_secret_is_shown(overrides: list[str]):
    """Whatever is wrong around a secret, the message does not repeat it."""
    with pytest.raises(CatalogError) as caught:
        load(None, overrides)
    assert "hush" not in str(caught.value).replace("broker=hush", "")


@pytest.mark.parametrize("key", ["broker.password", "series.token", "channels.smtp.password"])
def test_an_empty_secret_is_refused(tmp_path: Path, key: str):
    """An empty secret is a mistake, not no secret: a file may not have been filled."""
    empty = tmp_path / "secret"
    empty.write_text("\n")
    for override in (f'{key}=""', f"{key}_file={empty}"):
        with pytest.raises(CatalogError, match="is empty"):
            load(None, [override])


def test_an_unknown_section_in_the_environment_is_refused(monkeypatch: pytest.MonkeyPatch):
    """A slip in a variable's name is an error, not silence; other variables are not ours."""
    monkeypatch.setenv("BRIDGE_TOKEN", "for the command line")
    load(None)
    monkeypatch.setenv("BRIDGE_BROKR__HOST", "x")
    with pytest.raises(CatalogError, match=r"BRIDGE_BROKR__HOST.*broker"):
        load(None)


def test_a_value_and_a_section_are_not_both():
    """One key cannot be a value and a section."""
    with pytest.raises(CatalogError, match="one of both"):
        load(None, ["broker.port=1", "broker.port.deep=2"])
