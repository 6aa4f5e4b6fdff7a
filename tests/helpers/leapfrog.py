"""Balls that roll in the posterior of the eight schools, in NumPy: what the explorer's own are held against.

Positions are rows of mu, log tau and the schools' coordinates; a model is what the explorer is given.
"""

import numpy as np

TIME = 6
DIVERGED = 1000


def starts(tau, model, count, normal):
    """Return places drawn given tau, in both forms, and pushes; ``normal(n)`` gives n numbers."""
    effect, error = (np.asarray(model[name], float) for name in ("effect", "error"))
    weight = 1 / (error**2 + tau**2)
    precision, kept = weight.sum() + model["mu_sd"] ** -2, tau**2 * weight
    numbers = normal(count * (2 * len(effect) + 3)).reshape(count, -1)
    first, others, momentum = np.split(numbers, [1, len(effect) + 1], axis=1)
    mu = weight @ effect / precision + first / np.sqrt(precision)
    theta = mu + kept * (effect - mu) + np.sqrt(kept) * error * others
    log_tau = np.full((count, 1), np.log(tau))
    raw = (theta - mu) / tau
    places = {"centred": np.hstack([mu, log_tau, theta]), "non-centred": np.hstack([mu, log_tau, raw])}
    return places, momentum


def diverging(tau, step, model, count, normal):
    """Tell for both forms which of these balls diverge."""
    places, momentum = starts(tau, model, count, normal)
    return {form: roll(place, momentum, step, form, model)[-1] for form, place in places.items()}


def roll(position, momentum, step, form, model, time=TIME):
    """Return place, momentum and energy error at the end, and which balls diverged, where they stopped."""
    position, momentum, unit = position.copy(), momentum.copy(), np.asarray(model["unit"][form])
    energy, slope = potential(position, form, model)
    start, error = energy + (momentum**2).sum(axis=1) / 2, np.zeros(len(position))
    rolls = np.arange(len(position))
    for _ in range(round(time / step)):
        with np.errstate(all="ignore"):
            momentum[rolls] -= step / 2 * unit * slope
            position[rolls] += step * unit * momentum[rolls]
            energy, slope = potential(position[rolls], form, model)
            momentum[rolls] -= step / 2 * unit * slope
            error[rolls] = energy + (momentum[rolls] ** 2).sum(axis=1) / 2 - start[rolls]
        on = error[rolls] < DIVERGED
        rolls, slope = rolls[on], slope[on]
    return position, momentum, error, ~(error < DIVERGED)


def potential(position, form, model):
    """Minus the log density, up to a constant, and its gradient."""
    (mu, log_tau), schools = position[:, :2].T[:, :, None], position[:, 2:]
    tau, effect, error = np.exp(log_tau), np.asarray(model["effect"]), np.asarray(model["error"])
    slope = np.hstack([mu / model["mu_sd"] ** 2, (tau / model["tau_sd"]) ** 2 - 1, 0 * schools])
    energy = (mu / model["mu_sd"]) ** 2 / 2 + (tau / model["tau_sd"]) ** 2 / 2 - log_tau
    theta = schools if form == "centred" else mu + tau * schools
    energy = energy[:, 0] + (((theta - effect) / error) ** 2).sum(axis=1) / 2
    pull = (theta - effect) / error**2
    if form == "centred":
        raw = (theta - mu) / tau
        slope[:, 0] -= (raw / tau).sum(axis=1)
        slope[:, 1] += (1 - raw**2).sum(axis=1)
        slope[:, 2:] = raw / tau + pull
        return energy + (raw**2 / 2 + log_tau).sum(axis=1), slope
    slope[:, 0] += pull.sum(axis=1)
    slope[:, 1] += (tau * schools * pull).sum(axis=1)
    slope[:, 2:] = schools + tau * pull
    return energy + (schools**2).sum(axis=1) / 2, slope
