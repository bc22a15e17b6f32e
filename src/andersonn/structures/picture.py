"""Pictures people can read: the structure, its atom-bond network and its graph image, side by side."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np

from andersonn.structures import elements
from andersonn.structures.graph import AtomBondGraph
from andersonn.structures.image import ImageRecipe, NodeNeighborImage
from andersonn.structures.pore_picture import draw_cage, half_bonds, pore_of
from andersonn.structures.skeletal import molecule_of, skeletal_pixels
from andersonn.structures.structure import Structure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure

VIEW = np.radians([-72.0, 12.0])
"""Tilt about x, then turn about the vertical, of the view on a structure."""
ENDINGS = (".png", ".svg", ".pdf")
"""Kinds of files that pictures are written to."""
MOST_DRAWN = 400
"""Larger structures are drawn without bonds to neighboring cells, to stay readable."""
SYMBOL_ROWS = 14
"""Images of at most this many rows show the neighbor's symbol in each pixel."""
TALLEST_IMAGE, ROW_HEIGHT = 0.56, 0.11
"""Height of the image over its width, at most, and per row: the pixels of a small image are not stretched."""
PIXELS = 1200
"""Width and height of the skeletal formula, which is scaled down."""
METAL = 1.9
"""Electronegativity below which an atom counts as a metal's, for bonds that are drawn."""
LONGER = 0.12
"""Å over the sum of covalent radii up to which bonds are drawn as sticks."""
INK, FAINT = "#1f2933", "#9aa5b1"


def draw(structure: Structure, recipe: ImageRecipe | None = None) -> Figure:
    """Structure, atom-bond network and graph image of a structure in one figure."""
    from matplotlib.figure import Figure

    graph = AtomBondGraph.from_structure(structure)
    image = NodeNeighborImage.from_structure(structure, recipe)
    figure = Figure(figsize=(15.5, 4.9), layout="constrained", facecolor="white")
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.set(rect=(0.0, 0.05, 1.0, 0.95))  # type: ignore[call-arg]  # room for the scale, which the layout does not count
    left, middle, right = figure.subplots(1, 3, width_ratios=[1.0, 1.0, 1.9])
    draw_structure(left, structure)
    draw_graph(middle, graph)
    draw_image(right, image)
    name = f"{structure.id}: " if structure.id and structure.id != structure.formula else ""
    title = f"{name}{structure.formula}, {len(structure)} atoms"
    figure.suptitle(title, fontsize=13, color=INK, fontweight="bold", parse_math=False)  # names may hold a $
    return figure


def written(figure: Figure, ending: str, dpi: int = 130) -> bytes:
    """A figure as the content of a file.

    Args:
        figure: the picture.
        ending: one of :data:`ENDINGS`. SVG and PDF hold lines and letters as such, and the same figure gives the same bytes.
        dpi: pixels an inch, of PNG.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    stream, kind = BytesIO(), ending.lower().removeprefix(".")
    undated = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind)
    with rc_context({"svg.hashsalt": "andersonn", "svg.fonttype": "none"}):
        FigureCanvasAgg(figure).print_figure(stream, dpi=dpi, format=kind, metadata=undated)
    return stream.getvalue()


def png(figure: Figure, dpi: int = 130) -> bytes:
    """A figure as a PNG file's content."""
    return written(figure, ".png", dpi)


def draw_structure(axes: Axes, structure: Structure) -> None:
    """A molecule as its skeletal formula; a crystal, and a molecule whose bonds are not known, as shaded balls in element colors
    with the edges of the cell, seen slightly from above. Of a framework, the cage around its largest cavity.
    """
    mol = molecule_of(structure)
    if mol is not None:
        axes.imshow(skeletal_pixels(mol, PIXELS, PIXELS), interpolation="lanczos")
        axes.axis("off")
        axes.set_title("structure (molecule)", fontsize=10, color=INK)
        return
    pores = pore_of(structure)
    if pores is not None:
        told = draw_cage(axes, structure, pores, project)
        _element_legend(axes, structure.Z)
        axes.set_title(f"structure\n{told}", fontsize=10, color=INK)
        return
    xyz, shown = with_faces(structure)
    Z = structure.Z[shown]
    flat, depth = project(xyz)
    radius = 0.5 * elements.column("covalent_radius_A")[Z]
    cell_edges(axes, structure)
    _sticks(axes, structure, xyz, shown, radius)
    for atom in np.argsort(depth):
        ball(axes, flat[atom], radius[atom], elements.colors()[Z[atom]], depth[atom])
    _element_legend(axes, structure.Z)
    frame(axes, flat, radius.max(), "structure" if structure.periodic else "structure (molecule)")


