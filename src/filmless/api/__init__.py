"""The door of the screen: JSON under /api/v1, described by OpenAPI, and live events.

In: requests whose caller `access.http` has recognised. Out: camelCase JSON, problem+json, `text/event-stream`.
Not here: SQL, rules and bytes; each endpoint asks the policy, calls one verb and encodes what it gave.
"""
