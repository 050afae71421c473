"""What passes between us and others by itself: commitments, notifications, sends that resume, webhooks.

In: requests that a door unwrapped, jobs, events. Out: associations to peers, messages to receivers, problems for
people. Not here: the wire (`dimse`), how one instance is sent (`retrieve/send.py`), what a peer may ask (`access`,
`scp/associate.py`).
"""
