"""Splits of public molecule sets, and the programs that are run on them."""
