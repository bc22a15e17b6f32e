"""Files that are complete or absent, places, and locks."""
