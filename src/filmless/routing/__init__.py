"""What passes between us and other systems by itself: commitments, notifications, sends that go on where they stopped.

In: requests that a door unwrapped, jobs. Out: associations to peers, problems for people. Not here: the wire
(`dimse`), how one instance is sent (`retrieve/send.py`), what a peer may ask (`access`, `scp/associate.py`).
"""
