"""The posterior of the eight schools by a sum over tau, with no other code of the book."""

import numpy as np

EFFECT = np.array([28.0, 8, -3, 7, -1, 1, 18, 12])
ERROR = np.array([15.0, 10, 16, 11, 9, 11, 10, 18])
TAU = (np.arange(1600) + 0.5) / 20


class ByHand:
    """The posterior of tau by its likelihood, and of mu and theta given tau, which are Normal."""

    def __init__(self, effect=EFFECT, error=ERROR, scale=10.0, mu_sd=20.0):
        variance = error**2 + TAU[:, None] ** 2
        self.variance_mu = 1 / ((1 / variance).sum(axis=1) + mu_sd**-2)
        self.mean_mu = self.variance_mu * (effect / variance).sum(axis=1)
        log = np.log(self.variance_mu) - np.log(variance).sum(axis=1) + self.mean_mu**2 / self.variance_mu
        log += -(effect**2 / variance).sum(axis=1) - (TAU / scale) ** 2
        self.mass = np.exp(0.5 * (log - log.max()))
        self.mass /= self.mass.sum()
        self.factor = error**2 / variance
        self.given = self.factor * self.mean_mu[:, None] + (1 - self.factor) * effect
        self.mu, self.tau = self.mass @ self.mean_mu, self.mass @ TAU
        self.theta = self.mass @ self.given
        # Given tau, theta_i and theta_k share mu only.
        shared = self.factor[:, :, None] * self.factor[:, None, :] * self.variance_mu[:, None, None]
        own = np.einsum("ti,ik->tik", (1 - self.factor) * error**2, np.eye(len(effect)))
        centred = self.given - self.theta
        self.covariance = np.einsum("t,tik->ik", self.mass, shared + own) + np.einsum(
            "t,ti,tk->ik", self.mass, centred, centred
        )
        self.sd = np.sqrt(np.diag(self.covariance))
        self.variance_of_mu = self.mass @ (self.variance_mu + (self.mean_mu - self.mu) ** 2)
