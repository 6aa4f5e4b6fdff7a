"""What a student's notebook imports: the data of an exercise, and a place to record the answers."""

from pathlib import Path

import notebook_marking.checking
from support.exercises.personal import data, forms


class Answers(notebook_marking.checking.Answers):
    """The answers of one student to one exercise of this book.

    Parameters
    ----------
    exercise : str
        Such as ``"5.8.1"``.
    student : str
        Your id: the data are then yours alone. Empty: the data of the text.

    Raises
    ------
    ValueError
        If there is no such exercise, or the id has characters that an id does not have.

    See Also
    --------
    support.exercises.personal.data : Where the data come from.
    notebook_marking.checking.Answers : The methods, `data`, `record` and `check`.

    Examples
    --------
    >>> answers = Answers("5.8.1")
    >>> effect, standard_error = answers.data()
    >>> answers.record("d", factor=...)
    (d) not answered yet: factor, meaning
    """

    def __init__(self, exercise, *, student=""):
        super().__init__(
            exercise, student=student, forms=forms(), data=data, course=Path(__file__).parents[2]
        )
