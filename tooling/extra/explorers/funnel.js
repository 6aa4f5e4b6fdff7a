// Balls that roll in the funnel: the leapfrog integrator in both forms, from one place and with one push.
"use strict";

const balls = (() => {
  const FORMS = ["centred", "non-centred"];
  const TIME = 6; // in which each ball rolls as many steps as fit
  const DIVERGED = 1000; // in energy; the limit of Stan and PyMC

  const dot = (a, b) => a.reduce((sum, value, i) => sum + value * b[i], 0);

  // Minus the log density of mu, log tau and the schools' coordinates, and its gradient.
  function potential([mu, logTau, ...schools], form, { effect, error, mu_sd, tau_sd }) {
    const tau = Math.exp(logTau);
    const centred = form === "centred";
    const theta = centred ? schools : schools.map((raw) => mu + tau * raw);
    const misfit = theta.map((value, i) => (value - effect[i]) / error[i]);
    const pull = misfit.map((value, i) => value / error[i]);
    const raw = centred ? theta.map((value) => (value - mu) / tau) : schools;
    const energy =
      ((mu / mu_sd) ** 2 + (tau / tau_sd) ** 2 + dot(raw, raw) + dot(misfit, misfit)) / 2 +
      (centred ? schools.length - 1 : -1) * logTau; // the half-Normal of tau, seen from log tau
    const total = (values) => values.reduce((sum, value) => sum + value, 0);
    const slope = centred
      ? [mu / mu_sd ** 2 - total(raw) / tau, schools.length - 1 - dot(raw, raw)]
      : [mu / mu_sd ** 2 + total(pull), -1 + tau * dot(raw, pull)];
    slope[1] += (tau / tau_sd) ** 2;
    return { energy, slope: [...slope, ...raw.map((z, i) => (centred ? z / tau + pull[i] : z + tau * pull[i]))] };
  }

  // A trajectory of leapfrog steps, until it is over or has diverged; `unit` has the unit of each coordinate.
  function roll(position, momentum, step, form, model) {
    const unit = model.unit[form];
    let [q, p, now] = [position, momentum, potential(position, form, model)];
    const start = now.energy + dot(p, p) / 2;
    const path = [{ position: q, momentum: p, error: 0 }];
    const kick = () => p.map((value, i) => value - (step / 2) * unit[i] * now.slope[i]);
    for (let steps = Math.round(TIME / step); steps > 0; steps -= 1) {
      p = kick();
      q = q.map((value, i) => value + step * unit[i] * p[i]);
      now = potential(q, form, model);
      p = kick();
      const error = now.energy + dot(p, p) / 2 - start;
      path.push({ position: q, momentum: p, error });
      if (!(error < DIVERGED)) return { form, path, diverged: true }; // also where it is no number
    }
    return { form, path, diverged: false };
  }

  // A place from the posterior given tau, in centred coordinates: first mu, then the schools.
  function place(tau, normal, { effect, error, mu_sd }) {
    const weights = error.map((sd) => 1 / (sd ** 2 + tau ** 2));
    const precision = weights.reduce((sum, weight) => sum + weight, mu_sd ** -2);
    const mu = dot(weights, effect) / precision + normal() / Math.sqrt(precision);
    const theta = effect.map((y, i) => {
      const kept = tau ** 2 * weights[i];
      return mu + kept * (y - mu) + Math.sqrt(kept) * error[i] * normal();
    });
    return [mu, Math.log(tau), ...theta];
  }

  // The same place and the same push in both forms.
  function release(tau, step, normal, model) {
    const centred = place(tau, normal, model);
    const [mu, logTau, ...theta] = centred;
    const places = { centred, "non-centred": [mu, logTau, ...theta.map((value) => (value - mu) / tau)] };
    const momentum = centred.map(() => normal());
    return FORMS.map((form) => roll(places[form], momentum, step, form, model));
  }

  return { FORMS, TIME, DIVERGED, potential, roll, release };
})();

document.addEventListener("explorer", ({ target, detail }) => {
  if (target.id === "explorer-funnel") funnelBalls(target, detail.view, detail.model);
});

