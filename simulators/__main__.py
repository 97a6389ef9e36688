"""``python -m simulators fleet | replay | load``: machines for tests and demonstrations."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    name="simulators",
    help="Machines that misbehave on purpose, anyone's history replayed, and plain load.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

BrokerOption = Annotated[str, typer.Option("--broker", help="host or host:port.")]
UserOption = Annotated[str | None, typer.Option(help="User at the broker.")]
PasswordOption = Annotated[
    str | None, typer.Option(envvar="SIMULATORS_PASSWORD", help="Password at the broker.")
]


@app.command()
def fleet(  # noqa: PLR0913 - one parameter per option
    broker: BrokerOption = "127.0.0.1:1883",
    seed: Annotated[int, typer.Option(help="Another seed, another fate.")] = 1,
    speed: Annotated[float, typer.Option(min=0.1, help="Simulated seconds per second.")] = 60,
    history_days: Annotated[
        float, typer.Option(min=0, help="Sent first, as fast as it goes.")
    ] = 0,
    seconds: Annotated[float, typer.Option(min=0, help="Stop after so long; 0 never.")] = 0,
    faults: Annotated[str, typer.Option(help="`all` or `none`.")] = "all",
    prefix: Annotated[str, typer.Option(help="First part of the topics.")] = "demo",
    duplicate: Annotated[float, typer.Option(min=0, max=1, help="Share sent twice.")] = 0,
    reorder: Annotated[float, typer.Option(min=0, max=1, help="Share out of order.")] = 0,
    lose: Annotated[float, typer.Option(min=0, max=1, help="Share never sent.")] = 0,
    late_block: Annotated[
        float, typer.Option(min=0, max=1, help="Share that starts a late block.")
    ] = 0,
    clock_skew_s: Annotated[
        float, typer.Option(help="Clock error of every fourth device.")
    ] = 0,
    reconnect_every_s: Annotated[
        float, typer.Option(min=0, help="Drop the line so often; 0 never.")
    ] = 0,
    catalog: Annotated[
        Path | None, typer.Option(help="Write the fleet's catalog here and stop.")
    ] = None,
    user: UserOption = None,
    password: PasswordOption = None,
) -> None:
    """Publish 24 machines of 3 models with wear, leaks, imbalance, stuck sensors and bad networks.

    Business events (a fault begins, a machine breaks, is repaired, its load changes) are printed as
    one JSON object per line.

    Examples:

      python -m simulators fleet --catalog fleet.yaml

      python -m simulators fleet --broker 127.0.0.1:1883 --speed 600 --history-days 21

      python -m simulators fleet --faults none --duplicate 0.05 --reorder 0.05 --late-block 0.001
    """
    from simulators.commands import FleetRun, run_fleet, write_catalog
    from simulators.network import NetworkFaults
    from simulators.publish import Broker

    if catalog is not None:
        write_catalog(catalog)
        return
    network = NetworkFaults(duplicate, reorder, lose, late_block, clock_skew_s=clock_skew_s)
    run = FleetRun(
        Broker.parse(broker, user, password),
        seed=seed,
        speed=speed,
        history_days=history_days,
        seconds=seconds,
        faults=faults != "none",
        prefix=prefix,
        network=network,
        reconnect_every_s=reconnect_every_s,
    )
    _run(run_fleet(run))


@app.command()
def replay(  # noqa: PLR0913 - one parameter per option
    file: Annotated[
        Path, typer.Argument(help="A wide CSV: asset, time, one column per signal.")
    ],
    asset: Annotated[
        str, typer.Option(help="Column of the asset, or a fixed name with '='.")
    ] = "asset",
    time: Annotated[
        str, typer.Option(help="Column of the time: ISO 8601, or a number.")
    ] = "time",
    time_unit: Annotated[
        str, typer.Option(help="Unit of a numeric time: s, min, h, d, ms, us or ns.")
    ] = "s",
    speed: Annotated[
        float, typer.Option(min=0, help="Recorded seconds per second; 0 as fast as it goes.")
    ] = 1,
    start: Annotated[
        str,
        typer.Option(
            help="`keep` the times, or the ISO time the first row is moved to, or `now`."
        ),
    ] = "keep",
    broker: BrokerOption = "127.0.0.1:1883",
    prefix: Annotated[str, typer.Option(help="First part of the topics.")] = "replay",
    site: Annotated[str, typer.Option(help="Second part of the topics.")] = "site",
    rows: Annotated[int, typer.Option(min=1, help="Rows per message at speed 0.")] = 60,
    user: UserOption = None,
    password: PasswordOption = None,
) -> None:
    """Send anyone's history through MQTT as if it were live.

    Examples:

      python -m simulators replay history.csv --asset machine --time ts --speed 3600

      python -m simulators replay bearing.csv --asset =bearing-7 --time t --time-unit min --speed 0 --start now
    """
    from simulators.publish import Broker
    from simulators.replay import ReplayOptions, run_replay

    options = ReplayOptions(file, asset, time, time_unit, speed, start, prefix, site, rows)
    _run(run_replay(options, Broker.parse(broker, user, password)))


def _run(work: "asyncio.Future[None] | object") -> None:
    try:
        asyncio.run(work)  # type: ignore[arg-type]
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except (OSError, ValueError) as error:
        sys.stderr.write(f"simulators: {error}\n")
        raise SystemExit(2) from error


def _add_load() -> None:
    """`load` brings its own options; it is registered where its module is asked for."""
    from simulators.load import app as load_app

    app.add_typer(load_app, name="load")


if __name__ == "__main__":
    _add_load()
    app()
