# What metafor, lme4, bayesmeta and JAGS make of the problems of compare.py: one line of JSON each.
# Its argument is the folder of their tables. It needs R with metafor, lme4, rjags and bayesmeta (or, as BAYESMETA, a folder with its sources, of BAYESMETA_VERSION).
suppressMessages({
  library(metafor)
  library(lme4)
  library(rjags)
  if (nchar(Sys.getenv("BAYESMETA"))) {
    library(mvtnorm); library(numDeriv)
    for (file in list.files(Sys.getenv("BAYESMETA"), full.names = TRUE)) source(file)
  } else library(bayesmeta)
})
number <- function(x) {
  shown <- sapply(unname(x), format, digits = 12)
  if (length(x) == 1) shown else paste0("[", paste(shown, collapse = ", "), "]")
}
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

radon <- read.csv(file.path(commandArgs(TRUE)[1], "radon.csv"))
lme4_radon <- function(formula) {
  # Its own stops at 1e-8 or so of the likelihood; what is compared is given the scales that it says.
  fit <- lmer(formula, radon)
  scales <- as.data.frame(VarCorr(fit))$sdcor
  effects <- ranef(fit)$county
  values <- list(sigma = sigma(fit), tau_county = scales[1], beta = fixef(fit), beta_sd = sqrt(diag(as.matrix(vcov(fit)))),
                 u_county = effects[, 1])
  if (ncol(effects) > 1) values <- c(values, list(
    tau_county_slope = scales[2], rho_county = scales[3], u_county_slope = effects[, 2]))
  values
}
timed("lme4 REML", "radon", function() lme4_radon(log(radon) ~ floor + (1 | county)))
timed("lme4 REML", "radon, slopes", function() lme4_radon(log(radon) ~ floor + (1 + floor | county)))

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

jags <- function(model, data, names) {
  inits <- lapply(1:4, function(chain) list(.RNG.name = "base::Mersenne-Twister", .RNG.seed = 57 + chain))
  fit <- jags.model(textConnection(model), data, inits, n.chains = 4, n.adapt = 1000, quiet = TRUE)
  update(fit, 1000, progress.bar = "none")
  draws <- coda.samples(fit, names, 25000, progress.bar = "none")
  all <- as.matrix(draws); sizes <- effectiveSize(draws); of <- sub("\\[.*", "", colnames(all))
  values <- list()
  for (name in names) {
    mine <- which(of == name)
    values[[name]] <- colMeans(all[, mine, drop = FALSE])
    values[[paste0(name, "_sd")]] <- apply(all[, mine, drop = FALSE], 2, sd)
    values[[paste0(name, "_ess")]] <- sizes[mine]
  }
  values
}
normal <- "model {
  for (j in 1:length(y)) { y[j] ~ dnorm(theta[j], 1 / s[j]^2); theta[j] ~ dnorm(mu, 1 / tau^2) }
  mu ~ dnorm(0, mu_precision); tau ~ dnorm(0, 1 / scale^2) T(0, )
}"
student <- sub("dnorm(mu, 1 / tau^2)", "dt(mu, 1 / tau^2, 4)", normal, fixed = TRUE)
logit_normal <- "model {
  for (j in 1:length(y)) {
    y[j] ~ dbin(theta[j], n[j]); logit(theta[j]) <- x[j]; x[j] ~ dnorm(mu, 1 / tau^2)
  }
  mu ~ dnorm(-2, 1); tau ~ dnorm(0, 1) T(0, )
}"
counties <- "model {
  for (i in 1:length(y)) { y[i] ~ dnorm(a[county[i]] + beta[2] * floor[i], 1 / sigma^2) }
  for (j in 1:max(county)) { a[j] ~ dnorm(beta[1], 1 / tau_county^2); u_county[j] <- a[j] - beta[1] }
  for (k in 1:2) { beta[k] ~ dnorm(0, 0.01) }
  sigma ~ dnorm(0, 1) T(0, ); tau_county ~ dnorm(0, 1) T(0, )
}"
effects <- c("mu", "tau", "theta")
timed("JAGS", "Eight Schools", function() jags(
  normal, list(y = schools_y, s = schools_s, mu_precision = 1 / 400, scale = 10), effects))
timed("JAGS", "BCG", function() jags(normal, list(y = y, s = s, mu_precision = 1E-6, scale = 0.5), effects))
timed("JAGS", "BCG, Student-t", function() jags(
  student, list(y = y, s = s, mu_precision = 1, scale = 1), effects))
rats <- read.csv(file.path(commandArgs(TRUE)[1], "rats.csv"))
timed("JAGS", "rats, log odds", function() jags(logit_normal, list(y = rats$tumours, n = rats$rats), effects))
timed("JAGS", "radon", function() jags(
  counties, list(y = log(radon$radon), floor = radon$floor, county = radon$county),
  c("beta", "sigma", "tau_county", "u_county")))
cat(sprintf('{"versions": {"R": "%s", "metafor": "%s", "lme4": "%s", "JAGS": "%s", "bayesmeta": "%s"}}\n',
  getRversion(), packageVersion("metafor"), packageVersion("lme4"), jags.version(),
  if (nchar(Sys.getenv("BAYESMETA"))) Sys.getenv("BAYESMETA_VERSION") else packageVersion("bayesmeta")))
