"""Taking instances in, whichever door they came through, and keeping the index and the bytes true to each other.

In: the bytes of one instance (C-STORE, STOW-RS, upload, import). Out: a Receipt once they are durable, or the reason.
Also here: the sweep after a crash, verify, reindex. Not here: what a door answers (`scp`, `dicomweb`, `api`).
"""
