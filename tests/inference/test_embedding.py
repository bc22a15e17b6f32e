import numpy as np
import pytest
from ase.build import bulk

import andersonn as an
from andersonn import Scientist, Structure
from andersonn.errors import InputError, UsageError
from andersonn.inference import answering, predictor
from andersonn.structures.image import NodeNeighborImage
from tests.conftest import rotation


@pytest.fixture(scope="module")
def conduction():
    return Scientist.load("conduction")


def test_a_row_for_each_answer_and_nan_where_there_is_none(conduction, structures, put):
    path = put("bad.cif", "data_")
    inputs = [structures["Si"], path, 42, "examples/structures", structures["Si"]]
    features, answers = conduction.embed(inputs), conduction.predict(inputs)
    assert features.shape == (len(answers), conduction.n_features)
    assert features.dtype == np.float32
    assert np.isnan(features).all(axis=1).tolist() == [not answer.ok for answer in answers]
    assert np.isfinite(features[[answer.ok for answer in answers]]).all()
    np.testing.assert_allclose(features[0], features[-1], rtol=1e-5, atol=1e-6)


def test_an_error_where_one_is_asked_for(conduction, structures):
    with pytest.raises(InputError, match=r"input 2: .*int"):
        conduction.embed([structures["Si"], 42], errors="raise")
    with pytest.raises(UsageError, match="did you mean 'raise'"):
        conduction.embed([structures["Si"]], errors="rise")


def test_nothing_and_nothing_readable_keep_their_width(conduction):
    assert conduction.embed([]).shape == (0, conduction.n_features)
    none = conduction.embed([42, None])
    assert none.shape == (2, conduction.n_features)
    assert np.isnan(none).all()


@pytest.mark.parametrize("name", ["conduction", "porosity"])
def test_the_same_crystal_otherwise_given(name):
    scientist, atoms = Scientist.load(name), bulk("NaCl", "rocksalt", a=5.64, cubic=True)
    turned = atoms.copy()
    turn = rotation(np.random.default_rng(0))
    turned.set_cell(atoms.cell @ turn.T, scale_atoms=True)
    base, *others = scientist.embed([atoms, atoms[::-1], turned, atoms.repeat((2, 1, 1))])
    for other in others:
        np.testing.assert_allclose(other, base, rtol=5e-3, atol=5e-3)
    assert np.abs(scientist.embed([bulk("Si", a=5.43)]) - base).max() > 0.1


def test_features_are_those_that_the_domain_measures_by(conduction, structures):
    chosen = list(structures.values())
    rows = [len(NodeNeighborImage.from_structure(each, conduction.recipe)) for each in chosen]
    distances = conduction.bundle.domain.distance(conduction.embed(chosen), np.array(rows))
    told = [answer.domain.distance for answer in conduction.predict(chosen)]
    np.testing.assert_allclose(distances, told, rtol=1e-4)


def test_conformers_are_averaged_as_the_answer_is():
    scientist = Scientist.load("polarity")
    (mean,) = scientist.embed("NCCCO")
    assert mean.shape == (129,)
    first = scientist.over_conformers(1).embed("NCCCO")[0]
    assert np.abs(mean - first).max() > 1e-3
    (bonds,) = Scientist.load("polarity", geometry="none").embed("NCCCO")
    assert bonds.shape == (576,)  # six times the width
    assert np.isfinite(bonds).all()


def test_a_model_that_answers_early_solves_to_the_end(structures):
    early, full = (Scientist.load("polarity", anytime=anytime) for anytime in (True, False))
    np.testing.assert_array_equal(early.embed(["CCO", "CC#N"]), full.embed(["CCO", "CC#N"]))


def test_many_structures_take_one_pass_a_batch(conduction, structures, monkeypatch):
    passes = []

    def counted(*given):
        passes.append(len(given[1].n_rows))
        return forward(*given)

    forward = answering.forward
    monkeypatch.setattr(answering, "forward", counted)
    monkeypatch.setattr(predictor, "BATCH_SIZE", 8)
    chosen = [structures[name] for name in ("Si", "Cu", "NaCl")] * 5
    assert conduction.embed(chosen).shape == (15, conduction.n_features)
    assert passes == [8, 7]


def test_columns_of_tables(conduction):
    scientist = Scientist.load("polarity", geometry="none")
    table = {"ligand": ["CCO", "CC#N"], "x": [1, 2]}
    features = scientist.embed(table, smiles_column="ligand")
    np.testing.assert_array_equal(features, scientist.embed(["CCO", "CC#N"]))


def test_every_head_says_its_width(structures):
    molecule = Structure([8, 1, 1], [[0, 0, 0.12], [0, 0.76, -0.47], [0, -0.76, -0.47]])
    asked = {"polarity": molecule, "porosity": structures["SiO2"]}
    for name, structure in asked.items():
        scientist = an.Scientist.load(name)
        (answer,) = scientist.embed([structure])
        assert len(answer) == scientist.n_features
