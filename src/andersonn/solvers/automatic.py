from __future__ import annotations
class Automatic:
    pass
