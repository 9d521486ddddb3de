"""The command line: how commands are spelled. What they do is in `commands/`."""
