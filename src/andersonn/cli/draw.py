"""``andersonn draw``."""

from __future__ import annotations

from pathlib import Path

import typer

from andersonn.cli.console import tell, write_out

HELP = """Picture of a structure, its atom-bond network and its graph image, side by side.

Molecules are drawn as skeletal formulas, frameworks as the cage around their largest cavity.

Examples: andersonn draw NaCl.cif --out NaCl.png; andersonn draw caffeine.sdf --out caffeine.svg"""


def draw(
    input: Path = typer.Argument(help="Structure file."),
    out: Path = typer.Option(..., help="PNG, SVG or PDF file to write."),
    frame: int = typer.Option(1, min=1, help="Which structure of the file, if it holds several."),
    columns: int = typer.Option(16, min=1, max=255, help="Neighbors per atom in the image."),
) -> None:
    """Writes the picture."""
    from andersonn.errors import InputError, UsageError
    from andersonn.structures.image import ImageRecipe
    from andersonn.structures.picture import ENDINGS, written
    from andersonn.structures.picture import draw as picture
    from andersonn.structures.readers import read_file

    if out.suffix.lower() not in ENDINGS:
        told = f"--out {str(out)!r} is no PNG, SVG or PDF file"
        raise UsageError("bad_option", told, f"let its name end in one of {', '.join(ENDINGS)}")
    try:
        structures = read_file(input)
    except InputError as error:
        raise error.within(str(input)) from None
    if frame > len(structures):
        raise UsageError("bad_option", f"{str(input)!r} holds {len(structures)} structures", "choose a smaller --frame")
    figure = picture(structures[frame - 1], ImageRecipe(columns=columns))
    write_out(out, written(figure, out.suffix))
    tell(f"{structures[frame - 1].formula}, {len(structures[frame - 1])} atoms: {out}")
