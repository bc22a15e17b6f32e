"""How is a table of structures read? A row holds SMILES, the name of a file, the text of one, or atoms.

- ``table``: a file, text or DataFrame → names of columns and a stream of rows; ``delimited``: CSV and its kin.
- ``columns``: which column holds what. ``rows``: a row → structures.
"""
