"""Recording answers: their form is checked at once, and they are kept as one JSON file."""

import json
import os
import re
from pathlib import Path

from support.exercises import personal
from support.exercises.forms import forms, plain

FOLDER = "answers"
STUDENT_ID = re.compile(r"[\w.@+-]{1,64}")


class Answers:
    """The answers of one student to one exercise.

    Parameters
    ----------
    exercise : str
        Such as ``"5.8.1"``.
    student : str
        Your id: the data are then yours alone. Empty: the data of the source.

    Raises
    ------
    ValueError
        If there is no such exercise, or the id has characters that an id does not have.

    Examples
    --------
    >>> answers = Answers("5.8.1")
    >>> effect, standard_error = answers.data()
    >>> answers.record("d", factor=...)
    (d) not answered yet: factor
    """

    def __init__(self, exercise, *, student=""):
        if exercise not in forms():
            raise ValueError(f"exercise is {exercise!r}: give one of {', '.join(map(repr, forms()))}")
        if not isinstance(student, str) or (student.strip() and not STUDENT_ID.fullmatch(student.strip())):
            raise ValueError(
                f"student is {student!r}: give your id in quotes, at most 64 letters, digits and . _ - + @"
            )
        self.exercise = exercise
        self.student = student.strip()
        self._forms = forms()[exercise]["parts"]
        self._recorded = {}

    @property
    def path(self):
        """File in which the answers are kept, in the folder of the notebook."""
        return Path(FOLDER) / f"{self.exercise}.json"

    def data(self, part=""):
        """Data of the exercise, or of a part that has data of its own.

        Parameters
        ----------
        part : str
            Letter of the part, where the question says that it has data of its own.

        Returns
        -------
        xarray.DataArray or tuple of xarray.DataArray
            As the question describes them.

        Raises
        ------
        ValueError
            If that part has no data of its own.
        """
        data = personal.data(self.exercise, self.student)
        if part not in data:
            raise ValueError(f"part {part!r} has no data of its own: call data() without it")
        return data[part][0] if len(data[part]) == 1 else data[part]

    def record(self, part, *, of=None, **answers):
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
            the same call are kept.
        """
        asked = self._asked(part, answers)
        faults = []
        for name, value in answers.items():
            if value is ...:
                continue
            try:
                self._keep(part, name, plain(asked[name], value, of))
            except ValueError as error:
                faults.append(f"{name} ({asked[name]['is']}): {error}")
        if faults:
            raise ValueError(f"({part}) not recorded: " + "; ".join(faults))
        print(self._state(part))

    def _asked(self, part, answers):
        """Forms of the answers to a part."""
        if part not in self._forms:
            raise ValueError(
                f"exercise {self.exercise} has no part {part!r}: give one of {', '.join(self._forms)}"
            )
        unknown = [name for name in answers if name not in self._forms[part]]
        if unknown:
            raise ValueError(
                f"part ({part}) asks for {', '.join(self._forms[part])}, not for {', '.join(unknown)}"
            )
        return self._forms[part]

    def _keep(self, part, name, value):
        """Write the file anew, with one answer more; a killed notebook leaves a whole file."""
        parts = self._recorded | {part: self._recorded.get(part, {}) | {name: value}}
        content = {"exercise": self.exercise, "student": self.student, "parts": parts}
        text = json.dumps(content, indent=1, allow_nan=False)
        self.path.parent.mkdir(exist_ok=True)
        draft = self.path.with_suffix(".part")
        draft.write_text(text, encoding="utf-8")
        os.replace(draft, self.path)
        self._recorded = parts

    def _state(self, part):
        """Say what of a part is recorded, and what is still to come."""
        recorded = self._recorded.get(part, {})
        missing = [name for name in self._forms[part] if name not in recorded]
        lines = [
            f"({part}) {state}: {', '.join(names)}"
            for state, names in (("recorded", recorded), ("not answered yet", missing))
            if names
        ]
        return "\n".join(lines)
