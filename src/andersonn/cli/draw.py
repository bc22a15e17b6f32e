"""``andersonn draw``."""

from __future__ import annotations

from pathlib import Path

import typer

from andersonn.cli.console import tell, write_out

HELP = """Picture of a structure, its atom-bond network and its graph image, side by side.

Example: andersonn draw NaCl.cif --out NaCl.png"""


def draw(
    input: Path = typer.Argument(help="Structure file."),
    out: Path = typer.Option(..., help="PNG file to write."),
    frame: int = typer.Option(1, min=1, help="Which structure of the file, if it holds several."),
    columns: int = typer.Option(16, min=1, max=255, help="Neighbors per atom in the image."),
) -> None:
    """Writes the picture."""
    from andersonn.errors import InputError, UsageError
    from andersonn.structures.image import ImageRecipe
    from andersonn.structures.picture import draw as picture
    from andersonn.structures.picture import png
    from andersonn.structures.readers import read_file

    if out.suffix.lower() != ".png":
        raise UsageError("bad_option", f"--out {str(out)!r} is no PNG file", "let its name end in .png")
    try:
        structures = read_file(input)
    except InputError as error:
        raise error.within(str(input)) from None
    if frame > len(structures):
        raise UsageError("bad_option", f"{str(input)!r} holds {len(structures)} structures", "choose a smaller --frame")
    write_out(out, png(picture(structures[frame - 1], ImageRecipe(columns=columns))))
    tell(f"{structures[frame - 1].formula}, {len(structures[frame - 1])} atoms: {out}")
