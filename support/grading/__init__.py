"""Marking a whole class: ``python -m support.grading SUBMISSIONS OUT``.

Two steps, never in one process. First a student's notebook runs in a sandbox
(:mod:`support.grading.sandbox`), from which nothing but one JSON text of answers comes out. Then
:mod:`support.grading.marking`, which never runs a student's code, marks these answers.
"""
