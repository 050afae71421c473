"""What is kept: tables, transactions, blobs, series metadata objects, jobs, events, problems.

In: rows and bytes from the verbs above. Out: the same, durable before anybody is told so.
Not here: what a caller may see (`access`), how an instance becomes rows (`store`), any protocol.
"""

from filmless.archive.archive import Archive

__all__ = ["Archive"]
