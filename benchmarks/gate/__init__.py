"""What weights must show before they are shipped: ``make gate``."""
