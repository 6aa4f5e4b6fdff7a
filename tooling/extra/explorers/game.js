// The game of guesses: rounds are dealt from a seed, and scored by the sum of squared errors.
"use strict";

const guessing = (() => {
  const total = (values) => values.reduce((sum, value) => sum + value, 0);

  // True effects from the population, each seen with its error.
  function deal(seed, { error, mu, tau }) {
    const normal = normals(seed);
    const truth = error.map(() => mu + tau * normal());
    return { truth, raw: truth.map((theta, i) => theta + error[i] * normal()) };
  }

  // The posterior means, mu and tau being known.
  const estimates = (raw, { error, mu, tau }) =>
    raw.map((y, i) => mu + (tau ** 2 / (tau ** 2 + error[i] ** 2)) * (y - mu));

  const loss = (guess, truth) => total(guess.map((value, i) => (value - truth[i]) ** 2));

  // The share of the way to mu that fits all guesses best, by least squares.
  function pull(guess, raw, { mu }) {
    const way = raw.map((y) => mu - y);
    return total(way.map((d, i) => d * (guess[i] - raw[i]))) / total(way.map((d) => d * d));
  }

  // Mean losses over rounds in which all are pulled by one share.
  function repeat(seed, count, share, model) {
    const sums = { you: 0, raw: 0, model: 0 };
    for (let round = 0; round < count; round += 1) {
      const { truth, raw } = deal(seed + round, model);
      sums.you += loss(raw.map((y) => y + share * (model.mu - y)), truth) / count;
      sums.raw += loss(raw, truth) / count;
      sums.model += loss(estimates(raw, model), truth) / count;
    }
    return sums;
  }

  return { deal, estimates, loss, pull, repeat };
})();

document.addEventListener("explorer", ({ target, detail }) => {
  if (target.id === "explorer-game") playGuessing(target, detail.view, detail.model);
});

function playGuessing(explorer, view, model) {
  const { deal, estimates, loss, pull, repeat } = guessing;
  const KEY = "guessing"; // of what the device remembers
  const MANY = 1_000_000; // seeds from here on are for rounds that nobody sees
  const NONE = { rounds: 0, you: 0, raw: 0, model: 0 };
  const tools = document.createElement("div");
  tools.className = "explorer-tools";
  const words = document.createElement("p");
  words.className = "explorer-words";
  words.setAttribute("role", "status");
  explorer.querySelector(".explorer-controls").after(tools, words);
  const button = (label, action) => {
    const made = tools.appendChild(document.createElement("button"));
    made.type = "button";
    made.textContent = label;
    made.addEventListener("click", action);
    return made;
  };
  let [tally, round, guess, shown] = [remembered(), null, null, false];

  function remembered() {
    try {
      return { ...NONE, ...JSON.parse(localStorage.getItem(KEY)) };
    } catch { // no storage, or not ours
      return NONE;
    }
  }

  function remember() {
    try {
      localStorage.setItem(KEY, JSON.stringify(tally));
    } catch {} // without storage nothing is remembered, and nothing else is lost
  }

  function losses({ you, raw, model: own }, rounds = 1) {
    const mean = (sum) => Math.round(sum / rounds);
    return `you ${mean(you)}, the raw effects ${mean(raw)}, the model ${mean(own)}`;
  }

  function draw() {
    const { truth, raw } = round;
    const best = estimates(raw, model);
    const rows = model.rows.map(({ name, error }, i) => ({
      name, error, raw: raw[i], guess: guess[i], ...(shown && { truth: truth[i], model: best[i] }),
    }));
    next.textContent = shown ? "Next round" : "Show the truth";
    many.disabled = !shown;
    view.data("game", rows).runAsync();
  }

  const within = (value) => Math.min(Math.max(Math.round(value), model.ends[0]), model.ends[1]);

  // What the handles of the diamonds do.
  explorer.move = ({ name }, value) => {
    if (shown) return;
    guess[model.rows.findIndex((row) => row.name === name)] = within(value);
    draw();
  };

  function begin() {
    shown = false;
    round = deal(tally.rounds + 1, model);
    guess = round.raw.map(within);
    draw();
    words.textContent = `Round ${tally.rounds + 1}: where do the true effects lie?`;
  }

  function show() {
    shown = true;
    const { truth, raw } = round;
    const now = { you: loss(guess, truth), raw: loss(raw, truth), model: loss(estimates(raw, model), truth) };
    const sums = Object.entries(now).map(([who, value]) => [who, tally[who] + value]);
    tally = { rounds: tally.rounds + 1, ...Object.fromEntries(sums) };
    remember();
    draw();
    const over = `On average over ${tally.rounds} ${tally.rounds > 1 ? "rounds" : "round"}`;
    words.textContent = `Squared errors: ${losses(now)}. ${over}: ${losses(tally, tally.rounds)}.`;
  }

  function playMany() {
    const share = pull(guess, round.raw, model);
    const sums = repeat(MANY + 100 * tally.rounds, 100, share, model);
    const moved = `You moved ${Math.round(100 * share)}% of the way to ${model.mu}.`;
    words.textContent = `${moved} A hundred new rounds, with this share for all schools, cost on average: ${losses(sums)}.`;
  }

  const next = button("Show the truth", () => (shown ? begin() : show()));
  const many = button("A hundred rounds like this", playMany);
  explorer.querySelector(".explorer-reset").addEventListener("click", () => {
    tally = NONE;
    remember();
    begin();
  });
  begin();
}
