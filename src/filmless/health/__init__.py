"""What is broken, since when, what it means for whom, and what to do.

In: an archive and its settings. Out: findings, in words and with a code of `faults.FAULTS`, for `/readyz`, for
`/api/v1/health`, for `filmless doctor` and for the metrics: one list of checks. Not here: mending anything.
"""
