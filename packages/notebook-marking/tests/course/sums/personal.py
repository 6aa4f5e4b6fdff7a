"""The numbers of each student."""

from notebook_marking.answers import plain_id


def data(exercise, student=""):
    """Three numbers, by the length of the id; the second exercise has the same for all."""
    numbers = (1.0, 2.0, 4.0)
    return {"": (tuple(n + len(plain_id(student)) for n in numbers) if exercise == "1" else numbers,)}
