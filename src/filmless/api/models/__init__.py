"""What goes over the wire, in the names of the screen (camelCase).

These classes are the contract: docs/openapi.json and the client in web/ are made from them.
"""
