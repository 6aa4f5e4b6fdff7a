"""Where the kernel leaves its settings."""