def _sticks(axes: Axes, structure: Structure, xyz: np.ndarray, shown: np.ndarray, radius: np.ndarray) -> None:
    """Bonds between atoms that are drawn, each half in the color of its atom; none of large structures, none between two metals and
    none that is long for its elements, as in salts: there they hide more than they tell.
    """
    from scipy.spatial import cKDTree

    if len(shown) > MOST_DRAWN:
        return
    starts, middles = half_bonds(structure, xyz, shown)
    half = middles - xyz[starts]
    distance, ends = cKDTree(xyz).query(middles + half)
    Z = structure.Z[shown]
    covalent, metal = elements.column("covalent_radius_A")[Z], elements.column("electronegativity")[Z] < METAL
    close = 2.0 * np.linalg.norm(half, axis=1) <= covalent[starts] + covalent[ends] + LONGER
    chosen = np.flatnonzero((distance < 1e-2) & close & ~(metal[starts] & metal[ends]))
    for k in chosen:
        surface = xyz[starts[k]] + half[k] * min(1.0, 0.9 * radius[starts[k]] / np.linalg.norm(half[k]))
        flat, depth = project(np.stack([surface, middles[k]]))
        for ink, width in ((INK, 4.4), (elements.colors()[Z[starts[k]]], 3.4)):
            order = 3 + 1e-4 * float(depth.mean())
            axes.plot(*flat.T, color=ink, linewidth=width, solid_capstyle="butt", zorder=order)


def draw_graph(axes: Axes, graph: AtomBondGraph) -> None:
    """The bonds between atoms; those that leave the cell as short stubs toward the neighbor's image."""
    structure = graph.structure
    xyz = inside(structure)
    flat, depth = project(xyz)
    whole, stubs = bond_segments(graph, xyz)
    cell_edges(axes, structure)
    for segments, color, width in ((stubs, FAINT, 1.0), (whole, INK, 1.6)):
        for start, end in segments:
            ends, _ = project(np.stack([start, end]))
            axes.plot(*ends.T, color=color, linewidth=width, solid_capstyle="round", zorder=2)
    sizes = 40.0 if len(structure) <= 60 else 12.0
    colors = [elements.colors()[z] for z in structure.Z]
    order = np.argsort(depth)
    x, y = flat[order].T
    axes.scatter(x, y, s=sizes, c=[colors[a] for a in order], edgecolors=INK, linewidths=0.6, zorder=3)
    frame(axes, flat, 1.0, f"atom-bond network: {graph.n_bonds} bonds")


def draw_image(axes: Axes, image: NodeNeighborImage) -> None:
    """The graph image: color is distance, a letter the neighbor's element, a dot a bond, faint what fades out."""
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    n, K = image.mask.shape
    shown = image.distance[image.mask] if image.mask.any() else np.array([1.0])
    scale = Normalize(float(shown.min()), float(max(shown.max(), shown.min() + 0.1)))
    palette = colormaps["viridis_r"]
    pixels = palette(scale(image.distance))
    pixels[..., 3] = 0.25 + 0.75 * image.weight
    pixels[~image.mask] = (1.0, 1.0, 1.0, 1.0)
    axes.imshow(pixels, aspect="auto", interpolation="nearest")
    if n <= SYMBOL_ROWS:
        _pixel_symbols(axes, image, scale)
    else:
        rows, columns = np.nonzero(image.bonded)
        axes.scatter(columns, rows, s=3.0, c="white", linewidths=0)
    shape = min(TALLEST_IMAGE, ROW_HEIGHT * n)
    axes.set_box_aspect(shape)
    axes.set_xlabel("column k: the k-th nearest neighbor")
    axes.set_xticks(range(0, K, 2 if K > 12 else 1), [str(k + 1) for k in range(0, K, 2 if K > 12 else 1)])
    step = -(-n // 24)
    alike = zip(image.Z, image.multiplicity, strict=True)
    labels = [elements.symbols()[z] + (f" ×{m}" if m > 1 else "") for z, m in alike]
    axes.set_yticks(range(0, n, step), labels[::step])
    axes.set_ylabel("row: an atom\n(× how many alike)")
    mark = "letter: neighbor, underlined: bonded" if n <= SYMBOL_ROWS else "white dot: bonded"
    axes.set_title(f"graph image: {n} row{'s' * (n > 1)} × {K} columns ({mark})", fontsize=10, color=INK)
    axes.tick_params(length=0, labelsize=8, colors=INK)
    for spine in axes.spines.values():
        spine.set_visible(False)
    below = axes.inset_axes(
        (0.25, -0.13 / shape, 0.5, 0.016 / shape)
    )  # so the image stays in the middle, however low it is
    bar = axes.figure.colorbar(ScalarMappable(scale, palette), cax=below, orientation="horizontal")
    bar.set_label("distance / Å (paler: fading out)", fontsize=8)
    bar.ax.tick_params(labelsize=8)
    bar.outline.set_visible(False)


def _pixel_symbols(axes: Axes, image: NodeNeighborImage, scale: Normalize) -> None:
    for row, column in zip(*np.nonzero(image.mask), strict=True):
        symbol = elements.symbols()[image.Z[image.neighbor_index[row, column]]]
        shade = float(scale(image.distance[row, column])) * image.weight[row, column]
        color = "white" if shade > 0.45 else INK
        axes.text(column, row, symbol, ha="center", va="center", fontsize=7.5, color=color)
        if image.bonded[row, column]:
            axes.plot([column - 0.3, column + 0.3], [row + 0.34] * 2, color=color, linewidth=1.2)


def inside(structure: Structure) -> np.ndarray:
    """Positions wrapped into the cell."""
    if structure.cell is None:
        return structure.xyz
    fractional = structure.xyz @ np.linalg.inv(structure.cell)
    return (fractional - np.floor(fractional + 1e-6)) @ structure.cell


def with_faces(structure: Structure) -> tuple[np.ndarray, np.ndarray]:
    """Positions and numbers of the atoms in the cell, those on a face, edge or corner repeated on the opposite ones."""
    xyz, atoms = inside(structure), np.arange(len(structure))
    if structure.cell is None:
        return xyz, atoms
    to_fractional = np.linalg.inv(structure.cell)
    for axis in range(3):
        on_face = (xyz @ to_fractional)[:, axis] < 1e-3
        xyz = np.concatenate([xyz, xyz[on_face] + structure.cell[axis]])
        atoms = np.concatenate([atoms, atoms[on_face]])
    return xyz, atoms


def project(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Parallel projection: screen coordinates ``[n, 2]`` and depth ``[n]`` (larger is nearer)."""
    tilt, turn = VIEW
    about_z = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
    about_x = np.array([[1, 0, 0], [0, np.cos(tilt), -np.sin(tilt)], [0, np.sin(tilt), np.cos(tilt)]])
    turned = points @ (about_x @ about_z).T
    return turned[:, :2], turned[:, 2]


def facing(structure: Structure) -> np.ndarray | None:
    """For a molecule, axes ``[3, 3]`` that lay it flat on the paper, its longest extent level; None for a crystal."""
    if structure.periodic:
        return None
    _, _, axes = np.linalg.svd(structure.xyz - structure.xyz.mean(axis=0), full_matrices=True)
    return axes


def seen(points: np.ndarray, turn: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Screen coordinates ``[n, 2]`` and depth ``[n]``, along the axes of :func:`facing`, or else as :func:`project` has them."""
    if turn is None:
        return project(points)
    turned = points @ turn.T
    return turned[:, :2], turned[:, 2]


def cell_edges(axes: Axes, structure: Structure) -> None:
    """Draws the edges of the unit cell, if there is one."""
    if structure.cell is None:
        return
    corners = np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)], dtype=float)
    flat, _ = project(corners @ structure.cell)
    for a in range(8):
        for b in range(a + 1, 8):
            if np.abs(corners[a] - corners[b]).sum() == 1:
                axes.plot(*flat[[a, b]].T, color=FAINT, linewidth=0.9, zorder=1)


