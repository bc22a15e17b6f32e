"""Classifier, regressor and imager on crystals and molecules: in scikit-learn's tools, with all kinds of inputs, as files."""

import json
import pickle

import numpy as np
import pytest
import torch
from ase.io import write as ase_write
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline

from andersonn import EquilibriumClassifier, EquilibriumRegressor, GraphImager, Scientist, Task
from andersonn.errors import InputError, UsageError
from andersonn.estimators.targets import divided
from andersonn.scientists.conduction import CONDUCTION
from tests.structures.test_objects import FakePymatgen

TINY = {"epochs": 2, "width": 8, "columns": 6, "device": "cpu", "options": ("radial=4", "max_rows=600")}


@pytest.fixture(scope="module")
def crystals(demo_sample):
    part = demo_sample.take(np.arange(0, len(demo_sample), 40))
    return list(part), part.label("band_gap_eV")


@pytest.fixture(scope="module")
def classifier(crystals):
    return EquilibriumClassifier("conduction", **TINY).fit(*crystals)


def test_numbers_are_cut_at_the_thresholds(classifier, crystals):
    structures, gaps = crystals
    names = classifier.cut(gaps)
    assert names.tolist() == [CONDUCTION.classes[k] for k in CONDUCTION.class_of(gaps)]
    assert classifier.classes_.tolist() == ["insulator", "metal", "semiconductor"]
    p = classifier.predict_proba(structures)
    assert p.shape == (len(structures), 3)
    assert p.sum(axis=1) == pytest.approx(1.0)
    answers = classifier.classes_[p.argmax(axis=1)]
    assert classifier.predict(structures).tolist() == answers.tolist()
    assert classifier.score(structures, gaps) == (answers == names).mean() == classifier.score(structures, names)


def test_columns_are_those_of_the_scientist(classifier, crystals):
    (answer,) = classifier.scientist().predict(crystals[0][:1])
    found = classifier.predict_proba(crystals[0][:1])[0]
    assert dict(zip(classifier.classes_, found)) == pytest.approx(answer.probabilities, abs=1e-6)


def test_names_need_no_numbers_and_make_no_scientist(classifier, crystals):
    structures, gaps = crystals
    named = EquilibriumClassifier("conduction", **TINY).fit(structures, classifier.cut(gaps))
    assert named.artifact_.config.estimate_weight == 0.0
    with pytest.raises(UsageError, match="estimates no quantity"):
        named.scientist()


def test_thresholds_move_classes(crystals):
    structures, gaps = crystals
    moved = EquilibriumClassifier("conduction", thresholds=(0.0, 1.0), **TINY).fit(structures, gaps)
    assert moved.artifact_.task.thresholds == (0.0, 1.0)
    assert (moved.cut(gaps) == "insulator").sum() == (gaps >= 1.0).sum()


@pytest.mark.parametrize("kind", ["<U8", object, int, bool, float])
def test_own_labels_come_back_as_they_were(crystals, kind, tmp_path):
    structures, gaps = crystals
    y = np.where(gaps > 0, "some gap", "no gap").astype(kind) if kind in ("<U8", object) else (gaps > 0).astype(kind)
    own = EquilibriumClassifier(**TINY).fit(structures, y)
    assert own.classes_.dtype == y.dtype
    assert set(own.predict(structures)) <= set(y.tolist())
    own.save(tmp_path)
    loaded = EquilibriumClassifier.load(tmp_path)
    assert loaded.classes_.dtype == y.dtype
    assert np.array_equal(loaded.predict(structures), own.predict(structures))


def test_a_saved_estimator_answers_as_before(classifier, crystals, tmp_path):
    classifier.save(tmp_path)
    assert not [path for path in tmp_path.iterdir() if path.suffix not in (".json", ".safetensors")]
    loaded = EquilibriumClassifier.load(tmp_path)
    for twin in (loaded, pickle.loads(pickle.dumps(classifier))):
        assert np.array_equal(twin.predict_proba(crystals[0]), classifier.predict_proba(crystals[0]))
    assert loaded.get_params() == classifier.get_params() | {"options": list(TINY["options"])}
    assert clone(loaded).get_params() == loaded.get_params()
    assert Scientist.load(tmp_path).predict(crystals[0][:1])[0].ok
    with pytest.raises(UsageError, match="holds a EquilibriumClassifier, not a EquilibriumRegressor"):
        EquilibriumRegressor.load(tmp_path)
    content = json.loads((tmp_path / "estimator.json").read_text())
    (tmp_path / "estimator.json").write_text(json.dumps(content | {"format": 99}))
    with pytest.raises(UsageError, match="format 99"):
        EquilibriumClassifier.load(tmp_path)


