"""How is a crystal read? ``cif``: CIF. ``poscar``: POSCAR, CONTCAR and XDATCAR of VASP."""
