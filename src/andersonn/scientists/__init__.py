"""The artificial scientists: one file each, found by :mod:`andersonn.scientists.registry`, and their weights."""
