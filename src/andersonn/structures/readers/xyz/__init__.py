"""How are xyz and extended xyz files read? ``frames``: the atoms. ``comments``, ``comment_cells``, ``length_units``: what the
comment line says of columns, cell and unit of length.
"""
