# What metafor, lme4, bayesmeta and JAGS make of the problems of compare.py: one line of JSON each.
# It needs R with metafor, lme4, rjags and bayesmeta (or, as BAYESMETA, a folder with its sources, of BAYESMETA_VERSION).
suppressMessages({
  library(metafor)
  library(lme4)
  library(rjags)
  if (nchar(Sys.getenv("BAYESMETA"))) {
    library(mvtnorm); library(numDeriv)
    for (file in list.files(Sys.getenv("BAYESMETA"), full.names = TRUE)) source(file)
  } else library(bayesmeta)
})
number <- function(x) format(x, digits = 12)
say <- function(peer, problem, seconds, values) {
  pairs <- paste0('"', names(values), '": ', sapply(values, number), collapse = ", ")
  cat(sprintf('{"peer": "%s", "problem": "%s", "seconds": %.4f, "values": {%s}}\n', peer, problem, seconds, pairs))
}
timed <- function(peer, problem, f) {
  start <- sum(proc.time()[1:2])  # of the processor
  values <- f()
  say(peer, problem, sum(proc.time()[1:2]) - start, values)
}

bcg <- escalc(measure = "RR", ai = tpos, bi = tneg, ci = cpos, di = cneg, data = dat.bcg)
y <- as.numeric(bcg$yi); s <- sqrt(bcg$vi); latitude <- bcg$ablat
for (method in c("REML", "ML")) {
  peer <- paste("metafor", method)
  timed(peer, "BCG", function() { r <- rma(yi, vi, data = bcg, method = method)
    list(tau = sqrt(r$tau2), mu = r$b[1], mu_sd = r$se) })
  timed(peer, "BCG, latitude", function() { r <- rma(yi, vi, mods = ~ablat, data = bcg, method = method)
    list(tau = sqrt(r$tau2), mu = r$b[1], mu_sd = r$se[1], beta = r$b[2], beta_sd = r$se[2]) })
}

data(Penicillin)
timed("lme4 REML", "penicillin", function() {
  fit <- lmer(diameter ~ 1 + (1 | plate) + (1 | sample), Penicillin)
  scales <- as.data.frame(VarCorr(fit))$sdcor
  list(tau_plate = scales[1], tau_batch = scales[2], sigma = scales[3],
       beta = fixef(fit)[[1]], beta_sd = sqrt(vcov(fit)[1, 1])) })

half <- function(scale) function(t) dhalfnormal(t, scale = scale)
moments <- function(summary, names) {
  values <- list()
  for (i in seq_along(names)) {
    values[[names[i]]] <- summary["mean", i]
    values[[paste0(names[i], "_sd")]] <- summary["sd", i]
  }
  values
}
timed("bayesmeta", "BCG", function() moments(
  bayesmeta(y, s, tau.prior = half(0.5))$summary, c("tau", "mu")))
timed("bayesmeta, finer", "BCG", function() moments(
  bayesmeta(y, s, tau.prior = half(0.5), delta = 1e-4, epsilon = 1e-8)$summary, c("tau", "mu")))
timed("bayesmeta", "BCG, latitude", function() moments(
  bmr(y, s, X = cbind(1, latitude), tau.prior = half(0.5))$summary, c("tau", "mu", "beta")))
schools_y <- c(28, 8, -3, 7, -1, 1, 18, 12); schools_s <- c(15, 10, 16, 11, 9, 11, 10, 18)
timed("bayesmeta, finer", "BCG, latitude", function() moments(
  bmr(y, s, X = cbind(1, latitude), tau.prior = half(0.5), delta = 1e-4, epsilon = 1e-8)$summary,
  c("tau", "mu", "beta")))
timed("bayesmeta", "Eight Schools", function() moments(
  bayesmeta(schools_y, schools_s, mu.prior = c(0, 20), tau.prior = half(10))$summary, c("tau", "mu")))

model <- "model {
  for (j in 1:J) { y[j] ~ dnorm(theta[j], 1 / s[j]^2); theta[j] ~ dnorm(mu + beta * x[j], 1 / tau^2) }
  mu ~ dnorm(0, mu_precision); beta ~ dnorm(0, 1E-6); tau ~ dnorm(0, 1 / scale^2) T(0, )
}"
jags <- function(y, s, x, mu_precision, scale) {
  data <- list(y = y, s = s, x = x, J = length(y), mu_precision = mu_precision, scale = scale)
  inits <- lapply(1:4, function(chain) list(.RNG.name = "base::Mersenne-Twister", .RNG.seed = 57 + chain))
  fit <- jags.model(textConnection(model), data, inits, n.chains = 4, n.adapt = 1000, quiet = TRUE)
  update(fit, 1000, progress.bar = "none")
  draws <- coda.samples(fit, c("mu", "tau", "beta"), 25000, progress.bar = "none")
  values <- list()
  for (name in c("tau", "mu")) {
    values[[name]] <- mean(as.matrix(draws)[, name])
    values[[paste0(name, "_sd")]] <- sd(as.matrix(draws)[, name])
    values[[paste0(name, "_ess")]] <- effectiveSize(draws)[[name]]
  }
  values
}
timed("JAGS", "Eight Schools", function() jags(schools_y, schools_s, rep(0, 8), 1 / 400, 10))
timed("JAGS", "BCG", function() jags(y, s, rep(0, 13), 1E-6, 0.5))
cat(sprintf('{"versions": {"R": "%s", "metafor": "%s", "lme4": "%s", "JAGS": "%s", "bayesmeta": "%s"}}\n',
  getRversion(), packageVersion("metafor"), packageVersion("lme4"), jags.version(),
  if (nchar(Sys.getenv("BAYESMETA"))) Sys.getenv("BAYESMETA_VERSION") else packageVersion("bayesmeta")))
