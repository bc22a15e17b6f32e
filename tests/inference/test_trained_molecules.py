from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import save_file

import andersonn as an
from andersonn.errors import UsageError
from andersonn.inference.model_bundle import TRAINED_ON, ModelBundle
from andersonn.inference.tails import SEEN, Kinds, Tails
from andersonn.inference.trained_molecules import NAME, TrainedMolecules
from andersonn.scientists.registry import registered
from andersonn.structures.readers.molecules.smiles import constitution, from_smiles

SOME = TrainedMolecules.of(constitution(text) for text in ("CO", "CC(O)=O", "C/C=C/C", "CS(C)=O"))


@pytest.mark.parametrize("smiles", ["OC", "[CH3]O", "OC(C)=O", "C/C=C\\C", "C[S+](C)[O-]", "[H]OC([H])([H])[H]"])
def test_a_molecule_is_found_however_it_is_written(smiles):
    assert SOME.among([from_smiles(smiles)]).tolist() == [True]


@pytest.mark.parametrize("smiles", ["CCO", "CC(=O)[O-]", "O", "[2H]OC", "FCl(F)F", "O=[Xe](=O)(=O)=O"])
def test_others_are_not(smiles):
    assert SOME.among([from_smiles(smiles)]).tolist() == [False]


def test_a_given_geometry_is_no_molecule_of_smiles():
    made = from_smiles("CO")
    assert SOME.among([made, replace(made, generated_geometry=False, source_mol=None)]).tolist() == [True, False]


def test_they_are_kept_in_a_file(tmp_path):
    SOME.save(tmp_path / "m.safetensors")
    assert (TrainedMolecules.load(tmp_path / "m.safetensors").hashes == SOME.hashes).all()


@pytest.mark.parametrize("bad", [np.array([3, 2]), np.array([[1, 2]]), np.array([1.0, 2.0])])
def test_a_damaged_file_is_told(bad, tmp_path):
    folder = tmp_path / "polarity"
    shipped = ModelBundle.load(registered()["polarity"].weights)
    shipped.save(folder.mkdir() or folder)
    save_file({NAME: bad}, folder / TRAINED_ON)
    with pytest.raises(UsageError, match="is damaged"):
        ModelBundle.load(folder)


def test_only_their_tails_change():
    """They have the same tail whatever their size is."""
    tails = Tails((("all", -3.0), ("up to 8 rows", 0.0), ("up to 16 rows", 5.0)), 0.2).with_effect(SEEN, 1.0)
    sizes = Kinds(np.array([6, 12]), np.array([0, 0]), np.array([True, True]))
    np.testing.assert_allclose(tails.of(sizes, np.zeros(2), np.ones(2, dtype=bool)), np.exp([-2.0, -2.0]))
    kinds = Kinds(np.array([6, 6]), np.array([0, 0]), np.array([True, False]))
    of_both = tails.of(kinds, np.zeros(2), np.ones(2, dtype=bool))
    np.testing.assert_allclose(of_both, np.exp([-2.0, -3.0]))
    assert Tails.from_dict(tails.as_dict()) == tails
    assert dict(tails.with_effect(SEEN, 0.5).effects)[SEEN] == 0.5
    assert kinds.part(np.array([1])).seen.tolist() == [False]


@pytest.mark.parametrize(("smiles", "measured"), [("Clc1ccccc1", 1.69), ("Brc1ccccc1", 1.70), ("Fc1ccccc1", 1.60)])
def test_molecules_of_the_training_are_answered_surely(smiles, measured):
    """Those of up to six heavy atoms are answered surely in any case, since few conformers can mislead; and rigid ones like these are."""
    shipped = an.Scientist.load("polarity")
    forgetful = an.Scientist(replace(shipped.bundle, trained_on=None), "own")
    (sure,), (usual,) = shipped.predict([smiles]), forgetful.predict([smiles])
    (low, high), (lowest, highest) = sure.interval90, usual.interval90
    assert low < measured < high
    assert high - low < 1.6
    assert (low, high) != (lowest, highest)
    assert (sure.value, sure.probabilities) == (usual.value, usual.probabilities)


def test_methanol_is_answered_surely():
    (answer,) = an.Scientist.load("polarity").predict(["CO"])
    low, high = answer.interval90
    assert 1.0 < low < 1.7 < high < 2.5  # measured: 1.70 D
