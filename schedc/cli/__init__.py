"""The command line: what each command is called with; what they do is in :mod:`schedc.commands`."""
