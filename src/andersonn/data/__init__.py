"""Tasks, records, splits and stores of graph images."""