def test_a_task_of_ones_own(crystals, tmp_path):
    structures, gaps = crystals
    task = Task("width_of_gap", "gap_eV", "eV", ("narrow", "wide"), (1.5,), periodic=None, lowest=0.0)
    fitted = EquilibriumClassifier(task, **TINY).fit(structures, gaps)
    fitted.save(tmp_path)
    assert EquilibriumClassifier.load(tmp_path).task == task
    assert clone(fitted).task == task
    (answer,) = Scientist.load(tmp_path).predict(structures[:1])
    assert answer.task == "width_of_gap"
    assert answer.quantity == "gap_eV"
    assert set(answer.probabilities) == {"narrow", "wide"}
    card = json.loads((tmp_path / "model.json").read_text())
    for own, reason in (
        (card["own_task"] | {"name": "conduction"}, "its own task is named 'conduction'"),
        (card["own_task"] | {"code": "1"}, "unexpected keyword argument 'code'"),
        ({"name": "width_of_gap"}, "the description of the task has no quantity"),
    ):
        (tmp_path / "model.json").write_text(json.dumps(card | {"own_task": own}))
        with pytest.raises(UsageError, match=reason):
            Scientist.load(tmp_path)
    with pytest.raises(UsageError, match="name yours otherwise"):
        EquilibriumClassifier(Task("conduction", "x", "", ("a", "b"), (0.0,)), **TINY).fit(structures, gaps)


def test_regressor(crystals, tmp_path):
    structures, gaps = crystals
    own = EquilibriumRegressor(**TINY | {"epochs": 8, "learning_rate": 1e-2}).fit(structures, gaps - 100.0)
    values, intervals = own.predict(structures), own.predict_interval(structures)
    assert own.offset_ == np.median(gaps - 100.0)
    assert np.abs(values - gaps + 100.0).mean() < np.abs(gaps - np.mean(gaps)).mean()
    assert ((intervals[:, 0] <= values) & (values <= intervals[:, 1])).all()
    assert ((intervals[:, 0] <= gaps - 100.0) & (gaps - 100.0 <= intervals[:, 1])).mean() > 0.75
    own.save(tmp_path)
    assert np.array_equal(EquilibriumRegressor.load(tmp_path).predict(structures), values)
    with pytest.raises(UsageError, match="estimates no quantity"):
        Scientist.load(tmp_path)
    bounded = EquilibriumRegressor("conduction", **TINY).fit(structures, gaps)
    assert bounded.predict(structures).min() >= 0.0
    assert bounded.scientist().predict(structures[:1])[0].value == pytest.approx(bounded.predict(structures[:1])[0])


def test_the_regressor_keeps_the_epoch_with_the_best_quantiles(crystals):
    fitted = EquilibriumRegressor(**TINY).fit(*crystals)
    losses = [row["validation_loss"] for row in fitted.history_]
    accuracy = [row["validation_accuracy"] for row in fitted.history_]
    assert len(losses) == len(accuracy) == 2
    assert fitted.artifact_.provenance["best_epoch"] == 1 + int(np.argmin(losses))


def test_tools_of_scikit_learn(crystals):
    structures, gaps = crystals
    classifier = EquilibriumClassifier("conduction", **TINY | {"epochs": 1})
    names = classifier.cut(gaps)
    images = GraphImager("conduction", columns=6).fit_transform(structures)
    scores = cross_val_score(classifier, images, names, cv=3)
    assert scores.shape == (3,)
    assert np.isfinite(scores).all()
    ids = [structure.formula for structure in structures]
    assert np.isfinite(cross_val_score(classifier, structures, gaps, groups=ids, cv=GroupKFold(2))).all()
    search = GridSearchCV(classifier, {"width": np.array([4, 8])}, cv=2, scoring="neg_log_loss").fit(images, names)
    assert search.best_params_["width"] in (4, 8)
    assert search.predict(images[:3]).shape == (3,)
    calibrated = CalibratedClassifierCV(classifier, cv=2).fit(images, names)
    assert calibrated.predict_proba(images).sum(axis=1) == pytest.approx(1.0)
    assert calibrated.classes_.tolist() == classifier.fit(images, names).classes_.tolist()


def test_pipelines(crystals, classifier):
    structures, gaps = crystals
    names = classifier.cut(gaps)
    imager = GraphImager("conduction", columns=6)
    line = make_pipeline(imager, EquilibriumClassifier("conduction", **TINY)).fit(structures, gaps)
    assert np.array_equal(line.predict_proba(structures), classifier.predict_proba(structures))
    forest = make_pipeline(clone(imager).set_params(output="table"), RandomForestClassifier(20, random_state=0))
    assert forest.fit(structures, names).score(structures, names) > 0.9
    table = forest[0].transform(structures)
    assert table.shape == (len(structures), len(forest[0].get_feature_names_out()))
    with pytest.raises(InputError, match="sample 0 is an image made as"):
        EquilibriumClassifier("conduction", **TINY | {"columns": 7}).fit(imager.fit_transform(structures), gaps)


def test_the_table_knows_no_supercell(atoms):
    table = GraphImager(output="table").fit_transform([atoms["NaCl"], atoms["NaCl"].repeat((2, 1, 1))])
    assert table[0] == pytest.approx(table[1], abs=1e-5)


