"""The command line: ``bridge COMMAND``; a command imports what it needs when it runs."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from bridge.app.backtest import backtest_command
from bridge.app.learn import learn_command
from bridge.model.errors import BridgeError, CatalogError, ConflictError, UnavailableError

app = typer.Typer(
    name="bridge",
    help="From a machine's telemetry to one case with two owners.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    epilog="Try it: [bold]bridge demo[/bold]. Your own machines: [bold]bridge discover[/bold], "
    "then [bold]bridge check[/bold], then [bold]bridge serve[/bold].",
)
catalog_app = typer.Typer(no_args_is_help=True, help="Bring the catalog in and out.")
user_app = typer.Typer(no_args_is_help=True, help="People who may sign in.")
token_app = typer.Typer(no_args_is_help=True, help="Tokens for the REST API.")
app.add_typer(catalog_app, name="catalog")
app.add_typer(user_app, name="user")
app.add_typer(token_app, name="token")

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="Settings file (TOML); see deploy/bridge.toml."),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set", help="One setting, stronger than file and environment: web.port=9000"
    ),
]
UrlOption = Annotated[str, typer.Option("--url", help="Where the running service answers.")]
TokenOption = Annotated[
    str, typer.Option("--token", envvar="BRIDGE_TOKEN", help="A token of `bridge token issue`.")
]
LOCAL_URL = "http://127.0.0.1:8080"


def main() -> None:
    """Run the command line; errors that a person can mend are one line and exit code 2 or 1."""
    try:
        app()
    except CatalogError as error:
        _fail(str(error), 2)
    except ConflictError as error:
        _fail(str(error), 1)
    except UnavailableError as error:
        _fail(str(error), 1)
    except BridgeError as error:
        _fail(str(error), 2)
    except OSError as error:
        if error.filename is None:
            raise  # not of a file that somebody named, so it is ours: show where
        _fail(f"{error.filename}: {error.strerror}", 1)


def _fail(text: str, code: int) -> None:
    sys.stderr.write(f"bridge: {text}\n")
    raise SystemExit(code)


@app.command()
def serve(
    config: ConfigOption = None,
    set_: SetOption = None,
    roles: Annotated[
        str | None,
        typer.Option(help="Which parts run here: intake,archive,watch,desk,web (default all)."),
    ] = None,
) -> None:
    """Run the service until Ctrl-C or SIGTERM.

    Examples
    --------
      bridge serve --config bridge.toml

      bridge serve --config bridge.toml --roles intake,archive

      bridge serve --set broker.host=mqtt.example --set web.port=9000
    """
    from bridge.app import service, settings

    overrides = list(set_ or [])
    if roles is not None:
        overrides.append(f"service.roles={[part.strip() for part in roles.split(',')]}")
    service.serve(settings.load(config, overrides))


@app.command()
def demo(
    seed: Annotated[int, typer.Option(help="Another seed, another fate of the fleet.")] = 1,
    speed: Annotated[
        float,
        typer.Option(min=1, max=20000, help="Simulated seconds per second, once it is live."),
    ] = 600,
    faults: Annotated[
        Literal["all", "none"],
        typer.Option(help="`none` for a fleet in which nothing ever goes wrong."),
    ] = "all",
    fresh: Annotated[bool, typer.Option(help="Forget what an earlier demo left.")] = False,  # noqa: FBT002
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the console.")] = 8080,
    folder: Annotated[
        Path | None,
        typer.Option(help="Where the demo keeps its data.", show_default="a cache folder"),
    ] = None,
) -> None:
    """Watch a simulated fleet wear out; everything runs on this machine only.

    Examples
    --------
      bridge demo

      bridge demo --seed 7 --speed 1800 --fresh

      bridge demo --faults none
    """
    from bridge.app.demo import DemoOptions, run_demo

    run_demo(
        DemoOptions(
            seed=seed, speed=speed, faults=faults, fresh=fresh, port=port, folder=folder
        )
    )


@app.command()
def check(
    path: Annotated[
        Path | None,
        typer.Argument(help="A catalog (file or folder) or a settings file (.toml)."),
    ] = None,
    config: ConfigOption = None,
    set_: SetOption = None,
    connect: Annotated[  # noqa: FBT002
        bool, typer.Option(help="Also ask the broker, the stores and the channels.")
    ] = False,
) -> None:
    """Validate a catalog and settings; with --connect also ask everything outside.

    Examples
    --------
      bridge check catalog.yaml

      bridge check --config bridge.toml --connect
    """
    from bridge.app.check import run_check

    raise typer.Exit(run_check(path, config, set_ or [], connect=connect))


@app.command()
def discover(  # noqa: PLR0913, PLR0917 - one parameter per option
    broker: Annotated[str, typer.Option(help="host or host:port of the broker.")],
    seconds: Annotated[float, typer.Option(min=1, max=3600, help="How long to listen.")] = 60,
    out: Annotated[Path, typer.Option(help="Folder for the files it writes.")] = Path(),
    user: Annotated[str | None, typer.Option(help="User at the broker.")] = None,
    password: Annotated[
        str | None,
        typer.Option(envvar="BRIDGE_BROKER__PASSWORD", help="Password at the broker."),
    ] = None,
    tls: Annotated[bool, typer.Option("--tls", help="Speak TLS (port 8883).")] = False,  # noqa: FBT002
    tls_ca: Annotated[Path | None, typer.Option(help="The broker's authority.")] = None,
    tls_certificate: Annotated[
        Path | None, typer.Option(help="A client certificate, with --tls-key.")
    ] = None,
    tls_key: Annotated[Path | None, typer.Option(help="The certificate's key.")] = None,
) -> None:
    """Listen to a broker and write a starting configuration and catalog for you to finish.

    Examples
    --------
      bridge discover --broker mqtt.example:1883

      bridge discover --broker 127.0.0.1 --seconds 20 --out mine

      bridge discover --broker mqtt.example --tls --tls-ca ca.pem --user me
    """
    from bridge.app.commands import run_discover
    from bridge.app.discover import Door

    door = Door(user, password, tls or tls_ca is not None, tls_ca, tls_certificate, tls_key)
    run_discover(broker, seconds, out, door)


app.command("learn")(learn_command)
app.command("backtest")(backtest_command)


@catalog_app.command("import")
def catalog_import(
    path: Annotated[Path, typer.Argument(help="A catalog file, or a folder of them.")],
    url: UrlOption = LOCAL_URL,
    token: TokenOption = "",
    dry_run: Annotated[  # noqa: FBT002
        bool, typer.Option("--dry-run", help="Only print what would change.")
    ] = False,
) -> None:
    """Bring a catalog into a running service; prints what it adds, changes and orphans.

    Example:

      bridge catalog import catalog.yaml --dry-run
    """
    from bridge.app.commands import run_catalog_import

    run_catalog_import(path, url, token, dry_run=dry_run)


@catalog_app.command("export")
def catalog_export(url: UrlOption = LOCAL_URL, token: TokenOption = "") -> None:
    """Print the catalog of a running service as YAML.

    Example:

      bridge catalog export > catalog.yaml
    """
    from bridge.app.commands import run_catalog_export

    run_catalog_export(url, token)


@user_app.command("add")
def user_add(
    person: Annotated[str, typer.Argument(help="Person id of the catalog.")],
    config: ConfigOption = None,
    set_: SetOption = None,
    password_file: Annotated[
        Path | None, typer.Option(help="Read the password from here instead of asking.")
    ] = None,
    role: Annotated[
        str | None,
        typer.Option(
            help="`operator` or `admin`: for who runs the service and is in no catalog."
        ),
    ] = None,
) -> None:
    """Let a person sign in with a password: somebody of the catalog, or an operator.

    Examples
    --------
      bridge user add op-1 --role operator --config bridge.toml

      bridge user add fe-1 --config bridge.toml
    """
    from bridge.app.commands import run_user_add

    run_user_add(person, config, set_ or [], password_file, role)


@token_app.command("issue")
def token_issue(
    person: Annotated[
        str, typer.Argument(help="Person id of the catalog whom the token acts as.")
    ],
    name: Annotated[str, typer.Option(help="What the token is for.")] = "default",
    days: Annotated[float, typer.Option(min=0.01, help="How long it holds.")] = 365,
    config: ConfigOption = None,
    set_: SetOption = None,
) -> None:
    """Print a new token once; only its hash is kept.

    Example:

      bridge token issue op-1 --name import --days 30 --config bridge.toml
    """
    from bridge.app.commands import run_token_issue

    run_token_issue(person, name, days, config, set_ or [])


@token_app.command("revoke")
def token_revoke(
    name: Annotated[str, typer.Argument(help="Name given at issue.")],
    config: ConfigOption = None,
    set_: SetOption = None,
) -> None:
    """Make a token worthless at once.

    Example:

      bridge token revoke import --config bridge.toml
    """
    from bridge.app.commands import run_token_revoke

    run_token_revoke(name, config, set_ or [])


@app.command()
def version() -> None:
    """Print the version.

    Example:

      bridge version
    """
    from bridge import __version__

    typer.echo(__version__)
