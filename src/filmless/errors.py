"""Kinds of failure, named after who must act.

Raise them anywhere below; only a door turns them into wire codes, in one table per door.
A message names the thing and the value and says what to do; it never carries patient data.
"""


class FilmlessError(Exception):
    """Any failure that Filmless foresaw. The message is a sentence a person can act on."""


class Refused(FilmlessError):  # noqa: N818 - kinds read as statements: "Refused", not "RefusedError"
    """The same request will fail again: the sender must change it."""


class NotAllowed(Refused):
    """The caller may not do this."""


class NotRecognised(Refused):
    """The caller did not show who it is, or what it showed is not (or no longer) good."""


class NotFound(Refused):
    """What was asked for is not in the archive, or the caller may not know of it."""


class Gone(NotFound):
    """It was kept once, and is no more: what to do instead is in the message."""


class Conflict(Refused):
    """What was sent contradicts what is kept."""


class Mismatch(Refused):
    """The data set is not what the request said it was (another SOP class, instance or study)."""


class TooLarge(Refused):
    """What was sent is longer than the settings allow."""


class NotAcceptable(Refused):
    """No form of the answer is one that the caller takes."""


class Unavailable(FilmlessError):  # noqa: N818
    """Nobody did wrong: disk full, database or peer away. The same request may succeed later."""

    def __init__(self, message: str, *, retry_after_s: int = 10) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class TooMany(Unavailable):
    """The caller asked too often; it may again later."""


class Damaged(FilmlessError):  # noqa: N818
    """Kept bytes do not match their digest: the operator must act now."""
