"""Reference labels: pores by Zeo++, dipoles by PySCF or GFN2-xTB, computed in worker processes, resumable and parallel."""
