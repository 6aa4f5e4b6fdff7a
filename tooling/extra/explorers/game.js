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
  const sliders = [...explorer.querySelectorAll(".explorer-controls input")];
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
  let [tally, round, shown] = [remembered(), null, false];

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

  const guesses = () => sliders.map((_, i) => view.signal(`guess_${i}`));
  const losses = ({ you, raw, model }, share = 1) =>
    `you ${Math.round(you * share)}, the raw effects ${Math.round(raw * share)}, the model ${Math.round(model * share)}`;

  function draw() {
    const { truth, raw } = round;
    const model_ = estimates(raw, model);
    const rows = model.schools.map((school, place) => ({
      place, school, error: model.error[place], raw: raw[place],
      ...(shown && { truth: truth[place], model: model_[place] }),
    }));
    for (const slider of sliders) slider.disabled = shown;
    next.textContent = shown ? "Next round" : "Show the truth";
    many.disabled = !shown;
    view.data("game", rows).runAsync();
  }

  function begin() {
    shown = false;
    round = deal(tally.rounds + 1, model);
    for (const [i, y] of round.raw.entries()) view.signal(`guess_${i}`, Math.min(Math.max(Math.round(y), sliders[i].min), sliders[i].max));
    draw();
    words.textContent = `Round ${tally.rounds + 1}: where do the true effects lie?`;
  }

  function show() {
    shown = true;
    const { truth, raw } = round;
    const now = { you: loss(guesses(), truth), raw: loss(raw, truth), model: loss(estimates(raw, model), truth) };
    const sums = Object.entries(now).map(([who, value]) => [who, tally[who] + value]);
    tally = { rounds: tally.rounds + 1, ...Object.fromEntries(sums) };
    remember();
    draw();
    words.textContent = `Squared errors: ${losses(now)}. On average over ${tally.rounds} round${tally.rounds > 1 ? "s" : ""}: ${losses(tally, 1 / tally.rounds)}.`;
  }

  function playMany() {
    const share = pull(guesses(), round.raw, model);
    const sums = repeat(MANY + 100 * tally.rounds, 100, share, model);
    words.textContent = `You moved ${Math.round(100 * share)}% of the way to ${model.mu}. On average over a hundred new rounds, with this share for all schools: ${losses(sums)}.`;
  }

  const next = button("Show the truth", () => (shown ? begin() : show()));
  const many = button("A hundred rounds like this", playMany);
  button("Forget the tally", () => {
    tally = NONE;
    remember();
    begin();
  });
  begin();
}
