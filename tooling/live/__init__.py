"""Cells that run in the page: what `make book` adds to the built pages for it."""
