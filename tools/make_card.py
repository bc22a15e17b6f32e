"""Writes docs/cards/TASK.md and the task's table in the README from the shipped model.json, so that no number is typed.

python tools/make_card.py conduction

The card alone, of the folder of weights for another geometry: python tools/make_card.py polarity_bonds
"""

import re
import sys
from pathlib import Path

from andersonn.inference.model_bundle import read_card
from andersonn.training.card import page_of, results_table

ROOT = Path(__file__).parent.parent


def main():
    task = sys.argv[1]
    folder = ROOT / f"src/andersonn/scientists/weights/{task}"
    (ROOT / f"docs/cards/{task}.md").write_text(page_of(folder), encoding="utf-8")
    card, readme = read_card(folder), ROOT / "README.md"
    if card["task"] != task:
        return
    begin, end = f"<!-- results {task} -->", f"<!-- /results {task} -->"
    block = f"{begin}\n{results_table(card, card['metrics']['test'])}\n{end}"
    text = re.sub(f"{begin}(.*?{end})?", lambda _: block, readme.read_text(), count=1, flags=re.S)
    readme.write_text(text)


if __name__ == "__main__":
    main()