def ball(axes: Axes, center: np.ndarray, radius: float, color: str | np.ndarray, depth: float) -> None:
    """Draws an atom as a shaded ball."""
    from matplotlib.colors import to_rgb
    from matplotlib.patches import Circle

    base: np.ndarray = np.array(to_rgb(color))  # type: ignore[arg-type]  # it takes arrays too
    for shrink, light in ((1.0, 0.0), (0.72, 0.28), (0.4, 0.55)):
        shift = (1.0 - shrink) * 0.45 * radius * np.array([-1.0, 1.0])
        tone = base + light * 0.7 * (1.0 - base) if light else 0.82 * base
        edge = {"edgecolor": INK, "linewidth": 0.5} if not light else {"linewidth": 0}
        axes.add_patch(Circle(tuple(center + shift), shrink * radius, facecolor=tone, zorder=3 + 1e-4 * depth, **edge))


def bond_segments(graph: AtomBondGraph, xyz: np.ndarray) -> tuple[list, list]:
    """Bonds within the drawing, and stubs of those that leave it."""
    inside, stubs = [], []
    for i, j, vector in zip(graph.i[graph.bonded], graph.j[graph.bonded], graph.vector[graph.bonded], strict=True):
        end = xyz[i] + vector
        if np.linalg.norm(end - xyz[j]) < 1e-3:
            if i < j:
                inside.append((xyz[i], end))
        elif len(xyz) <= MOST_DRAWN:
            stubs.append((xyz[i], xyz[i] + 0.45 * vector))
    return inside, stubs


def _element_legend(axes: Axes, Z: np.ndarray) -> None:
    from matplotlib.lines import Line2D

    present = sorted(set(Z.tolist()), key=lambda z: elements.column("electronegativity")[z])
    handles = [
        Line2D([], [], marker="o", linestyle="", markersize=8, markeredgecolor=INK, markeredgewidth=0.5,
               markerfacecolor=elements.colors()[z], label=elements.symbols()[z])
        for z in present
    ]  # fmt: skip
    axes.legend(
        handles=handles, loc="upper left", bbox_to_anchor=(0.0, -0.02), ncols=min(8, len(handles)), frameon=False,
        fontsize=9, handletextpad=0.1, columnspacing=0.9,
    )  # fmt: skip


def frame(axes: Axes, flat: np.ndarray, margin: float, title: str) -> None:
    """Titles the axes and frees them of scales."""
    axes.set_aspect("equal")
    axes.axis("off")
    axes.margins(0.08)
    axes.autoscale_view()
    axes.set_title(title, fontsize=10, color=INK)
