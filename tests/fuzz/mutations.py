"""Ways to spoil a structure file. Each takes a random generator, the content, and another file's content."""

from __future__ import annotations

import gzip
import io
import random
import re
import zipfile
from collections.abc import Callable

NUMBER = re.compile(rb"[-+]?\d+\.?\d*(?:[eE][-+]?\d+)?")
WORD = re.compile(rb"\S+")
EXTREMES = [
    b"nan", b"inf", b"-inf", b"NaN", b"1e308", b"-1e308", b"1e-308", b"1e-30", b"1e30", b"-0", b"0", b"1", b"-1", b"1e4",
    b"9999.9", b"1" + b"0" * 30, b"9" * 5000, b"2147483647", b"2147483648", b"-2147483648", b"4294967296",
    b"9223372036854775807", b"18446744073709551616", b"1000000000", b"999", b"1e999", b"1.5(3)", b"?", b".", b"0x10", b"1_000",
    b"1,5", b"1/3", b"1e", b"--1", b"0.0000001", b"65536", b"32768", b"256", b"1d5", "٣".encode(), "²".encode(),
    "１２".encode(), "½".encode(), b"1e-5", b"true", b"",
]  # fmt: skip
COUNTS = [b"1000000000", b"999999999999", b"100000", b"999", b"0", b"-1", b"1e9", "²".encode(), b"9" * 5000]
TOKENS = [
    b"loop_", b"data_", b"data_x", b"save_x", b"save_", b";", b"'", b'"', b"global_", b"stop_", b"_cell_length_a 5",
    b"_symmetry_space_group_name_H-M 'F d -3 m'", b"_symmetry_space_group_name_H-M 'P 1'", b"_space_group_IT_number 227",
    b"_symmetry_Int_Tables_number 1000000", b"_symmetry_space_group_name_Hall '-F 4vw 2vw 3'", b"_atom_site_label",
    b"_atom_site_type_symbol", b"_atom_site_fract_x", b"_atom_site_fract_x 0.5", b"_atom_site_occupancy",
    b"_atom_site_calc_flag", b"_atom_site_Cartn_x", b"_atom_site.Cartn_x", b"_chem_comp_atom.atom_id", b"dum",
    b"_chemical_formula_sum 'Na. Cl0'", b"_chemical_formula_sum 'C1e5 H'", b"_symmetry_equiv_pos_as_xyz",
    b"x,y,z", b"-x,-y,-z", b"x+1/0,y,z", b"x+1/2,y+1/2,z", b"1e9x,y,z", b"x-y,x,z+1/6", b"y,z,x", b"0,0,0", b"x,x,x",
    b"x+1/99999999999,y,z", b"2x,2y,2z", b"x/2,y/2,z/2", b"a,b,c", b"x,y,z,x", b"[*]", b"*", b"Uue", b"Xx", b"D", b"T",
    b"H", b"Og", b"C", b"Cs", b"U", b"Direct", b"Cartesian", b"Selective dynamics", b"T T F", b"M  END", b"M  CHG  1   1   1",
    b"M  CHG999   1  99", b"M  RAD  1   1   9", b"M  ISO  1   1 999", b"M  V30 BEGIN CTAB", b"M  V30 COUNTS 9 9 0 0 0",
    b"M  V30 END ATOM", b"V3000", b"V2000", b"$$$$", b"> <name>", b"@<TRIPOS>MOLECULE", b"@<TRIPOS>ATOM", b"@<TRIPOS>BOND",
    b"MODEL        1", b"ENDMDL", b"END", b"TER", b"HETATM", b"ATOM  ", b"CONECT    1    2    3", b"CRYST1", b"ANISOU",
    b'Lattice="1 0 0 0 1 0 0 0 1"', b'Lattice="', b"Properties=species:S:1:pos:R:3", b"Properties=pos:R:3",
    b"Properties=species:S:1:pos:R:1000000000", b'pbc="T F T"', b"VEC1 1 0 0", b"occupancy=1", b'occupancy="_JSON [1]"', b"move_mask:L:1",
    b"%99", b"%(12345)", b"%00", b"[13CH4]",
    b"[C@@H]", b"[Fe+9]", b"[999C]", b"[CH99]", b"/C=C\\", b"c1ccccc1", b"C1CC1", b"n1", b"#", b"$", b"~", b"->", b">>", b".",
    b"[#6]", b"[#118]", b"[#999]", b"[U]", b"|", b"\x00", b"\xff\xfe", b"\xc3", b"\x1a", b"\x85", "\u2028".encode(), b"\x0c", b"\x1c", b"\t",
]  # fmt: skip
WEIRD_ENDS = [b"\r\n", b"\r", b"\n\n", b"\x0b", b"\x0c", b"\x1c", b"\xc2\x85", "\u2028".encode(), b" \n", b"\n\r"]
LARGEST = 65536
"""Bytes of most mutants; a few may be larger."""

