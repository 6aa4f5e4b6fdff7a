"""Simulate exam scores in the sections of several instructors; print those that the book has stored.

Section means are drawn from Normal(mu, tau), then scores from Normal(section mean, sigma), cut off at 0
and 100 and rounded to a tenth of a point.
"""

import numpy as np
import pandas as pd

SEED = 58
SIZES = (8, 12, 14, 16, 18)


def simulate(rng, *, sizes=SIZES, mu=75.0, tau=8.0, sigma=12.0):
    """Scores with their instructors and the section means that they were drawn around, by student."""
    true_mean = np.repeat(rng.normal(mu, tau, size=len(sizes)), sizes)
    score = np.clip(rng.normal(true_mean, sigma), 0, 100).round(1)
    instructor = np.repeat([f"Instructor {number}" for number in range(1, len(sizes) + 1)], sizes)
    student = pd.RangeIndex(1, len(score) + 1, name="student")
    return pd.DataFrame({"instructor": instructor, "score": score, "true_mean": true_mean}, student)


if __name__ == "__main__":
    print(simulate(np.random.default_rng(SEED)).round({"true_mean": 2}).to_csv(), end="")
