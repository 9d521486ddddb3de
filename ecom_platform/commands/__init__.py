"""What the commands of `ecom` do; how they are spelled is in `cli.py`."""
