"""A scientist of the user's own, from a table: what is understood of it, what is tried, what is chosen, and the report."""
