"""Reference labels: pores by Zeo++, dipoles by PySCF or GFN2-xTB, computed in subprocesses, resumable and parallel."""
