"""Run the console on fakes: `python -m tests.browser.devserver`, then look at its pages."""

import argparse

import uvicorn

from bridge.web.application import create_app
from tests.fakes.showroom import a_context


def main() -> None:
    """Serve on loopback until interrupted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8099)
    parser.add_argument("--speed", type=float, default=60.0)
    options = parser.parse_args()
    app = create_app(a_context(speed=options.speed))
    uvicorn.run(app, host="127.0.0.1", port=options.port, timeout_graceful_shutdown=1)


if __name__ == "__main__":
    main()
