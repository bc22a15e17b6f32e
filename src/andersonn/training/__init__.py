"""From labelled images to a saved, calibrated, tested model."""
