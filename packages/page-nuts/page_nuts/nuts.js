// The No-U-Turn Sampler with multinomial weights and Stan's warm-up, for a log density with its gradient.
//
// chain(density, start, settings) draws one chain. density(x, gradient) returns the log density at x and
// writes its gradient; settings are draws, tune, target, depth, seed and chain.
const MOST_ENERGY = 1000; // by which a step may miss before it counts as divergent
const FEW = 10; // draws after which the average of the steps has forgotten its first, ten times too large

function chain(density, start, { draws, tune, target, depth, seed, chain }) {
  const size = start.length;
  const random = generator(seed, chain);
  // The diagonal of the inverse mass matrix. When it changes, what a state says of its momentum is past: push first.
  const inverse = new Float64Array(size).fill(1);
  let step = 1;
  let state = begin();

  // A place q with its momentum p, both of them for good: a step leads to another. Plain arrays, since V8 copies
  // short ones faster than typed ones.
  function at(q, p, g, lp) {
    const sharp = p.slice();
    for (let i = 0; i < size; i++) sharp[i] *= inverse[i];
    const energy = dot(p, sharp) / 2 - lp;
    return { q, p, g, lp, sharp, energy: Number.isNaN(energy) ? Infinity : energy };
  }

  function begin() {
    for (let attempt = 0; attempt < 100; attempt++) {
      const q = Array.from(start, (value) => value + 2 * random.uniform() - 1);
      const g = q.slice();
      const lp = density(q, g);
      if (Number.isFinite(lp) && g.every(Number.isFinite)) return { q, g, lp };
    }
    throw new Error("no start with a finite log density was found");
  }

  function push({ q, g, lp }) {
    const p = q.slice();
    for (let i = 0; i < size; i++) p[i] = random.normal() / Math.sqrt(inverse[i]);
    return at(q, p, g, lp);
  }

  function leap(z, length) {
    const [q, p, g] = [z.q.slice(), z.p.slice(), z.g.slice()];
    for (let i = 0; i < size; i++) {
      p[i] += (length / 2) * g[i];
      q[i] += length * inverse[i] * p[i];
    }
    const lp = density(q, g);
    for (let i = 0; i < size; i++) p[i] += (length / 2) * g[i];
    return at(q, p, g, lp);
  }

  // A first step that is accepted with a probability near 0.8.
  function findStep() {
    let direction = 0;
    for (let tries = 0; tries < 100; tries++) {
      const z = push(state);
      const now = z.energy - leap(z, step).energy > Math.log(0.8) ? 1 : -1;
      if (direction && now !== direction) return;
      direction = now;
      step *= direction > 0 ? 2 : 0.5;
    }
  }

  const goesOn = (first, last, rho) => dot(first.sharp, rho) > 0 && dot(last.sharp, rho) > 0;
  const logSum = (a, b) => (a > b ? a + Math.log1p(Math.exp(b - a)) : b + Math.log1p(Math.exp(a - b)));

  // Of two neighbouring trees as one, whether no part of it turns back.
  const straight = (a, b, rho) =>
    goesOn(a.first, b.last, rho) &&
    goesOn(a.first, b.first, sum(a.rho, b.first.p)) &&
    goesOn(a.last, b.last, sum(b.rho, a.last.p));

  // Go on from z by 2 ** level steps; null if they turned back or diverged.
  function tree(z, level, direction, initial, count) {
    if (level === 0) {
      const end = leap(z, direction * step);
      const change = initial - end.energy;
      count.steps += 1;
      count.accepted += Math.min(1, Math.exp(change));
      if (!(change > -MOST_ENERGY)) {
        count.diverging = true;
        return null;
      }
      return { first: end, last: end, rho: end.p, weight: change, chosen: end };
    }
    const a = tree(z, level - 1, direction, initial, count);
    const b = a && tree(a.last, level - 1, direction, initial, count);
    if (!b) return null;
    const weight = logSum(a.weight, b.weight);
    const rho = sum(a.rho, b.rho);
    if (!straight(a, b, rho)) return null;
    const chosen = Math.log(random.uniform()) < b.weight - weight ? b.chosen : a.chosen;
    return { first: a.first, last: b.last, rho, weight, chosen };
  }

  // One draw; what it took is counted.
  function transition() {
    state = push(state);
    const initial = state.energy;
    const count = { steps: 0, accepted: 0, diverging: false, depth: 0, ended: false };
    let whole = { first: state, last: state, rho: state.p, weight: 0, chosen: state };
    while (count.depth < depth) {
      const forward = random.uniform() >= 0.5;
      const grown = tree(forward ? whole.last : whole.first, count.depth, forward ? 1 : -1, initial, count);
      count.depth += 1;
      count.ended = !grown;
      if (!grown) break;
      const chosen = Math.log(random.uniform()) < grown.weight - whole.weight ? grown.chosen : whole.chosen;
      // In the order of time: what grew backwards comes first, and its first step is its latest.
      const turned = { ...grown, first: grown.last, last: grown.first };
      const [a, b] = forward ? [whole, grown] : [turned, whole];
      const rho = sum(a.rho, b.rho);
      const on = straight(a, b, rho);
      whole = { first: a.first, last: b.last, rho, weight: logSum(whole.weight, grown.weight), chosen };
      count.ended = !on;
      if (!on) break;
    }
    state = whole.chosen;
    return count;
  }

  // Warm-up: the step by dual averaging, the mass matrix from windows that double.
  function averaging() {
    const centre = Math.log(10 * step);
    let [count, error, mean] = [0, 0, 0];
    return {
      learn(accepted) {
        count += 1;
        error += (target - accepted - error) / (count + 10);
        const now = centre - (Math.sqrt(count) / 0.05) * error;
        mean += count ** -0.75 * (now - mean);
        step = Math.exp(now);
      },
      finish: () => (count < FEW ? takeSmallStep() : (step = Math.exp(mean))),
    };
  }

  // Where too little is known for an average: half of the least of some first steps.
  function takeSmallStep() {
    let least = Infinity;
    for (let tries = 0; tries < 5; tries++) {
      findStep();
      least = Math.min(least, step);
    }
    step = least / 2;
  }

  function windows() {
    let [first, last, width] = [75, 50, 25];
    if (first + last + width > tune) [first, last] = [Math.floor(0.15 * tune), Math.floor(0.1 * tune)];
    const ends = [];
    for (let end = first + width; first + width <= tune - last; width *= 2, end += width) {
      // A window that leaves no room for the next takes what there is.
      if (end + 2 * width > tune - last) end = tune - last;
      ends.push(end);
      if (end === tune - last) break;
    }
    return { first, last: tune - last, ends };
  }

  function warmUp(report) {
    const { first, last, ends } = windows();
    const moments = { count: 0, mean: new Float64Array(size), square: new Float64Array(size) };
    findStep();
    let rule = averaging();
    for (let place = 1; place <= tune; place++) {
      const { accepted, steps } = transition();
      rule.learn(accepted / steps);
      if (place > first && place <= last) learn(moments, state.q);
      if (ends.includes(place)) {
        for (let i = 0; i < size; i++) {
          const variance = moments.square[i] / (moments.count - 1);
          inverse[i] = (moments.count * variance + 5e-3) / (moments.count + 5);
        }
        Object.assign(moments, { count: 0, mean: new Float64Array(size), square: new Float64Array(size) });
        findStep();
        rule = averaging();
      }
      report(place);
    }
    rule.finish();
  }

  function learn(moments, values) {
    moments.count += 1;
    for (let i = 0; i < size; i++) {
      const difference = values[i] - moments.mean[i];
      moments.mean[i] += difference / moments.count;
      moments.square[i] += difference * (values[i] - moments.mean[i]);
    }
  }

  const result = { draws: new Float64Array(draws * size) };
  const names = ["diverging", "n_steps", "depth", "reached", "acceptance_rate", "lp", "energy", "step_size"];
  for (const name of names) result[name] = new Float64Array(draws);
  warmUp(() => {});
  for (let place = 0; place < draws; place++) {
    const count = transition();
    result.draws.set(state.q, place * size);
    result.diverging[place] = count.diverging ? 1 : 0;
    result.n_steps[place] = count.steps;
    result.depth[place] = count.depth;
    result.acceptance_rate[place] = count.accepted / count.steps;
    result.reached[place] = count.ended ? 0 : 1;
    result.lp[place] = state.lp;
    result.energy[place] = state.energy; // with the momentum with which it was reached
    result.step_size[place] = step;
  }
  return result;
}

