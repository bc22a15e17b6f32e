"""Groups of a molecule that a chemist would exchange, and the molecule without each of them.

The groups are those of :mod:`andersonn.structures.functional_groups` and what hangs on the rest of the carbon skeleton by one bond: rings and
chains, apart from each other. Halogens of one carbon outside rings are one group, and a carbon between nothing but functional groups
belongs to them: OCH3, N(CH3)2, CF3 on an oxygen. The largest ring or chain is the frame, which stays; so does what joins others to
it, such as the CH2 in a benzyl group.

Without a group, the molecule has hydrogen in its place. Where a group has several bonds to the rest, the atoms of it that hold the rest
together become carbons with hydrogen instead, so that no molecule falls apart: without its oxygen diethyl ether is pentane, without its
nitrogen pyridine is benzene, without its carboxyl group methyl benzoate is benzene, and ethyl benzoate, whose ethyl is a chain, is
butylbenzene.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from andersonn.errors import InputError
from andersonn.structures.functional_groups import groups_of, name_of
from andersonn.structures.molecular_graph import MolecularGraph

if TYPE_CHECKING:
    from rdkit.Chem import Mol

HALOGENS = frozenset((9, 17, 35, 53))


@dataclass(frozen=True)
class Replaceable:
    """A group that can be replaced.

    Attributes:
        name: formula, as of :class:`~andersonn.structures.functional_groups.Group`.
        nodes: its atoms besides hydrogens, counted from 0, rising.
        functional: whether it is a functional group, and no ring or chain of the carbon skeleton.
        kept: those of the nodes that become carbon, because they hold the rest together.
    """

    name: str
    nodes: tuple[int, ...]
    functional: bool
    kept: tuple[int, ...]


def replaceable_groups(graph: MolecularGraph) -> list[Replaceable]:
    """The groups of a molecule but for its frame, by their first atoms; none if it is all frame."""
    mol = mol_of(graph)
    parts = _parts(graph, mol)
    frame = max(parts, key=lambda part: (not part[1], len(part[0]), _in_ring(mol, part[0]), -min(part[0])))
    found = []
    for nodes, functional in _joined(parts, frame, mol):
        outside = _outside(mol, nodes)
        if nodes == frame[0] or (not functional and len(outside) != 1):
            continue  # the frame, and what joins others to it
        kept = _holding(mol, nodes, outside)
        atoms = np.flatnonzero(np.isin(graph.node_of_atom, list(nodes)))
        carbon = [mol.GetAtomWithIdx(int(graph.node_of_atom[atom])).GetAtomicNum() == 6 for atom in atoms]
        name = name_of(graph.Z[atoms], int(((graph.Z[atoms] == 1) & carbon).sum()))
        found.append(Replaceable(name, tuple(sorted(nodes)), functional, kept))
    return sorted(found, key=lambda group: group.nodes)


def mol_of(graph: MolecularGraph) -> Mol:
    """The RDKit molecule whose bonds a graph tells; its atoms are the nodes.

    Raises:
        InputError: the graph was not made of one.
    """
    from rdkit import Chem

    if graph.source_mol is None:
        raise InputError("no_bonds", f"{graph.id or graph.formula} has no molecule with bonds", "give SMILES or SDF")
    return Chem.Mol(graph.source_mol)  # type: ignore[call-overload]  # RDKit's stubs forget bytes


def replaced(graph: MolecularGraph, groups: list[Replaceable]) -> Mol:
    """The molecule without some of its groups.

    Raises:
        InputError: what is left is no sound molecule.
    """
    from rdkit import Chem

    mol = Chem.RWMol(mol_of(graph))
    Chem.Kekulize(mol, clearAromaticFlags=True)
    kept = {node for group in groups for node in group.kept}
    gone = {node for group in groups for node in group.nodes} - kept
    for node in kept:
        _make_carbon(mol, node, gone | kept)
    for atom in (mol.GetAtomWithIdx(node) for node in range(mol.GetNumAtoms()) if node not in gone):
        lost = sum(
            round(bond.GetBondTypeAsDouble()) for bond in atom.GetBonds() if bond.GetOtherAtomIdx(atom.GetIdx()) in gone
        )
        if lost and atom.GetIdx() not in kept:
            _give_hydrogen(atom, lost)
    for node in sorted(gone, reverse=True):
        mol.RemoveAtom(node)
    try:
        Chem.SanitizeMol(mol)
        return Chem.MolFromSmiles(Chem.MolToSmiles(mol))
    except Exception as error:  # RDKit's own, several kinds
        told = f"{', '.join(group.name for group in groups)} cannot be replaced in {graph.id or graph.formula}: {error}"
        raise InputError("no_replacement", told, "explain with a model of geometries") from None


def _parts(graph: MolecularGraph, mol: Mol) -> list[tuple[frozenset[int], bool]]:
    """Nodes of each functional group, and of each ring system and chain of the carbon skeleton; and whether they are functional."""
    nodes = mol.GetNumAtoms()
    bonded = np.zeros((len(graph), len(graph)), dtype=bool)
    i, j = graph.bonds.T if graph.bonds is not None else (np.zeros(0, int),) * 2
    bonded[i, j] = bonded[j, i] = True
    hydrogen = np.arange(nodes, len(graph))
    bonded[hydrogen, graph.node_of_atom[hydrogen]] = bonded[graph.node_of_atom[hydrogen], hydrogen] = True
    found = []
    for group in groups_of(graph.Z, bonded, _marked(graph, mol)):
        own = frozenset(node for node in group.atoms if node < nodes)
        found += [(own, True)] if group.functional else [(part, False) for part in _rings_and_chains(mol, own)]
    return found


def _marked(graph: MolecularGraph, mol: Mol) -> np.ndarray:
    """Atoms of functional groups, hydrogens aside: all but carbon, and carbon with a multiple bond to one that is not aromatic."""
    marked = graph.Z != 6
    marked[mol.GetNumAtoms() :] = False
    for bond in mol.GetBonds():
        ends = [bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()]
        if not bond.GetIsAromatic() and bond.GetBondTypeAsDouble() > 1.0 and marked[ends].any():
            marked[[end for end in ends if graph.Z[end] == 6]] = True
    return marked


def _rings_and_chains(mol: Mol, nodes: frozenset[int]) -> list[frozenset[int]]:
    """A part of the skeleton, cut where a bond leads out of a ring."""
    left, found = set(nodes), []
    while left:
        part, new = set(), {min(left)}
        while new:
            part |= new
            new = {
                bond.GetOtherAtomIdx(node)
                for node in new
                for bond in mol.GetAtomWithIdx(node).GetBonds()
                if bond.IsInRing() or not (bond.GetBeginAtom().IsInRing() or bond.GetEndAtom().IsInRing())
            } & left - part
        left -= part
        found.append(frozenset(part))
    return found


def _joined(
    parts: list[tuple[frozenset[int], bool]], frame: tuple[frozenset[int], bool], mol: Mol
) -> list[tuple[frozenset[int], bool]]:
    """The parts, those joined that a chemist takes together: halogens of one carbon, and functional groups with a carbon that has
    no other neighbors.
    """
    functional = [nodes for nodes, of_group in parts if of_group]
    bridges = []
    for nodes, of_group in parts:
        if of_group or nodes == frame[0] or len(nodes) > 1 or _in_ring(mol, nodes):
            continue
        bridges.append(nodes)
    joined = [set(nodes) for nodes in functional]
    for bridge in bridges:
        around = set(_outside(mol, bridge))
        if around and all(any(node in group for group in joined) for node in around):
            touched = [group for group in joined if group & around]
            joined = [group for group in joined if group not in touched] + [set(bridge).union(*touched)]
    for atom in mol.GetAtoms():
        halogens = {n for n in _neighbors(mol, atom.GetIdx()) if mol.GetAtomWithIdx(n).GetAtomicNum() in HALOGENS}
        if atom.GetAtomicNum() == 6 and not atom.IsInRing() and len(halogens) > 1:
            touched = [group for group in joined if group & halogens]
            joined = [group for group in joined if group not in touched] + [set().union(*touched)]
    taken = set().union(*joined) if joined else set()
    skeleton = [(nodes, False) for nodes, of_group in parts if not of_group and not nodes & taken]
    return [(frozenset(nodes), True) for nodes in joined if nodes != frame[0]] + skeleton


def _outside(mol: Mol, nodes: Any) -> list[int]:
    """Neighbors of some nodes that are none of them, one for each bond."""
    return [other for node in sorted(nodes) for other in _neighbors(mol, node) if other not in nodes]


def _holding(mol: Mol, nodes: frozenset[int], outside: list[int]) -> tuple[int, ...]:
    """Those of a group's nodes that hold the rest together: on the shortest ways through the group between its bonds to the rest, of
    each connected piece of it.
    """
    from rdkit import Chem

    if len(outside) < 2:
        return ()
    inner = Chem.RWMol(mol)
    for bond in mol.GetBonds():
        if not {bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()} <= nodes:
            inner.RemoveBond(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx())
    kept: set[int] = set()
    for piece in map(set, Chem.GetMolFrags(inner)):
        ends = [n for n in piece & nodes for other in _neighbors(mol, n) if other not in nodes]
        kept |= set(ends) if len(ends) > 1 else set()
        for first, second in combinations(sorted(set(ends)), 2):
            kept |= set(Chem.GetShortestPath(inner, first, second))
    return tuple(sorted(kept))


def _neighbors(mol: Mol, node: int) -> list[int]:
    return [neighbor.GetIdx() for neighbor in mol.GetAtomWithIdx(node).GetNeighbors()]


def _make_carbon(mol: Any, node: int, among: set[int]) -> None:
    """Turns an atom into a carbon with as many hydrogens as it has room for; its bonds within the groups become single ones."""
    from rdkit import Chem

    atom = mol.GetAtomWithIdx(node)
    for bond in atom.GetBonds():
        if bond.GetOtherAtomIdx(node) in among and not bond.IsInRing():
            bond.SetBondType(Chem.BondType.SINGLE)
    atom.SetAtomicNum(6)
    atom.SetFormalCharge(0)
    atom.SetNumRadicalElectrons(0)
    atom.SetIsotope(0)
    atom.SetNoImplicit(False)
    atom.SetNumExplicitHs(0)
    atom.SetChiralTag(Chem.ChiralType.CHI_UNSPECIFIED)


def _give_hydrogen(atom: Any, count: int) -> None:
    """Hydrogens in the place of bonds to what is taken away."""
    from rdkit import Chem

    atom.SetChiralTag(Chem.ChiralType.CHI_UNSPECIFIED)
    if atom.GetNoImplicit():
        atom.SetNumExplicitHs(atom.GetNumExplicitHs() + count)


def _in_ring(mol: Mol, nodes: frozenset[int]) -> bool:
    return any(mol.GetAtomWithIdx(node).IsInRing() for node in nodes)
