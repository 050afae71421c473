"""`filmless` and `python -m filmless`."""

import gc

gc.disable()  # imports make half a million objects that stay: looking through them costs a third of a start

from filmless.cli.main import main as run  # noqa: E402


def main() -> None:
    """Run one command."""
    gc.freeze()
    gc.enable()
    run()


if __name__ == "__main__":
    main()
