"""Rock salt as a CIF, to be spoilt."""

from pathlib import Path

import gemmi
import pytest

from andersonn.errors import InputError
from andersonn.structures.readers import read_content
from andersonn.structures.structure import Structure

CELL = "".join(f"_cell_length_{x} 5.64\n" for x in "abc") + "".join(
    f"_cell_angle_{x} 90\n" for x in ("alpha", "beta", "gamma")
)
SITES = "loop_\n_atom_site_label\n_atom_site_type_symbol\n_atom_site_fract_x\n_atom_site_fract_y\n_atom_site_fract_z\n"
HM = "_symmetry_space_group_name_H-M 'F m -3 m'\n"
NACL = "Na1 Na 0 0 0\nCl1 Cl 0.5 0.5 0.5\n"


def salt(symmetry: str = HM, more: str = "", sites: str = SITES + NACL, cell: str = CELL) -> str:
    return f"data_x\n{symmetry}{cell}{more}{sites}"


def listed(operations, name: str = "_symmetry_equiv_pos_as_xyz") -> str:
    return f"loop_\n{name}\n" + "".join(f"'{text}'\n" for text in operations)


def triplets(symbol: str) -> list[str]:
    return [operation.triplet() for operation in gemmi.find_spacegroup_by_name(symbol).operations()]


def read(text: str) -> Structure:
    (found,) = read_content(text.encode(), Path("a.cif"))
    if isinstance(found, InputError):
        raise found
    return found


def refusal(text: str) -> InputError:
    with pytest.raises(InputError) as caught:
        read(text)
    assert caught.value.hint
    return caught.value
