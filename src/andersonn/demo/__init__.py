"""The demonstration: the whole chain on an embedded sample of real crystals, with an HTML report."""
