"""What a student's notebook imports: the data of an exercise, and a place to record the answers."""

from support.exercises.answers import Answers

__all__ = ["Answers"]
