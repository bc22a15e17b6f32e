"""Construction of a scientist from a table of the user's own: fitting, choice, report."""
