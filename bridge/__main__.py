"""Run the command line with ``python -m bridge``."""

from bridge.app.cli import main

main()
