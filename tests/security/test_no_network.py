"""No verb opens a connection that was not asked for: all run with Python's sockets watched, in their worker processes too.

Watched are the calls that Python makes. What a compiled library connected to by itself would not be seen; the libraries that
the package loads unasked have no reason to.
"""

from __future__ import annotations

from tests.security.conftest import run, surroundings_at, watched, written


def test_verbs_open_nothing(ran):
    assert ran.opened == ""
    assert all(code in expected for code, expected in ran.statuses), ran.said


def test_what_asks_for_the_network_is_seen(tmp_path):
    env = watched(surroundings_at(tmp_path), tmp_path)
    codes, _ = run(tmp_path, env, ["data", "get", "qmof", "--tries", "1"])
    assert codes == [1]
    assert written(env["WATCHED"]).startswith("urllib.Request")
