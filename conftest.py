"""Let the tests, and the notebooks that they run, have the environment of the project's commands."""

from tooling import environment

environment.enter()
