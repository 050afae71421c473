"""The command line: one file per group of commands.

In: arguments and standard input. Out: plain lines on standard output, problems on standard error, exit code 0, 1 or 2.
Not here: any work of its own; every command calls a verb of the archive.
"""
