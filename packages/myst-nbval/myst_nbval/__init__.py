"""MyST-NB pages as tests: every code cell prints what its header states."""
