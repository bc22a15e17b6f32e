"""Tests. Networks are small here: threads that wait for each other, and keep their cores busy meanwhile, would take several
times as long as the work. Set before PyTorch is loaded, and for all processes that tests start.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
