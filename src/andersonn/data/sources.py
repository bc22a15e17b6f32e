"""Where the data come from: licence, citation, size, checksum, and how each is fetched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from andersonn.errors import unknown


@dataclass(frozen=True)
class Source:
    """One public set of labeled structures.

    Attributes:
        name: as on the command line.
        title: what it is.
        task: scientist it trains.
        labels: quantities with their units and level of theory.
        records: how many, or None where it grows.
        licence: of the data.
        citation: what to cite.
        link: page or DOI for a person.
        how: ``"package"`` (by pip), ``"figshare"``, ``"url"``, ``"materials_project"``, ``"shipped"``.
        location: package and version, figshare article, URL, file of this package; what ``how`` needs.
        files: names of the files one gets; for figshare decided by the article.
        size: bytes, or None if unknown before the fetch.
        sha256: of the one file, or None.
        checksum: in words, where ``sha256`` is None.
        needs: what the user must have.
    """

    name: str
    title: str
    task: str
    labels: str
    records: int | None
    licence: str
    citation: str
    link: str
    how: str
    location: str
    files: tuple[str, ...] = ()
    size: int | None = None
    sha256: str | None = None
    checksum: str = "unknown"
    needs: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The facts as JSON; unknown ones are null."""
        return {
            "name": self.name,
            "title": self.title,
            "task": self.task,
            "labels": self.labels,
            "records": self.records,
            "licence": self.licence,
            "citation": self.citation,
            "link": self.link,
            "how": HOW[self.how],
            "location": self.location,
            "size_MB": None if self.size is None else round(self.size / 1e6, 3),
            "checksum": f"sha256:{self.sha256}" if self.sha256 else self.checksum,
            "needs": self.needs or None,
        }


HOW = {
    "package": "pip download",
    "figshare": "figshare's API",
    "url": "download",
    "materials_project": "mp-api",
    "shipped": "comes with this package",
}