def test_all_kinds_of_inputs(classifier, atoms, structures, tmp_path):
    ase_write(tmp_path / "NaCl.cif", atoms["NaCl"])
    same = [tmp_path / "NaCl.cif", str(tmp_path / "NaCl.cif"), atoms["NaCl"], structures["NaCl"]]
    p = classifier.predict_proba(same)
    assert p == pytest.approx(np.tile(p[0], (4, 1)), abs=1e-4)
    assert classifier.predict([FakePymatgen(True)]).shape == (1,)


def test_molecules():
    from rdkit import Chem

    words = ["CCO", "CCCO", "CC(C)O", "CCN", "CC", "CCC", "CCCC", "C1CC1", "CC(=O)C", "O=CC", "CC(C)C", "c1ccccc1"]
    mols = [Chem.MolFromSmiles(word) for word in words]
    polar = np.array([any(a in word for a in "ON") for word in words])
    own = EquilibriumClassifier(**TINY | {"epochs": 1}).fit(mols, polar)
    assert np.array_equal(own.predict_proba(mols), own.predict_proba(words))
    assert mols[0].GetNumConformers() == 0  # left as it was
    debye = np.where(polar, 3.0, 0.1)
    task = EquilibriumRegressor("polarity", epochs=1, width=8, options=["conformers=3"]).fit(words, debye)
    assert (task.predict(words) >= 0).all()
    with pytest.raises(InputError, match=r"sample 1: polarity is about molecules"):
        task.predict(["CCO", FakePymatgen(True)])


def test_the_callers_random_numbers_are_left_alone(crystals):
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    EquilibriumClassifier("conduction", **TINY | {"epochs": 1}).fit(*crystals)
    assert torch.equal(torch.rand(3), expected)


def test_a_drawn_seed_is_kept(crystals, tmp_path):
    drawn = EquilibriumClassifier("conduction", random_state=np.random.RandomState(3), **TINY | {"epochs": 1})
    drawn.fit(*crystals).save(tmp_path)
    again = EquilibriumClassifier.load(tmp_path)
    assert again.random_state == drawn.seed_ > 0
    assert np.array_equal(clone(again).fit(*crystals).predict_proba(crystals[0]), drawn.predict_proba(crystals[0]))


def test_processes_make_the_same_images(crystals):
    one, two = (GraphImager(n_jobs=n, output="table").fit_transform(crystals[0] * 2) for n in (None, 2))
    assert np.array_equal(one, two)


def test_what_is_refused(crystals, structures):
    some, gaps = crystals
    plain = EquilibriumClassifier("conduction", **TINY)
    for X, y, message in (
        (some[0], gaps, "X is a single Structure"),
        ([], gaps[:0], "0 samples"),
        (some, gaps[:3], r"y 3 labels"),
        (some, None, "y is None"),
        (some, np.where(gaps > 1, np.nan, gaps), "NaN"),
        (some, gaps - 1.0, "negative"),
        (some, np.where(gaps > 0, "metal", "metall"), "did you mean 'metal'"),
        (some, np.full(len(gaps), "metal"), "no sample of class semiconductor, insulator"),
        (some, gaps > 0, "give class names or band_gap_eV"),
    ):
        with pytest.raises((UsageError, ValueError), match=message):
            plain.fit(X, y)
    with pytest.raises(UsageError, match=r"did you mean 'epochs'"):
        plain.set_params(options={"epoch": 3}).fit(some, gaps)
    with pytest.raises(UsageError, match="give a list of words"):
        plain.set_params(options="epochs=3").fit(some, gaps)
    with pytest.raises(UsageError, match="did you mean 'conduction'"):
        EquilibriumClassifier("conducton").fit(some, gaps)
    with pytest.raises(InputError, match=r"sample 2: cannot make a structure of float"):
        EquilibriumClassifier(**TINY).fit([*some[:2], 1.5], [0, 1, 1])
    with pytest.raises(InputError, match=r"sample 0: there is no file"):
        EquilibriumClassifier(**TINY).fit(["nothing.cif", some[0]], [0, 1])
    with pytest.raises(NotFittedError):
        EquilibriumClassifier().predict([structures["Si"]])
    with pytest.raises(TypeError, match="widht"):
        EquilibriumClassifier(widht=3)


def test_division_keeps_groups_and_shows_every_class():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 300)
    groups = rng.integers(0, 80, 300)
    sides = divided(labels, groups, ["X"] * 300, 0.15, 0)
    assert not set(groups[sides.train]) & set(groups[sides.validation])
    assert set(labels[sides.train]) == set(labels[sides.validation]) == {0, 1, 2}
    assert 0.1 < len(sides.validation) / 300 < 0.3
    assert sides.by == "group"
    assert divided(labels, None, ["X"] * 300, 0.15, 0).by == "sample"
    assert divided(labels, None, [f"X{g}" for g in groups], 0.15, 0).by == "formula"
    with pytest.raises(ValueError, match="1 sample cannot be divided"):
        divided(np.array([0]), None, ["X"], 0.15, 0)
    with pytest.raises(ValueError, match="2 samples cannot be divided"):
        divided(np.array([0, 0]), ["a", "a"], ["X"] * 2, 0.15, 0)
