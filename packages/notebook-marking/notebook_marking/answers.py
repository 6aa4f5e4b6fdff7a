"""Recording answers: their form is checked at once, and they are kept as one JSON file."""

import json
import os
import re
import unicodedata
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

from notebook_marking.forms import plain

FOLDER = "answers"
# Where the sandbox looks for them, whatever folder a notebook has gone to.
PLACE = "NOTEBOOK_MARKING_FOLDER"
LONGEST_NOTES = 20
# What this process has recorded, by file: a notebook may make `Answers` again before a later part.
_RECORDED = {}
STUDENT_ID = re.compile(r"[\w.@+-]{1,64}")


def plain_id(student: str) -> str:
    """Id in the form that counts: composed characters, small letters, no blanks around it.

    Examples
    --------
    >>> plain_id(" Ada ")
    'ada'
    """
    return unicodedata.normalize("NFC", student).strip().lower()


class Answers:
    """The answers of one student to one exercise.

    They are kept in the folder in which this was made. Made again in the same notebook, it goes on from what
    was recorded, and notes that. A course gives its students a subclass that knows its forms and its data.

    Parameters
    ----------
    exercise : str
        Name of the exercise, such as ``"5.8.1"``.
    forms : dict
        Public part of the marking schemes: exercise, then ``parts``, then part, then name of the answer.
    data : callable
        Takes the names of exercise and student; gives the data, as a dict of tuples: under ``""`` those of
        the exercise, under the letter of a part those of its own.
    student : str
        Your id: the data are then yours alone. Empty: the data that the text names.

    Raises
    ------
    ValueError
        If there is no such exercise, or the id has characters that an id does not have.

    See Also
    --------
    notebook_marking.course.Course.forms : The forms, from the schemes.
    notebook_marking.marking.mark : What becomes of what is recorded.

    Examples
    --------
    >>> forms = {"1": {"parts": {"a": {"total": {"kind": "number", "is": "the total"}}}}}
    >>> answers = Answers("1", forms=forms, data=lambda exercise, student: {"": ([1, 2],)})
    >>> answers.data()
    [1, 2]
    >>> answers.record("a", total=...)
    (a) not answered yet: total
    """

    def __init__(self, exercise, *, forms, data, student=""):
        if exercise not in forms:
            raise ValueError(f"exercise is {exercise!r}: give one of {', '.join(map(repr, forms))}")
        student = unicodedata.normalize("NFC", student) if isinstance(student, str) else student
        if not isinstance(student, str) or (student.strip() and not STUDENT_ID.fullmatch(student.strip())):
            raise ValueError(
                f"student is {student!r}: give your id in quotes, at most 64 letters, digits and . _ - + @"
            )
        self.exercise = exercise
        self.student = student.strip()
        self._data = data
        self._forms = forms[exercise]["parts"]
        self.path = Path(os.environ.get(PLACE) or Path.cwd()) / FOLDER / f"{exercise}.json"
        self._content = _RECORDED.setdefault(self.path, {"parts": {}, "students": {}, "notes": []})
        if self._content["parts"]:
            self._note(f"`Answers` was made again after ({', '.join(self._content['parts'])})")

    def data(self, part: str = "") -> object:
        """Data of the exercise, or of a part that has data of its own.

        Parameters
        ----------
        part : str
            Letter of the part, where the question says that it has data of its own.

        Returns
        -------
        object or tuple of objects
            As the question describes them.

        Raises
        ------
        ValueError
            If that part has no data of its own.
        """
        data = self._data(self.exercise, self.student)
        if part not in data:
            raise ValueError(f"part {part!r} has no data of its own: call data() without it")
        return data[part][0] if len(data[part]) == 1 else data[part]

    def record(self, part: str, *, of: Sequence | None = None, **answers: object) -> None:
        """Check the form of answers to one part, and keep those that have it.

        Whether they are right is not looked at. Recording a part again replaces the answers given.

        Parameters
        ----------
        part : str
            Letter of the part.
        of : sequence of str, optional
            For posteriors: the names of the variables to keep a summary of.
        **answers
            The answers by name; ``...`` stands for one that is still to come.

        Raises
        ------
        ValueError
            If the part or a name is unknown, or an answer has not the form asked for. Other answers of
            the same call are kept all the same.
        OSError
            If the folder of the notebook cannot be written.
        """
        asked = self._asked(part)
        faults = []
        for name, value in answers.items():
            if name not in asked:
                faults.append(f"this part asks for {', '.join(asked)}, not for {name}")
            elif value is not ...:
                try:
                    form = plain(asked[name], self._in_order(value), of)
                except Exception as error:  # of whatever library the value is from
                    faults.append(f"{name} ({asked[name]['is']}): {error}")
                else:
                    self._keep(part, name, form)
        if faults:
            raise ValueError(f"({part}) not recorded: " + "; ".join(faults))
        print(self._state(part))

    def _asked(self, part):
        """Forms of the answers to a part."""
        if part not in self._forms:
            raise ValueError(
                f"exercise {self.exercise} has no part {part!r}: give one of {', '.join(self._forms)}"
            )
        return self._forms[part]

    @cached_property
    def _labels(self):
        """Labels of the data, read once: to draw the data takes longer than to record an answer."""
        data = [one for part in self._data(self.exercise, self.student).values() for one in part]
        return [each for one in data for each in _axes(one).values()]

    def _in_order(self, value):
        """Put what has the labels of the data into their order, however it was sorted, and what is in it."""
        if hasattr(value, "map_over_datasets"):  # xarray's tree
            return value.map_over_datasets(self._in_order)
        if isinstance(value, list | tuple):
            return [self._in_order(each) for each in value]
        if isinstance(value, Mapping) and not hasattr(value, "indexes"):
            value = {name: self._in_order(each) for name, each in value.items()}
            for labels in self._labels:
                if (order := _order(value, labels)) is not None:
                    return [[*value.values()][place] for place in order]
                _refuse_names(value, labels)
            return value
        for labels in self._labels:
            for number, (axis, own) in enumerate(_axes(value).items()):
                if (order := _order(own, labels)) is not None:
                    take = hasattr(value, "indexes")
                    value = value.isel({axis: order}) if take else value.take(order, axis=number)
                elif getattr(value, "ndim", 0) == 1:  # a data set has none
                    _refuse_names(own, labels)
        return value

    def _keep(self, part, name, value):
        """Write the file anew, with one answer more; a killed notebook leaves a whole file."""
        own = self._recorded(part) | {name: value}
        content = {
            "parts": self._content["parts"] | {part: own},
            "students": self._content["students"] | {part: self.student},
            "notes": self._content["notes"],
        }
        file = {"exercise": self.exercise, "student": self.student, "parts": content["parts"]}
        if self._content["notes"] or set(content["students"].values()) != {self.student}:
            file |= {"students": content["students"], "notes": content["notes"]}
        text = json.dumps(file, indent=1, allow_nan=False)
        draft = self.path.with_suffix(f".{os.getpid()}")  # two kernels may write the same file
        try:
            self.path.parent.mkdir(exist_ok=True)
            draft.write_text(text, encoding="utf-8")
            os.replace(draft, self.path)
        except OSError as error:
            raise OSError(
                f"the answers cannot be kept in {self.path.parent.absolute()} ({error.strerror}): copy the "
                "notebook into a folder of your own, and run it there"
            ) from None
        self._content.update(content)

    def _recorded(self, part):
        """Return what is recorded of a part, with this id: other data have other answers."""
        own = plain_id(self._content["students"].get(part, "")) == plain_id(self.student)
        return self._content["parts"].get(part, {}) if own else {}

    def _note(self, text):
        """Keep what whoever marks should know."""
        if len(self._content["notes"]) < LONGEST_NOTES:
            self._content["notes"].append(text)

    def _state(self, part):
        """Say what of a part is recorded, and what is still to come."""
        recorded = self._recorded(part)
        missing = [name for name in self._forms[part] if name not in recorded]
        lines = [
            f"({part}) {state}: {', '.join(names)}"
            for state, names in (("recorded", recorded), ("not answered yet", missing))
            if names
        ]
        return "\n".join(lines)


def _order(own, labels):
    """Return where the labels stand among others, which may differ in capitals, or be numbers from 0 or 1."""
    own, labels = ([str(each).strip().casefold() for each in one] for one in (own, labels))
    for names in (labels, *([str(first + i) for i in range(len(labels))] for first in (0, 1))):
        if len({*own}) == len(own) and sorted(own) == sorted(names):
            return [own.index(name) for name in names]
    return None


def _refuse_names(own, labels):
    """Refuse names that may mean the labels, in an order that nobody knows; two may be those of ends."""
    if len(own) == len(labels) > 2 and all(isinstance(name, str) for name in own):
        names = ", ".join(map(repr, own))
        raise ValueError(
            f"its names are {names}: give those of the data, {', '.join(map(repr, labels))}, or a list in "
            "their order"
        )


def _axes(value):
    """Labels of xarray's or pandas' data, by the names of what they run along."""
    if hasattr(value, "indexes"):
        return dict(value.indexes)
    names = ("index", "columns") if hasattr(value, "loc") else ()
    return {name: getattr(value, name) for name in names if hasattr(value, name)}
