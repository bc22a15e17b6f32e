"""Writes docs/cards/TASK.md, and the table of all scientists in the README and docs/measured.md, from the shipped model.json, so that
no number is typed.

python tools/make_card.py conduction

The card of the folder of weights for another geometry: python tools/make_card.py polarity_bonds
"""

import re
import sys
from pathlib import Path

from andersonn.inference.model_bundle import read_card
from andersonn.training.card import page_of

ROOT = Path(__file__).parent.parent
WEIGHTS = ROOT / "src/andersonn/scientists/weights"
NAMES = {
    "conduction": "crystals: metal, semiconductor or insulator",
    "polarity": "molecules: weakly or strongly polar",
    "polarity_bonds": "the same from SMILES, by bonds alone",
    "porosity": "frameworks: nonporous, ultra- or supermicroporous",
}
"""Folder of weights → its row's name."""
BASELINES = {
    "random_forest": "random forest on {}",
    "boosted_trees": "boosted trees on {}, electrons and distances",
    "cut_pld_touching_A": "computed diameter, cut",
}
"""Simple methods that are tested beside the network."""
HEAD = "| question | test structures | our answer | best simple method on the same test | always the commonest class | mean error |"
TABLE = re.compile(rf"^{re.escape(HEAD)}\n(?:\|.*\n)+", re.M)


def row(folder):
    """A line of the table."""
    card = read_card(WEIGHTS / folder)
    test = card["metrics"]["test"]
    own, counts = test["baselines"], [sum(line) for line in test["confusion"]]
    best = max(BASELINES, key=lambda name: own.get(name, {}).get("accuracy", 0.0))
    read = own["random_forest"]["protocol"].split(" features")[0]
    words = BASELINES[best].format(read)
    commonest = max(counts) / sum(counts)
    return (
        f"| [{NAMES[folder]}](LINK{folder}.md) | {test['n']:,} | **{test['accuracy']:.3f}** | {own[best]['accuracy']:.3f} ({words}) | "
        f"{commonest:.3f} | {test['mae']:.3f} {card['unit'].replace('A', 'Å')} |"
    )


def table(link):
    """Accuracy of all scientists beside simple methods; cards are linked to with this before their names."""
    return "\n".join([HEAD, "|---" * 6 + "|", *(row(folder).replace("LINK", link) for folder in NAMES)]) + "\n"


def main():
    for task in sys.argv[1:]:
        (ROOT / f"docs/cards/{task}.md").write_text(page_of(WEIGHTS / task), encoding="utf-8")
    for page, link in (("README.md", "docs/cards/"), ("docs/measured.md", "cards/")):
        path = ROOT / page
        text, found = TABLE.subn(lambda _, link=link: table(link), path.read_text(encoding="utf-8"))
        assert found == 1, f"{page} has no table of the scientists"
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
