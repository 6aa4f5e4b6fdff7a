"""Shared code of the book: data, models, sampling, exact answers, checks and figures."""
