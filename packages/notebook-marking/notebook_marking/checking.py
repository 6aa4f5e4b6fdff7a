"""Marking one's own answers at once, for self-study: where the keys are, and nowhere else."""

from pathlib import Path
from types import SimpleNamespace

from notebook_marking import answers

NO_KEYS = "({part}) cannot be checked here: a class's copy is without the keys"
# How often an answer has been found wrong, by file, name and id: first there is a hint, then the reason.
_TRIED = {}


class Answers(answers.Answers):
    """Answers that can also be checked, where the course has its keys beside it.

    Parameters
    ----------
    exercise, forms, data, student
        As for `notebook_marking.answers.Answers`.
    course : pathlib.Path, optional
        Folder of the course.
    """

    def __init__(self, exercise, *, forms, data, student="", course=None):
        super().__init__(exercise, forms=forms, data=data, student=student)
        self._course = course

    def check(self, part: str) -> None:
        """Mark what is recorded of one part, and say what is right: first with a hint, then with the reason.

        The key is that of your own data, and exact. Prose is set beside its rubric, then beside the model
        answer. An edition for a class has no keys; there, this says so.

        Parameters
        ----------
        part : str
            Letter of the part.

        Raises
        ------
        ValueError
            If there is no such part.
        """
        self._asked(part)
        course = _course(self._course)
        if course is None:
            print(NO_KEYS.format(part=part))
            return
        from notebook_marking import marking  # takes a while to import, as does the key
        from notebook_marking.runs import Run

        scheme = course.schemes[self.exercise]
        parts = {letter: self._recorded(letter) for letter in self._forms}
        run = Run("finished", {"exercise": self.exercise, "student": self.student, "parts": parts})
        someone = SimpleNamespace(student=self.student, problem="", ids=())
        marked = marking.mark(someone, run, scheme, course)
        for mark in marked.marks:
            if mark.part == part:
                print(f"{mark.label}: {self._words(mark, course, scheme)}")

    def _words(self, mark, course, scheme):
        """Say what became of one answer."""
        if mark.state == "missing":
            return "not answered yet"
        if mark.state == "right":
            return "right"
        if mark.state == "alone":
            return f"right; {mark.reason}"
        if mark.state == "follow-through":
            return f"right, given what came before: {mark.reason}"
        key = self.path, self.student, mark.answer
        _TRIED[key] = _TRIED.get(key, 0) + 1
        if mark.state == "review":
            if _TRIED[key] == 1:
                rubric = scheme.parts[mark.part].answers[mark.name].rubric
                return "does it say " + "; and ".join(criterion.criterion for criterion in rubric) + "?"
            from notebook_marking.review import model_answers

            said = model_answers(course.page(scheme))
            return f"the worked solution says: {said.get(mark.answer, 'nothing')}"
        state = "partly right" if mark.state == "partly" else "not right yet"
        return f"{state}: {(_TRIED[key] == 1 and mark.hint) or mark.reason}"


def _course(folder):
    """Return the course in a folder; None without one, as in an edition for a class, or in the sandbox."""
    if folder is None or not (Path(folder) / "pyproject.toml").is_file():
        return None
    from notebook_marking.course import Course

    try:
        return Course.read(folder)
    except ValueError:
        return None
