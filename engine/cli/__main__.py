"""`python -m engine.cli` is `weir`."""

from engine.cli.main import main

main()
