"""`filmless` and `python -m filmless`."""

from filmless.cli.main import main

if __name__ == "__main__":
    main()
