"""Filmless, the open PACS: images come in, are kept, are found and are shown."""

__version__ = "0.1.0"
