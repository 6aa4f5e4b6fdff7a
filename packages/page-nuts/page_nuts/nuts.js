// The No-U-Turn Sampler with multinomial weights and Stan's warm-up, for a log density with its gradient.
//
// chain(density, start, settings) draws one chain. density(x, gradient) returns the log density at x and
// writes its gradient; settings are draws, tune, target, depth, seed and chain.
const MOST_ENERGY = 1000; // by which a step may miss before it counts as divergent
const FEW = 10; // draws after which the average of the steps has forgotten its first, ten times too large

function chain(density, start, { draws, tune, target, depth, seed, chain }) {
  const size = start.length;
  const random = generator(seed, chain);
  const inverse = new Float64Array(size).fill(1); // the diagonal of the inverse mass matrix
  const point = () => ({ q: new Float64Array(size), p: new Float64Array(size), g: new Float64Array(size), lp: 0 });
  const copy = (z) => ({ q: z.q.slice(), p: z.p.slice(), g: z.g.slice(), lp: z.lp });
  const dot = (a, b) => a.reduce((sum, value, i) => sum + value * b[i], 0);
  const sum = (a, b) => a.map((value, i) => value + b[i]);
  const sharp = (p) => p.map((value, i) => value * inverse[i]);
  const energy = (z) => {
    const value = dot(z.p, sharp(z.p)) / 2 - z.lp;
    return Number.isNaN(value) ? Infinity : value;
  };
  let step = 1;
  let state = begin();

  function begin() {
    for (let attempt = 0; attempt < 100; attempt++) {
      const z = point();
      for (let i = 0; i < size; i++) z.q[i] = start[i] + 2 * random.uniform() - 1;
      z.lp = density(z.q, z.g);
      if (Number.isFinite(z.lp) && z.g.every(Number.isFinite)) return z;
    }
    throw new Error("no start with a finite log density was found");
  }

  function push(z) {
    for (let i = 0; i < size; i++) z.p[i] = random.normal() / Math.sqrt(inverse[i]);
  }

  function leap(z, length) {
    for (let i = 0; i < size; i++) z.p[i] += (length / 2) * z.g[i];
    for (let i = 0; i < size; i++) z.q[i] += length * inverse[i] * z.p[i];
    z.lp = density(z.q, z.g);
    for (let i = 0; i < size; i++) z.p[i] += (length / 2) * z.g[i];
  }

  // A first step that is accepted with a probability near 0.8.
  function findStep() {
    let direction = 0;
    for (let tries = 0; tries < 100; tries++) {
      const z = copy(state);
      push(z);
      const before = energy(z);
      leap(z, step);
      const now = before - energy(z) > Math.log(0.8) ? 1 : -1;
      if (direction && now !== direction) return;
      direction = now;
      step *= direction > 0 ? 2 : 0.5;
    }
  }

  const goesOn = (first, last, rho) => dot(first, rho) > 0 && dot(last, rho) > 0;
  const logSum = (a, b) => (a > b ? a + Math.log1p(Math.exp(b - a)) : b + Math.log1p(Math.exp(a - b)));

  // Of two neighbouring trees as one, whether no part of it turns back.
  const straight = (a, b, rho) =>
    goesOn(a.first.sharp, b.last.sharp, rho) &&
    goesOn(a.first.sharp, b.first.sharp, sum(a.rho, b.first.p)) &&
    goesOn(a.last.sharp, b.last.sharp, sum(b.rho, a.last.p));

  // Move z by 2 ** level steps; null if it turned back or diverged.
  function tree(z, level, direction, initial, count) {
    if (level === 0) {
      leap(z, direction * step);
      const change = initial - energy(z);
      count.steps += 1;
      count.accepted += Math.min(1, Math.exp(change));
      if (!(change > -MOST_ENERGY)) {
        count.diverging = true;
        return null;
      }
      const end = { p: z.p.slice(), sharp: sharp(z.p) };
      return { first: end, last: end, rho: end.p, weight: change, chosen: copy(z) };
    }
    const a = tree(z, level - 1, direction, initial, count);
    const b = a && tree(z, level - 1, direction, initial, count);
    if (!b) return null;
    const weight = logSum(a.weight, b.weight);
    const rho = sum(a.rho, b.rho);
    if (!straight(a, b, rho)) return null;
    const chosen = Math.log(random.uniform()) < b.weight - weight ? b.chosen : a.chosen;
    return { first: a.first, last: b.last, rho, weight, chosen };
  }

  // One draw; what it took is counted.
  function transition() {
    push(state);
    const initial = energy(state);
    const count = { steps: 0, accepted: 0, diverging: false, depth: 0, ended: false };
    const ends = { [-1]: copy(state), 1: copy(state) };
    const end = { p: state.p.slice(), sharp: sharp(state.p) };
    let whole = { first: end, last: end, rho: end.p, weight: 0, chosen: state };
    while (count.depth < depth) {
      const direction = random.uniform() < 0.5 ? -1 : 1;
      const grown = tree(ends[direction], count.depth, direction, initial, count);
      count.depth += 1;
      count.ended = !grown;
      if (!grown) break;
      const chosen = Math.log(random.uniform()) < grown.weight - whole.weight ? grown.chosen : whole.chosen;
      // In the order of time: what grew backwards comes first, and its first step is its latest.
      const turned = { ...grown, first: grown.last, last: grown.first };
      const [a, b] = direction > 0 ? [whole, grown] : [turned, whole];
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
    result.energy[place] = energy(state); // with the momentum with which it was reached
    result.step_size[place] = step;
  }
  return result;
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
