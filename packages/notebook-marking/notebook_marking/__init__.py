"""Marking a whole class: ``notebook-marking SUBMISSIONS OUT``.

Two steps, never in one process. First a student's notebook runs in a sandbox
(:mod:`notebook_marking.sandbox`), from which nothing but one JSON text of answers comes out. Then
:mod:`notebook_marking.marking`, which never runs a student's code, marks these answers.
"""

import signal
import sys

if sys.argv[:1] == ["-m"]:  # until it runs, Ctrl-C ends a command without a word
    signal.signal(signal.SIGINT, signal.SIG_DFL)
