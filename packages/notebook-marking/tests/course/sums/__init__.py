"""What the notebooks of this small course import."""