// The buttons that release balls, what they draw, and what became of them in words.
function funnelBalls(explorer, view, model) {
  const { FORMS, TIME, DIVERGED, release } = balls;
  const SPEED = 2; // units of a ball's time in a second
  const RIGHT = 1; // energy to within which a ball is where it should be
  const tools = document.createElement("div");
  tools.className = "explorer-tools";
  const button = (label, action) => {
    const made = tools.appendChild(document.createElement("button"));
    made.type = "button";
    made.textContent = label;
    made.addEventListener("click", action);
  };
  const words = document.createElement("p");
  words.className = "explorer-words";
  words.setAttribute("role", "status");
  explorer.querySelector(".explorer-controls").after(tools, words);
  let seed = 0; // each release is the next one of a row that is the same for all readers
  let frame = 0;

  const draw = (rows) => view.data("balls", rows).runAsync();
  // A ball that diverged is marked where its energy was last right.
  const left = ({ path }) => path.findLastIndex(({ error }) => Math.abs(error) < RIGHT);
  const row = (kind, { form, path }, place) => {
    const [mu, logTau, first] = path[place].position;
    const value = form === "centred" ? first - mu : first;
    const near = (number, furthest) => Math.min(furthest, Math.max(-furthest, number));
    return { kind, form, place, value: near(value, 1e3), tau: Math.exp(near(logTau, 9)) };
  };

  function one() {
    const step = view.signal("epsilon");
    const rolls = release(view.signal("tau"), step, normals((seed += 1)), model);
    const upTo = (time) =>
      rolls.flatMap((roll) => {
        const last = Math.min(Math.round(time / step), roll.path.length - 1);
        const lost = last === roll.path.length - 1 && roll.diverged;
        return [
          ...roll.path.slice(0, last + 1).map((_, place) => row("path", roll, place)),
          row(lost ? "lost" : "ball", roll, lost ? left(roll) : last),
        ];
      });
    const tell = () => (words.textContent = rolls.map(fate).join(" "));
    cancelAnimationFrame(frame);
    words.textContent = "";
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) return draw(upTo(TIME)).then(tell);
    const begun = performance.now();
    const next = (now) => {
      const time = (SPEED * Math.max(0, now - begun)) / 1000;
      draw(upTo(time));
      if (time < TIME) frame = requestAnimationFrame(next);
      else tell();
    };
    return next(begun);
  }

  function fate({ form, path, diverged }) {
    const steps = path.length - 1;
    const lowest = Math.exp(Math.min(...path.slice(0, diverged ? -1 : undefined).map((one) => one.position[1])));
    const end = diverged
      ? `diverged at step ${steps}, its energy wrong by more than ${DIVERGED}`
      : `${steps} steps, at the end of which its energy is wrong by ${Math.abs(path.at(-1).error).toPrecision(2)}`;
    return `${form[0].toUpperCase()}${form.slice(1)}: ${end}; lowest tau ${lowest.toPrecision(2)}.`;
  }

  function hundred() {
    const [tau, step, normal] = [view.signal("tau"), view.signal("epsilon"), normals((seed += 1))];
    const lost = Array.from({ length: 100 }, () => release(tau, step, normal, model))
      .flat()
      .filter((roll) => roll.diverged);
    const count = (form) => lost.filter((roll) => roll.form === form).length;
    cancelAnimationFrame(frame);
    draw(lost.map((roll) => row("lost", roll, left(roll))));
    const counts = FORMS.map((form) => `${count(form)} in the ${form} form`).join(" and ");
    words.textContent = `Of 100 balls from τ = ${tau} with steps of ${step}, ${counts} diverged.`;
  }

  function clear() {
    cancelAnimationFrame(frame);
    draw([]);
    words.textContent = "";
  }

  button("Release a ball", one);
  button("Release a hundred", hundred);
  // A run within a run is an error, and what calls this is one.
  for (const setting of ["tau", "epsilon"]) view.addSignalListener(setting, () => queueMicrotask(clear));
  explorer.querySelector(".explorer-reset").addEventListener("click", clear);
}