function dot(a, b) {
  let total = 0;
  for (let i = 0; i < a.length; i++) total += a[i] * b[i];
  return total;
}

function sum(a, b) {
  const total = a.slice();
  for (let i = 0; i < total.length; i++) total[i] += b[i];
  return total;
}

// Small fast counter of 32 bits (sfc32), seed and chain being words of its state; Normal numbers by the polar method.
function generator(seed, chain) {
  let [a, b, c, d] = [0, seed, chain, 1];
  const word = () => {
    const t = (a + b + d) | 0;
    d = (d + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + t | 0;
    return t >>> 0;
  };
  for (let i = 0; i < 20; i++) word();
  // 53 bits, never 0.
  const uniform = () => ((word() >>> 5) * 67108864 + (word() >>> 6) + 0.5) / 9007199254740992;
  let spare;
  const normal = () => {
    if (spare !== undefined) {
      const value = spare;
      spare = undefined;
      return value;
    }
    for (;;) {
      const x = 2 * uniform() - 1;
      const y = 2 * uniform() - 1;
      const r = x * x + y * y;
      if (r > 0 && r < 1) {
        const scale = Math.sqrt((-2 * Math.log(r)) / r);
        spare = y * scale;
        return x * scale;
      }
    }
  };
  return { uniform, normal };
}
