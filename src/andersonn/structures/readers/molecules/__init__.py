"""How is a molecule with bonds read? Each reader makes an RDKit molecule; ``from_rdkit`` checks it, adds hydrogens and, if
there are no coordinates, generates a geometry (``embedding``; ``local_shapes``: what force fields get wrong).

- ``smiles``, ``smiles_lists``: SMILES, and files of them. ``molfiles``: SDF, MOL and MOL2 (``mol2``, ``mol2_types``,
  ``mol2_charges``). ``pdb``: PDB and mmCIF (``pdb_elements``: elements that the file leaves open).
- ``drawings``: coordinates that are a flat drawing. ``unbonded``: lists of bonds that are empty or have gaps.
"""
