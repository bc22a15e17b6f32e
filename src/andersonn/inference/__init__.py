"""Answers of a trained model: bundle, forward pass, calibration, applicability domain, early exit, explanations."""
