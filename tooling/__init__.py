"""What makes the book: the build, and the audit and the explorers, which pages show."""