Random = random.Random
Mutation = Callable[[Random, bytes, bytes], bytes]


def flip(rng: Random, data: bytes, other: bytes) -> bytes:
    spoilt = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8))):
        spoilt[rng.randrange(len(spoilt))] = rng.randrange(256)
    return bytes(spoilt)


def cut_out(rng: Random, data: bytes, other: bytes) -> bytes:
    begin = rng.randrange(len(data))
    return data[:begin] + data[begin + rng.choice((1, 2, 5, 30, 300)) :]


def repeat_part(rng: Random, data: bytes, other: bytes) -> bytes:
    begin = rng.randrange(len(data))
    part = data[begin : begin + rng.choice((1, 3, 20, 200))]
    return data[:begin] + part * rng.choice((2, 3, 10, 200)) + data[begin:]


def replace_number(rng: Random, data: bytes, other: bytes) -> bytes:
    return _replace_one(rng, NUMBER, data, lambda old: rng.choice(EXTREMES))


def tweak_number(rng: Random, data: bytes, other: bytes) -> bytes:
    changes = (
        lambda old: old[: rng.randrange(len(old))] + b"%d" % rng.randrange(10) + old[1:],
        lambda old: b"-" + old,
        lambda old: old + b"%d" % rng.randrange(100),
        lambda old: old.replace(b".", b""),
        lambda old: b"%g" % rng.uniform(-20, 20),
        lambda old: b"%d" % rng.randrange(-3, 200),
    )
    return _replace_one(rng, NUMBER, data, rng.choice(changes))


def replace_all_of_a_number(rng: Random, data: bytes, other: bytes) -> bytes:
    found = NUMBER.findall(data)
    return data.replace(rng.choice(found), rng.choice(EXTREMES)) if found else data


def announce(rng: Random, data: bytes, other: bytes) -> bytes:
    """A count, which stands near the head of most formats, that promises too much."""
    found = [m for m in NUMBER.finditer(data[:400]) if m.group().isdigit()]
    if not found:
        return data
    chosen = rng.choice(found)
    return data[: chosen.start()] + rng.choice(COUNTS) + data[chosen.end() :]


def swap_words(rng: Random, data: bytes, other: bytes) -> bytes:
    found = list(WORD.finditer(data))
    if len(found) < 2:
        return data
    a, b = sorted(rng.sample(found, 2), key=lambda m: m.start())
    return data[: a.start()] + b.group() + data[a.end() : b.start()] + a.group() + data[b.end() :]


def foreign_word(rng: Random, data: bytes, other: bytes) -> bytes:
    words = WORD.findall(other)
    return _replace_one(rng, WORD, data, lambda old: rng.choice(words)) if words else data


def known_word(rng: Random, data: bytes, other: bytes) -> bytes:
    return _replace_one(rng, WORD, data, lambda old: rng.choice(TOKENS))


def insert_known_word(rng: Random, data: bytes, other: bytes) -> bytes:
    begin, around = rng.randrange(len(data) + 1), rng.choice((b"", b" ", b"\n"))
    return data[:begin] + around + rng.choice(TOKENS) + around + data[begin:]


def lines_mixed(rng: Random, data: bytes, other: bytes) -> bytes:
    lines = data.split(b"\n")
    a, b = rng.randrange(len(lines)), rng.randrange(len(lines))
    way = rng.randrange(6)
    if way == 0:
        del lines[a]
    elif way == 1:
        lines.insert(b, lines[a])
    elif way == 2:
        lines[a], lines[b] = lines[b], lines[a]
    elif way == 3:
        rng.shuffle(lines)
    elif way == 4:
        lines[a:a] = [lines[a]] * rng.choice((2, 10, 300))
    else:
        lines.insert(a, rng.choice(other.split(b"\n")))
    return b"\n".join(lines)


def truncate(rng: Random, data: bytes, other: bytes) -> bytes:
    return data[: rng.randrange(len(data))]


def splice(rng: Random, data: bytes, other: bytes) -> bytes:
    return data[: rng.randrange(len(data))] + other[rng.randrange(len(other)) :]


def join(rng: Random, data: bytes, other: bytes) -> bytes:
    return data + rng.choice((b"", b"\n", b"\n\n$$$$\n")) + rng.choice((data, other))


