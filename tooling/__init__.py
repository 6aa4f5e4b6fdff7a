"""What makes the book and is in no page: the audit, the explorers, the build."""