QM9 = Source(
    name="qm9",
    title="QM9 without its inconsistent molecules: H C N O F, up to nine heavy atoms",
    task="polarity",
    labels="dipole moment (D) and twelve more, B3LYP/6-31G(2df,p) geometry and value",
    records=130_831,
    licence="CC0 (data, by its publishers); MIT (package)",
    citation="R. Ramakrishnan, P. O. Dral, M. Rupp, O. A. von Lilienfeld, Scientific Data 1, 140022 (2014)",
    link="https://doi.org/10.1038/sdata.2014.22",
    how="package",
    location="qm9pack==1.0.3",
    files=("qm9pack-1.0.3-py3-none-any.whl",),
    size=103_712_597,
    sha256="1d88c2988007c6778e717ee3224cf511bd60e10732ebe3b7ed500ea5af05c9f0",
    needs="pip",
)
CORE_MOF = Source(
    name="core-mof",
    title="CoRE MOF 2019 (public part) and 2014: experimental frameworks, solvent removed",
    task="porosity",
    labels="LCD, PLD (Å), void fraction and surface areas, published Zeo++ values",
    records=12_020,
    licence="CC BY 4.0 (data); MIT (package)",
    citation="Y. G. Chung et al., J. Chem. Eng. Data 64, 5985 (2019)",
    link="https://doi.org/10.1021/acs.jced.9b00835",
    how="package",
    location="CoRE-MOF==2019.1",
    files=("core_mof-2019.1-py3-none-any.whl",),
    size=45_111_678,
    sha256="852af4c604148585eca6cfd75832c4b4967a1bded76381d4b914dcd2317f6823",
    needs="pip",
)
QMOF = Source(
    name="qmof",
    title="QMOF: DFT-relaxed metal-organic frameworks",
    task="porosity",
    labels="PBE band gap (eV), LCD and PLD (Å) among many",
    records=None,
    licence="CC BY 4.0",
    citation="A. S. Rosen et al., Matter 4, 1578 (2021); npj Computational Materials 8, 112 (2022)",
    link="https://doi.org/10.6084/m9.figshare.13147324",
    how="figshare",
    location="13147324",
    checksum="MD5, as figshare states it at the fetch",
)
MATERIALS_PROJECT = Source(
    name="materials-project",
    title="Materials Project: crystals of the current release, without GNoME",
    task="conduction",
    labels="band gap (eV), DFT (PBE, PBE+U, r2SCAN as the database mixes them)",
    records=None,
    licence="CC BY 4.0",
    citation="A. Jain et al., APL Materials 1, 011002 (2013)",
    link="https://materialsproject.org",
    how="materials_project",
    location="summary",
    files=("materials_project.parquet",),
    checksum="none stated: the database grows",
    needs="pip install mp-api, and a free API key in MP_API_KEY",
)
PEREIRA = Source(
    name="pereira2018",
    title="Pereira and Aires-de-Sousa 2018: SMILES with dipoles (C N O S Cl F P Br)",
    task="polarity",
    labels="dipole moment (D), B3LYP/6-31G(d,p)",
    records=None,
    licence="CC BY 4.0 (article), CC0 (data)",
    citation="F. Pereira, J. Aires-de-Sousa, J. Cheminformatics 10, 43 (2018)",
    link="https://doi.org/10.1186/s13321-018-0296-5",
    how="url",
    location="https://raw.githubusercontent.com/aimat-lab/visual_graph_datasets/"
    "8b98d9d4005ba97e83037b5a5cb4edd989106d91/visual_graph_datasets/experiments/assets/dipole_moment.csv",
    files=("dipole_moment.csv",),
    checksum="unknown (the commit of the file is fixed)",
)
BIOMOLECULES = Source(
    name="biomolecules",
    title="Drugs, amino acids, nucleobases, sugars and small peptides, labeled here",
    task="polarity",
    labels="dipole moment (D), B3LYP/6-31G(2df,p) on GFN2-xTB geometries",
    records=None,
    licence="MIT, as this package",
    citation="Deep AndersoNN; PySCF: Q. Sun et al., J. Chem. Phys. 153, 024109 (2020); "
    "GFN2-xTB: C. Bannwarth et al., J. Chem. Theory Comput. 15, 1652 (2019)",
    link="docs/labels.md",
    how="shipped",
    location="sets/biomolecules.parquet",
    files=("biomolecules.parquet",),
    checksum="not needed: read from the package",
)
COMMON_CHEMICALS = Source(
    name="common-chemicals",
    title="Common chemicals: gases, inorganic molecules, ion pairs, solvents, reagents, labeled here or by QM9",
    task="polarity",
    labels="dipole moment (D), B3LYP/6-31G(2df,p) on GFN2-xTB or B3LYP geometries",
    records=None,
    licence="MIT, as this package; list: chemicals (MIT), PubChem (public domain); QM9's records: CC0",
    citation="Deep AndersoNN; C. Bell, chemicals (github.com/CalebBell/chemicals); PySCF and GFN2-xTB as for biomolecules",
    link="docs/labels.md",
    how="shipped",
    location="sets/common_chemicals.parquet",
    files=("common_chemicals.parquet",),
    checksum="not needed: read from the package",
)
SMALL_MOLECULES = Source(
    name="small-molecules",
    title="Small molecules built from groups: pairs of groups, halides, small rings, labeled here",
    task="polarity",
    labels="dipole moment (D), B3LYP/6-31G(2df,p) on GFN2-xTB geometries",
    records=None,
    licence="MIT, as this package",
    citation="Deep AndersoNN; PySCF and GFN2-xTB as for biomolecules",
    link="docs/labels.md",
    how="shipped",
    location="sets/small_molecules.parquet",
    files=("small_molecules.parquet",),
    checksum="not needed: read from the package",
)
SOURCES = {
    s.name: s
    for s in (QM9, PEREIRA, BIOMOLECULES, COMMON_CHEMICALS, SMALL_MOLECULES, CORE_MOF, QMOF, MATERIALS_PROJECT)
}


def source(name: str) -> Source:
    """The source of that name.

    Raises:
        UsageError: there is none.
    """
    if name not in SOURCES:
        raise unknown("data source", name, SOURCES)
    return SOURCES[name]
