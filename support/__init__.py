"""What the book's pages import: data, models, sampling, checks, figures, and what an exercise needs."""
