"""Who may do what: people, peers, tokens, sessions, one policy, and the trail of what was done.

In: a name, a secret, or an AE title with its address. Out: a `Principal`, a yes or no with its reason, an SQL filter,
a row of the audit trail. Not here: status codes and pages (the doors), what is asked for (the verbs).
"""
