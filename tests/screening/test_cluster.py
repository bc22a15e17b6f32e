"""The same library on a Ray cluster of this machine: the same bytes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from andersonn.errors import UsageError
from tests.screening.conftest import content


def test_ray_gives_the_same_bytes(screening, tmp_path):
    pytest.importorskip("ray.data")
    replace(screening, engine="ray", out=tmp_path / "o").run()
    assert content(tmp_path / "o") == content(screening.out)


def test_without_ray_the_cure_is_named(screening, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(UsageError, match="cluster"):
        replace(screening, engine="ray", out=tmp_path / "o").run()