def encode(rng: Random, data: bytes, other: bytes) -> bytes:
    text = data.decode("latin-1")
    ways = (
        lambda: text.encode("utf-16"),
        lambda: b"\xff\xfe" + data,
        lambda: b"\xfe\xff" + text.encode("utf-16-be"),
        lambda: b"\xef\xbb\xbf" + data,
        lambda: b"\xef\xbb\xbf\xef\xbb\xbf" + data,
        lambda: text.encode("utf-32"),
        lambda: data.replace(b" ", b"\xc2\xa0"),
        lambda: data.replace(b" ", b"\t"),
        lambda: data + b"\0" * rng.choice((1, 1000)),
        lambda: data[:10] + b"\0" + data[10:],
        lambda: data.swapcase(),
        lambda: data.decode("utf-8", "replace").translate(str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")).encode(),
    )
    return rng.choice(ways)()


def end_lines(rng: Random, data: bytes, other: bytes) -> bytes:
    return data.replace(b"\n", rng.choice(WEIRD_ENDS))


def nest(rng: Random, data: bytes, other: bytes) -> bytes:
    opening, closing = rng.choice(((b"(", b")"), (b"[", b"]"), (b"C(", b")"), (b"'", b"'"), (b'"', b'"'), (b"{", b"}")))
    depth, begin = rng.choice((3, 50, 800, 2400)), rng.randrange(len(data) + 1)
    return (
        data[:begin]
        + opening * depth
        + rng.choice((b"", b"C", data[begin : begin + 3]))
        + closing * depth
        + data[begin:]
    )


def rings(rng: Random, data: bytes, other: bytes) -> bytes:
    """Ring closures in the manner of SMILES, which may be far too many or too large."""
    begin = rng.randrange(len(data) + 1)
    marks = (b"%d" % rng.randrange(10), b"%%%d" % rng.randrange(100), b"%%(%d)" % rng.choice((1, 99999, 10**9, 10**30)))
    closed = rng.choice(marks)
    return data[:begin] + closed + data[begin : begin + 6] + closed * rng.choice((1, 1, 40)) + data[begin + 6 :]


def operations(rng: Random, data: bytes, other: bytes) -> bytes:
    """Symmetry operations in the manner of CIF: nonsense, or very many."""
    row = b"_symmetry_equiv_pos_as_xyz\n_space_group_symop_operation_xyz\n".split(b"\n")[rng.randrange(2)]
    terms = (
        b"x",
        b"y",
        b"z",
        b"-x",
        b"x-y",
        b"x+1/2",
        b"z+1/7",
        b"-y+3/4",
        b"1/0",
        b"0",
        b"q",
        b"2*x",
        b"x+1e9",
        b"x+x+x",
    )
    many = [b"'%s'" % b",".join(rng.choices(terms, k=3)) for _ in range(rng.choice((1, 3, 50, 700)))]
    if rng.random() < 0.3:  # translations alone fit any cell
        many = [b"'x+%d/999,y,z'" % k for k in range(rng.choice((2, 30, 999)))]
    block = b"\nloop_\n" + row + b"\n" + b"\n".join(many) + b"\n"
    place = data.find(b"loop_")
    return data[:place] + block + data[place:] if place >= 0 else data + block


def pack(rng: Random, data: bytes, other: bytes) -> bytes:
    if rng.random() < 0.5:
        return gzip.compress(data, 1)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.cif", data)
    return stream.getvalue()


def drop_columns(rng: Random, data: bytes, other: bytes) -> bytes:
    """Moves what fixed columns hold."""
    lines = data.split(b"\n")
    a, column = rng.randrange(len(lines)), rng.randrange(80)
    lines[a] = lines[a][:column] + rng.choice((b"", b" ", b"   ", b"*****")) + lines[a][column + rng.randrange(3) :]
    return b"\n".join(lines)


WEIGHTS: dict[Mutation, int] = {
    flip: 6, cut_out: 5, repeat_part: 4, replace_number: 12, tweak_number: 10, replace_all_of_a_number: 3, announce: 4,
    swap_words: 5, foreign_word: 5, known_word: 5, insert_known_word: 6, lines_mixed: 9, truncate: 4, splice: 4, join: 2,
    encode: 3, end_lines: 1, nest: 2, rings: 2, operations: 2, pack: 1, drop_columns: 5,
}  # fmt: skip

GENTLE = [replace_number, tweak_number, tweak_number, swap_words, foreign_word]


def mutate(rng: Random, data: bytes, other: bytes) -> bytes:
    """One to a few mutations in a row, of no more than :data:`LARGEST` bytes but for one in 200."""
    if rng.random() < 0.4:  # most of what is above breaks the syntax: these reach what comes after it
        changes = rng.choices(GENTLE, k=rng.choice((1, 2, 4)))
    else:
        changes = rng.choices(list(WEIGHTS), list(WEIGHTS.values()), k=rng.choice((1, 1, 1, 2, 2, 3, 5)))
    for change in changes:
        data = change(rng, data or b"\n", other or b"\n")
        if len(data) > LARGEST and rng.random() > 0.005:
            data = data[:LARGEST]
    return data[: 16 * LARGEST]


def _replace_one(rng: Random, what: re.Pattern[bytes], data: bytes, new: Callable[[bytes], bytes]) -> bytes:
    found = list(what.finditer(data))
    if not found:
        return data
    chosen = rng.choice(found)
    return data[: chosen.start()] + new(chosen.group()) + data[chosen.end() :]
