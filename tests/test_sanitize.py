import pytest

from andersonn.sanitize import lines_of


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", []), ("a", ["a"]), ("a\n", ["a"]), ("a\n\n", ["a", ""]), ("a\r\nb\rc\nd", ["a", "b", "c", "d"]), ("\n", [""]),
        ("a\r\r\nb", ["a", "", "b"]),
    ],
)  # fmt: skip
def test_lines_end_at_line_ends(text, lines):
    assert lines_of(text) == lines


@pytest.mark.parametrize("letter", "\v\f\x1c\x1d\x1e\x85\u2028\u2029")
def test_no_other_letter_ends_a_line(letter):
    assert lines_of(f"a{letter}b\nc") == [f"a{letter}b", "c"]
