"""Exercise 5.8.6: predicting each school from the others, under three models."""

import numpy as np
from scipy import stats

import hierarchical_exact as exact
from notebook_marking.keys import Key
from solutions.keys.common import TURNED
from support.conventions import MU_PRIOR, TAU_PRIOR

MODELS = ("complete pooling", "partial pooling", "no pooling")
PRIOR_SD = 20.0
EIGHT = "dividing by eight"
EFFECT = "predicting the effect in place of the report"
TERMS = "giving the terms of the difference in place of its changes"


def key(data, earlier):
    """Exact answers; data: effects and standard errors of eight schools."""
    effect, error = (np.asarray(values) for values in data[""])
    complete, partial = without_first(effect, error, 0.0), without_first(effect, error, TAU_PRIOR)
    used = earlier.get("a.prediction", complete)
    scores = elpds(effect, error)
    each = scores[1] - scores[0]
    total, spread = each.sum(), np.sqrt(each.size) * each.std(ddof=1)
    mistakes = {TURNED: np.array([-total, spread]), EIGHT: np.array([total, np.sqrt(each.size) * each.std()])}
    moved = np.array([difference(effect + row, error) for row in np.diag(error)]) - total
    return {
        "a.prediction": Key(complete, mistakes={EFFECT: without_noise(complete, error[0])}),
        "a.log_density": Key(float(stats.norm.logpdf(effect[0], *used))),
        "b.prediction": Key(partial, mistakes={EFFECT: without_noise(partial, error[0])}),
        "b.log_density": Key(float(scores[1][0])),
        "c.elpds": Key(scores.sum(axis=1)),
        "c.difference": Key(np.array([total, spread]), mistakes=mistakes),
        "c.best": Key(MODELS[int(np.argmax(earlier.get("c.elpds", scores.sum(axis=1))))]),
        "d.changes": Key(moved, mistakes={TERMS: each}),
        "d.spread": Key(float(np.sqrt(np.sum(np.square(earlier.get("d.changes", moved)))))),
    }


def without_first(effect, error, tau):
    """Mean and sd of the first school's report, predicted from the others."""
    new = exact.normal(effect[1:], error[1:], mu=MU_PRIOR, tau=tau)["theta_new"]
    return np.array([new.mean(), np.hypot(new.sd(), error[0])])


def without_noise(prediction, error):
    """Mean and sd of the school's effect, in place of its report."""
    mean, sd = prediction
    return np.array([mean, np.sqrt(sd**2 - error**2)])


def elpds(effect, error):
    """Log densities of each school's report, predicted from the others, (model, school)."""
    return np.stack(
        [
            exact.normal(effect, error, mu=MU_PRIOR, tau=0.0).elpd_loo.values,
            exact.normal(effect, error, mu=MU_PRIOR, tau=TAU_PRIOR).elpd_loo.values,
            stats.norm.logpdf(effect, 0, np.hypot(PRIOR_SD, error)),
        ]
    )


def difference(effect, error):
    """Elpd of partial minus that of complete pooling."""
    scores = elpds(effect, error)
    return scores[1].sum() - scores[0].sum()
