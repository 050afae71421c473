"""Puts the parts together: the processes, the web application, the worker's jobs, logs and health.

In: Settings. Out: running processes. Not here: any rule about images, people or protocols.
"""
