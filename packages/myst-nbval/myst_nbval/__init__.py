"""MyST-NB pages as tests: each code cell prints what its header states, or nothing."""
