"""The readers, fuzzed for a few seconds; and the fuzzer, tested on readers that err."""

import json
import sys

import pytest

from andersonn.errors import InputError
from tests.fuzz import campaign, erring_worker, judge
from tests.fuzz.campaign import Campaign
from tests.fuzz.corpus import SUFFIX, seeds

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="watches processes through /proc")


def test_every_seed_is_sound():
    for kind, name, content in seeds():
        ended, found = judge.judge(kind, f"case{SUFFIX[kind]}", content)
        assert (ended, bool(found)) == ("read", True) or name == "word6", (name, ended)  # [Na+].[Cl-] has no geometry


def test_some_thousand_inputs_end_as_promised(tmp_path):
    tally = Campaign(tmp_path, 2500, seed=11, guided=False).run()
    assert tally.done == 2500
    assert tally.findings == [], f"kept in {tmp_path / 'findings'}"
    assert tally.peak_mb < 512
    ends = {
        key.split("\t")[0]: {e.split("\t")[1] for e in tally.counts if e.startswith(key.split("\t")[0])}
        for key in tally.counts
    }
    assert ends.keys() == SUFFIX.keys()
    assert all("read" in found and len(found) > 2 for found in ends.values()), ends


@pytest.mark.slow
def test_many_inputs_end_as_promised(tmp_path):
    tally = Campaign(tmp_path, 60_000, seed=12, workers=2).run()
    assert (tally.done, tally.findings) == (60_000, [])
    assert tally.arcs > 1000
    assert tally.kept > 20
    assert tally.images > 100


@pytest.mark.slow
def test_what_must_not_be_is_found(tmp_path, monkeypatch):
    monkeypatch.setattr(campaign, "HANG_SECONDS", 0.7)
    run = Campaign(tmp_path, 100, guided=False, module="tests.fuzz.erring_worker")
    tally = run.run()
    assert tally.done == 100
    assert {number: kind for number, kind, _ in tally.findings} == erring_worker.ERRORS
    for _, _, name in tally.findings:
        assert (tmp_path / "findings" / name).stat().st_size
    noted = json.loads((tmp_path / "tally.json").read_text())
    assert noted["open"] == []
    assert sorted(noted["guilty"]) == [30, 40]


@pytest.mark.slow
def test_a_run_goes_on(tmp_path):
    assert Campaign(tmp_path, 30, guided=False).run().done == 30
    tally = Campaign(tmp_path, 60, guided=False).run()
    assert (tally.done, tally.next) == (60, 60)
    with pytest.raises(SystemExit, match="another --out"):
        Campaign(tmp_path, 60, seed=1)


@pytest.mark.parametrize(
    ("outcome", "kind"),
    [
        (InputError("kind", "message"), "contract"),
        (InputError("bad_xyz", "cannot read: MemoryError", "hint"), "memory"),
        ([], "contract"),
        (None, "contract"),
        (["text"], "contract"),
        (ValueError("x"), "unnamed:ValueError"),
        (RecursionError(), "unnamed:RecursionError"),
        (MemoryError(), "memory"),
    ],
)
def test_the_judge(monkeypatch, outcome, kind):
    def read(*input):
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    monkeypatch.setattr(judge, "_read", read)
    with pytest.raises(judge.Finding) as caught:
        judge.judge("xyz", "a.xyz", b"")
    assert caught.value.kind == kind
