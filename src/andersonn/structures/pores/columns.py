"""Which numbers of a crystal's pores tables show."""

IN_TABLES = {
    "PLD / Å": ("pld_A", ".2f"), "channels": ("channel_dimensions", "d"), "m² / g": ("accessible_surface_m2_g", ".0f"),
}  # fmt: skip
"""Title of a column for people → the attribute of :class:`~andersonn.structures.pores.geometry.PoreGeometry`, and its format."""
IN_CSV = (
    "pld_A", "lcd_A", "channel_dimensions", "surface_m2_g", "accessible_surface_m2_g", "void_fraction", "convention",
)  # fmt: skip
"""Attributes that CSV has in columns of their own."""
IN_RESULTS = {
    "pld_A": False, "lcd_A": False, "channel_dimensions": True, "surface_m2_g": False, "surface_m2_cm3": False,
    "accessible_surface_m2_g": False, "accessible_surface_m2_cm3": False, "void_fraction": False, "density_g_cm3": False,
}  # fmt: skip
"""Attributes that results of screenings have in columns of their own, and whether they are whole numbers."""
