"""Comparisons on the user's own task, model and data: Anderson extrapolation beside plain forward iteration."""
