"""The answers to many structures: a sequence that also is a table, can be sorted and cut anew, and shows itself in a notebook."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, overload

from andersonn.data.tasks import Task
from andersonn.errors import UsageError, unknown
from andersonn.inference import html
from andersonn.inference.prediction import Failure, Prediction
from andersonn.io.installed import how_to_install
from andersonn.sanitize import harmless
from andersonn.structures.small_picture import small_picture
from andersonn.structures.structure import Structure

if TYPE_CHECKING:
    import pandas

Recut = Callable[[Sequence[float] | float], tuple[Task, Callable[[Prediction, Structure], Prediction]]]
"""Thresholds → the task with them, and what cuts one answer there."""
IN_LINES, IN_HTML = 10, 20
"""Answers that are shown in a terminal and in a notebook."""
LONGEST_NAME = 32


class Answers(Sequence["Prediction | Failure"]):
    """What :meth:`andersonn.Scientist.predict` answers: one :class:`~andersonn.Prediction` or :class:`~andersonn.Failure` for each
    structure, in the order of the inputs. It is a sequence: it has a length, is indexed, sliced, iterated and unpacked like a
    list, and equals a list of the same answers.

    Args:
        task: what was asked.
        items: the answers.
        structures: what each is about; None of a failure.
        recut: cuts answers at other thresholds.

    Examples:
        >>> import andersonn as an
        >>> answers = an.Scientist.load("polarity").predict(["CCCCCC", "CC#N", "C1CC"])
        >>> len(answers), len(answers.answered), answers[2].error["kind"]
        (3, 2, 'missing_file')
        >>> [answer.id for answer in answers.answered.sort("dipole_D", descending=True)]
        ['CC#N', 'CCCCCC']
        >>> [answer.label for answer in answers.thresholds([5.0]).answered]
        ['weakly_polar', 'weakly_polar']
    """

    def __init__(
        self,
        task: Task,
        items: Sequence[Prediction | Failure],
        structures: Sequence[Structure | None],
        recut: Recut,
    ) -> None:
        self.task, self.structures = task, tuple(structures)
        self._items, self._recut = tuple(items), recut

    def __len__(self) -> int:
        return len(self._items)

    @overload
    def __getitem__(self, index: int) -> Prediction | Failure: ...

    @overload
    def __getitem__(self, index: slice) -> Answers: ...

    def __getitem__(self, index: int | slice) -> Prediction | Failure | Answers:
        return self._part(range(len(self))[index]) if isinstance(index, slice) else self._items[index]

    def __iter__(self) -> Iterator[Prediction | Failure]:
        return iter(self._items)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, (Answers, list, tuple)):
            return NotImplemented
        return list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]  # as of a list

    @property
    def answered(self) -> Answers:
        """Those that are predictions."""
        return self._part([k for k, item in enumerate(self._items) if item.ok])

    @property
    def failed(self) -> Answers:
        """Those that are failures."""
        return self._part([k for k, item in enumerate(self._items) if not item.ok])

    def sort(self, by: str | Callable[[Prediction], Any] = "value", descending: bool = False) -> Answers:
        """The answers in another order, as new answers; failures come last, and of equal ones the earlier first.

        Args:
            by: a column of :meth:`to_frame`; or ``"value"``, which is the quantity's; or what gives the key of a prediction.
                By ``"class"`` they are in the order of the quantity.
            descending: the largest first.

        Raises:
            UsageError: there is no such column, or ``by`` is neither the name of one nor a function.
        """
        if not (isinstance(by, str) or callable(by)):
            told = f"answers are sorted by a column or a function, not by {type(by).__name__}"
            raise UsageError(
                "bad_option", told, "give the name of a column, such as 'value', or what gives the key of an answer"
            )
        keys = {k: self._key(item, by) for k, item in enumerate(self._items) if isinstance(item, Prediction)}
        missing = [k for k, key in keys.items() if key is None]
        order = sorted((k for k in keys if keys[k] is not None), key=lambda k: keys[k], reverse=descending)
        return self._part([*order, *missing, *(k for k in range(len(self)) if k not in keys)])

    def thresholds(self, cuts: Sequence[float] | float) -> Answers:
        """The same answers with the classes cut elsewhere: exactly those of ``scientist.with_thresholds(cuts).predict(…)``,
        without another solve. Estimates and intervals stay.

        Args:
            cuts: rising, in the task's unit, one fewer than there are classes; a single one needs no list. Of porosity: the diameter
                of the sphere that must get in, then those between the pore widths, in Å; pores are then measured anew.

        Raises:
            UsageError: they are no numbers, there are too many or too few or they do not rise, or the model learned its classes at fixed thresholds.
        """
        task, cut = self._recut(cuts)
        items = [
            cut(item, structure) if isinstance(item, Prediction) and structure is not None else item
            for item, structure in zip(self._items, self.structures, strict=True)
        ]
        return Answers(task, items, self.structures, self._recut)

    def to_frame(self) -> pandas.DataFrame:
        """A table of pandas with a row for each answer: ``input, id, formula, class, p`` (of that class), ``p_CLASS`` of each, the
        quantity under its own name, ``low90, high90, n_atoms, status, steps, residual, distance, inside`` (the applicability
        domain), descriptors of pores, ``notes, warnings, error``. Columns are flat; what a row lacks is missing.

        Raises:
            ImportError: pandas is not installed.
        """
        try:
            import pandas
        except ImportError as error:
            raise ImportError(f"to_frame needs pandas: {how_to_install('notebook')}") from error
        rows = [_row(item) for item in self._items]
        columns = [name for name in dict.fromkeys(name for row in rows for name in row) if name not in LAST]
        classes = ["class", "p", *(f"p_{name}" for name in self.task.classes)] if self.task.has_class else []
        estimate = [self.task.quantity, "low90", "high90"] if self.task.has_estimate else []
        usual = [*FIRST, *classes, *estimate, *MIDDLE]
        return pandas.DataFrame(rows, columns=[*usual, *(c for c in columns if c not in usual), *LAST])

    def __repr__(self) -> str:
        shown = [(_name(item), item) for item in self._items[:IN_LINES]]
        name, formula, label = (
            max((len(of(*pair)) for pair in shown), default=0)
            for of in (
                lambda name, item: name,
                lambda name, item: item.formula if item.ok else "",
                lambda name, item: item.label if item.ok and item.has_class else "",
            )
        )
        lines = [f"Answers({self._summary})"]
        for title, item in shown:
            if isinstance(item, Prediction):
                told = f"{item.formula:{formula}}  "
                told += f"{item.label:{label}}  p {item.probabilities[item.label]:.2f}  " if item.has_class else ""
                told += (estimate_of(item, self.task) if item.has_estimate else "") + ("  !" if item.warnings else "")
            else:
                told = f"not answered: {item.error['message']}"
            lines.append(f"  {title:{name}}  {told}")
        if len(self) > len(shown):
            lines.append(f"  … and {len(self) - len(shown)} more")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        rows = [self._cells(k) for k in range(min(len(self), IN_HTML))]
        more = f"<div>… and {len(self) - len(rows)} more</div>" if len(self) > len(rows) else ""
        quantity = f"{self.task.quantity_words} / {self.task.unit}" if self.task.unit else self.task.quantity_words
        classes, estimate = "class" if self.task.has_class else "", quantity if self.task.has_estimate else ""
        titles = ("", "input", "formula", classes, estimate, "")
        key = html.key(self.task.classes) if self.task.has_class else ""
        return f"<div><b>{html.text(self._summary)}</b> &nbsp; {key}</div>{html.table(titles, rows)}{more}"

    @property
    def _summary(self) -> str:
        counts = Counter(item.label for item in self._items if isinstance(item, Prediction))
        classes = [f"{counts[name]} {name}" for name in self.task.classes if counts[name] and self.task.has_class]
        failed = len(self) - counts.total()
        told = ", ".join([*classes, *([f"{failed} not answered"] if failed else [])])
        return f"{len(self)} to {self.task.name}" + (f": {told}" if told else "")

    def _cells(self, k: int) -> tuple[str, ...]:
        """A row of the table, as HTML."""
        item, structure = self._items[k], self.structures[k]
        name = html.text(_name(item, html.LONGEST))
        if not isinstance(item, Prediction) or structure is None:
            assert isinstance(item, Failure)
            told = f"{html.text(item.error['message'])} <i>{html.text(item.error['hint'])}</i>"
            return "", name, "", "not answered", "", told
        label = value = ""
        if item.has_class:
            label = f"{html.words(item.label)} <small>p = {item.probabilities[item.label]:.2f}</small>"
            label += html.bar(item.probabilities)
        if item.has_estimate:
            value, interval = _numbers(item)
            value += f" <small style='white-space:nowrap'>({interval})</small>"
        drawn = html.picture(small_picture(structure))
        return drawn, name, html.text(item.formula), label, value, f"<small>{html.lines(item.warnings, '! ')}</small>"

    def _key(self, item: Prediction, by: str | Callable[[Prediction], Any]) -> Any:
        if callable(by):
            return by(item)
        if by == "class":
            return self.task.classes.index(item.label)
        row = _row(item) | {"value": item.value}
        if by not in row:
            raise unknown("column", by, row)
        return row[by]

    def _part(self, positions: Sequence[int]) -> Answers:
        items, structures = [self._items[k] for k in positions], [self.structures[k] for k in positions]
        return Answers(self.task, items, structures, self._recut)


FIRST = ("input", "id", "formula")
MIDDLE = ("n_atoms", "status", "steps", "residual", "distance", "inside")
LAST = ("notes", "warnings", "error")
"""Columns of :meth:`Answers.to_frame`."""


def estimate_of(answer: Prediction, task: Task) -> str:
    """An estimate in words: ``"dipole moment 3.92 D (3.61 … 4.20)"``."""
    value, interval = _numbers(answer)
    return f"{task.quantity_words} {value}{f' {task.unit}' if task.unit else ''} ({interval})"


def _numbers(answer: Prediction) -> tuple[str, str]:
    """Value and interval; of a quantity of the user's own, whose scale is not known, with three digits."""
    form, (low, high) = ".2f" if answer.has_class else ".3g", answer.interval90
    return f"{answer.value:{form}}", f"{low:{form}} … {high:{form}}"


def _name(item: Prediction | Failure, longest: int = LONGEST_NAME) -> str:
    """An answer as lists name it, without controls."""
    name = harmless(item.id or item.input if isinstance(item, Prediction) else item.input)
    return name if len(name) <= longest else f"…{name[1 - longest :]}"


def _row(item: Prediction | Failure) -> dict[str, Any]:
    """Flat values of an answer by the names of columns."""
    if not isinstance(item, Prediction):
        return {"input": item.input, "error": f"{item.error['kind']}: {item.error['message']}"}
    row = item.in_columns() | {
        "notes": "; ".join(item.notes),
        "warnings": "; ".join(item.warnings),
        "error": None,
    }
    pores = {name: value for name, value in item.pores.items() if isinstance(value, (bool, int, float, str))}
    return row | pores | {f"void_{name}": value for name, value in item.voids.items()}
