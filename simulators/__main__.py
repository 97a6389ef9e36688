"""``python -m simulators fleet | replay | load``: machines for tests and demonstrations."""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    name="simulators",
    help="Machines that misbehave on purpose, anyone's history replayed, and plain load.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

BrokerOption = Annotated[str, typer.Option("--broker", help="host or host:port.")]
UserOption = Annotated[str | None, typer.Option(help="User at the broker.")]
PasswordOption = Annotated[
    str | None, typer.Option(envvar="SIMULATORS_PASSWORD", help="Password at the broker.")
]


@app.command()
def fleet(  # noqa: PLR0913 - one parameter per option
    *,
    broker: BrokerOption = "127.0.0.1:1883",
    seed: Annotated[int, typer.Option(min=0, help="Another seed, another fate.")] = 1,
    speed: Annotated[
        float,
        typer.Option(
            min=0.1, help="Simulated seconds per second; times run ahead of now above 1."
        ),
    ] = 1,
    every_s: Annotated[int, typer.Option(min=1, help="A row of each machine so often.")] = 300,
    history_days: Annotated[
        float, typer.Option(min=0, help="Sent first, up to now, as fast as it goes.")
    ] = 0,
    seconds: Annotated[float, typer.Option(min=0, help="Stop after so long; 0 never.")] = 0,
    faults: Annotated[str, typer.Option(help="`all` or `none`.")] = "all",
    prefix: Annotated[str, typer.Option(help="First part of the topics.")] = "demo",
    duplicate: Annotated[float, typer.Option(min=0, max=1, help="Share sent twice.")] = 0,
    reorder: Annotated[float, typer.Option(min=0, max=1, help="Share out of order.")] = 0,
    lose: Annotated[float, typer.Option(min=0, max=1, help="Share never sent.")] = 0,
    gap: Annotated[
        float, typer.Option(min=0, max=1, help="Share that starts a gap of --block-rows.")
    ] = 0,
    late_block: Annotated[
        float,
        typer.Option(min=0, max=1, help="Share that starts a late block of --block-rows."),
    ] = 0,
    block_rows: Annotated[
        int, typer.Option(min=1, help="Length of gaps and late blocks.")
    ] = 24,
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
    """Publish 24 machines of 3 models with wear, leaks, imbalance and stuck sensors.

    Business events (a fault begins, a machine fails or is repaired, its load changes, a sensor
    is stuck, a gateway away) are printed as one JSON object per line; counts stand at the end.

    For instance:

      python -m simulators fleet --catalog fleet.yaml

      python -m simulators fleet --broker 127.0.0.1:1883 --history-days 21

      python -m simulators fleet --faults none --duplicate 0.05 --reorder 0.05 --gap 0.001
    """
    from simulators.commands import FleetRun, run_fleet, write_catalog  # noqa: PLC0415
    from simulators.fleet import FleetOptions  # noqa: PLC0415
    from simulators.network import NetworkFaults  # noqa: PLC0415
    from simulators.publish import Broker  # noqa: PLC0415

    if faults not in {"all", "none"}:
        raise typer.BadParameter(f"{faults!r}: all or none is allowed", param_hint="--faults")
    if catalog is not None:
        write_catalog(catalog, every_s)
        return
    network = NetworkFaults(duplicate, reorder, lose, gap, late_block, block_rows, clock_skew_s)
    with _one_line():
        run = FleetRun(
            Broker.parse(broker, user, password),
            fleet=FleetOptions(seed, every_s=every_s, faults=faults == "all"),
            speed=speed,
            history_days=history_days,
            seconds=seconds,
            prefix=prefix,
            network=network,
            reconnect_every_s=reconnect_every_s,
        )
        asyncio.run(run_fleet(run))


@app.command()
def replay(  # noqa: PLR0913 - one parameter per option
    file: Annotated[
        Path,
        typer.Argument(help="A wide CSV (or .csv.gz): asset, time, one column per signal."),
    ],
    *,
    asset: Annotated[
        str, typer.Option(help="Column of the asset, or '=NAME' where there is one only.")
    ] = "asset",
    time: Annotated[
        str, typer.Option(help="Column of the time: ISO 8601, or a number.")
    ] = "time",
    time_unit: Annotated[
        str, typer.Option(help="Unit of a numeric time: s, min, h, d, ms, us or ns.")
    ] = "s",
    signals: Annotated[
        str, typer.Option(help="Columns to send, with commas between.", show_default="all")
    ] = "",
    speed: Annotated[
        float, typer.Option(min=0, help="Recorded seconds per second; 0 as fast as it goes.")
    ] = 1,
    stamps: Annotated[
        str,
        typer.Option(
            help="`keep` the times; `first` or `last`: that row is now; `sent`: the time of "
            "sending; or an ISO time for the first row."
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

    For instance:

      python -m simulators replay history.csv --asset machine --time ts --speed 3600

      python -m simulators replay b7.csv --asset =b7 --time-unit min --speed 0 --stamps last
    """
    from simulators.publish import Broker  # noqa: PLC0415
    from simulators.replay import ReplayOptions, run_replay  # noqa: PLC0415

    with _one_line():
        options = ReplayOptions(
            file,
            asset,
            time,
            time_unit,
            tuple(name.strip() for name in signals.split(",") if name.strip()),
            speed=speed,
            stamps=stamps,
            prefix=prefix,
            site=site,
            rows=rows,
        )
        asyncio.run(run_replay(options, Broker.parse(broker, user, password)))


@contextmanager
def _one_line() -> Iterator[None]:
    """Tell what a person can mend in one line, and leave with 2; with 130 after Ctrl-C."""
    import aiomqtt  # noqa: PLC0415

    try:
        yield
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except (OSError, ValueError, aiomqtt.MqttError) as error:
        sys.stderr.write(f"simulators: {error}\n")
        raise SystemExit(2) from error


def main() -> None:
    """Run the command line; `load` brings its own options."""
    from simulators.load import app as load_app  # noqa: PLC0415

    app.add_typer(load_app, name="load")
    app()


if __name__ == "__main__":
    main()
