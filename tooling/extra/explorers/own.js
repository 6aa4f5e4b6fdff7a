// Groups of the reader's own: their numbers read from text, and their exact posterior.
"use strict";

const groups = (() => {
  // The exact posterior -----------------------------------------------------------------------------
  //
  // Given tau, the posterior is Normal; what is left is one integral over tau, here over u with tau = s sinh(u), where s
  // is the smallest standard error. The integrand is even in u, and its poles lie at least pi / 2 from the real axis,
  // however different the standard errors are, so that the trapezoidal rule converges geometrically (Trefethen and
  // Weideman, SIAM Review 56, 2014, 385-458). Its nodes are laid three times, each time where the last ones found any
  // of the posterior: no data are too surprising, and no prior too wide.
  const STEPS = [64, 64, 128];
  // What has less than exp(-45) of the highest mass is no part of the posterior, not even of its second moment.
  const DEPTH = 45;
  // A half-Normal distribution has 2e-19 of its probability beyond as many scales.
  const SCALES = 9;

  const sum = (values) => values.reduce((total, value) => total + value, 0);

  // Means and standard deviations of mu, tau and each group's effect, and the density of tau.
  function posterior(groups, scaleMu, scaleTau) {
    const s = Math.min(...groups.map(({ error }) => error));
    // No likelihood asks for a tau beyond the largest distance of a report from mu.
    const largest = 2 * Math.max(...groups.map(({ report }) => Math.abs(report))) + SCALES * scaleTau;
    let [left, right] = [0, Math.asinh(largest / s)];
    let nodes, width, highest;
    for (const steps of STEPS) {
      width = (right - left) / steps;
      nodes = Array.from({ length: steps + 1 }, (_, k) => {
        const u = left + k * width;
        const node = givenTau(groups, s * Math.sinh(u), scaleMu, scaleTau);
        return { ...node, u, logMass: node.logDensity + Math.log(s * Math.cosh(u)) };
      });
      highest = Math.max(...nodes.map(({ logMass }) => logMass));
      const inside = nodes.filter(({ logMass }) => logMass > highest - DEPTH);
      left = Math.max(0, inside[0].u - width);
      right = inside.at(-1).u + width;
    }
    // The rule gives the end at 0 half the weight; at any other end there is nothing.
    const masses = nodes.map(({ u, logMass }) => Math.exp(logMass - highest) * (u ? 1 : 0.5));
    const total = sum(masses);
    const weights = masses.map((mass) => mass / total);
    // Average a conditional mean and variance over tau.
    const moments = (mean, variance) => {
      const centre = sum(nodes.map((node, k) => weights[k] * mean(node)));
      const square = (node) => variance(node) + (mean(node) - centre) ** 2;
      return { mean: centre, sd: Math.sqrt(sum(nodes.map((node, k) => weights[k] * square(node)))) };
    };
    // tau times its density is not even in u: its slope at 0 adds a twelfth of a step (Euler and Maclaurin), which
    // the node at 0, with half its weight, contributes to the mean and not to the mean square.
    const atZero = (s * width) / 6;
    const top = Math.max(...nodes.map(({ logDensity }) => logDensity));
    return {
      mu: moments(({ centre }) => centre, ({ precision }) => 1 / precision),
      tau: moments(({ u, tau }) => (u ? tau : atZero), ({ u }) => (u ? 0 : -(atZero ** 2))),
      theta: groups.map(({ report, error }) => {
        const weight = ({ tau }) => error ** 2 / (error ** 2 + tau ** 2);
        const mean = (node) => weight(node) * node.centre + (1 - weight(node)) * report;
        const variance = (node) => (1 - weight(node)) * error ** 2 + weight(node) ** 2 / node.precision;
        return moments(mean, variance);
      }),
      curve: nodes
        .filter(({ logDensity }) => logDensity > top - 8)
        .map(({ tau, logDensity }) => ({
          tau,
          density: Math.exp(logDensity - highest) / total / width,
          prior: (Math.sqrt(2 / Math.PI) / scaleTau) * Math.exp(-0.5 * (tau / scaleTau) ** 2),
        })),
    };
  }

  // At one tau: precision and centre of mu, and the log density of tau, up to a constant.
  function givenTau(groups, tau, scaleMu, scaleTau) {
    const variances = groups.map(({ error }) => error ** 2 + tau ** 2);
    const precision = sum(variances.map((variance) => 1 / variance)) + scaleMu ** -2;
    const centre = sum(groups.map(({ report }, i) => report / variances[i])) / precision;
    const misfit = sum(groups.map(({ report }, i) => Math.log(variances[i]) + (report - centre) ** 2 / variances[i]));
    const priors = (centre / scaleMu) ** 2 + (tau / scaleTau) ** 2;
    return { tau, precision, centre, logDensity: -0.5 * (misfit + Math.log(precision) + priors) };
  }

  // Reading -----------------------------------------------------------------------------------------

  const FEWEST = 2;
  const MOST = 50;
  // Beyond this, numbers in the page have too few digits.
  const FURTHEST = 1e8;

  // The groups in a text, a line each; what cannot be read is an Error that says where and why.
  function readGroups(text) {
    const lines = text.split(/\r?\n/).map((line, i) => ({ place: `Line ${i + 1}`, parts: partsOf(line) }));
    const filled = lines.filter(({ parts }) => parts.fields.some((field) => field));
    const isHead = ({ parts }) => parts.fields.length === 3 && !/\d/.test(parts.fields.slice(1).join(""));
    if (filled.length && isHead(filled[0])) filled.shift();
    const groups = filled.map(({ place, parts }) => readGroup(place, parts));
    if (groups.length < FEWEST || groups.length > MOST)
      throw Error(`There are ${groups.length} groups: enter ${FEWEST} to ${MOST}, a line each.`);
    for (const [i, { name }] of groups.entries())
      if (groups.findIndex((group) => group.name === name) < i)
        throw Error(`${filled[i].place}: there are two groups “${name}”; give each a name of its own.`);
    const smallest = Math.min(...groups.map(({ error }) => error));
    if (groups.some(({ report, error }) => Math.max(Math.abs(report), error) > FURTHEST * smallest))
      throw Error(`A number is more than ${FURTHEST.toLocaleString("en")} times the smallest standard error, ${smallest}.`);
    return groups;
  }

  // Tabs part before semicolons, these before commas.
  function partsOf(line) {
    const mark = ["\t", ";", ","].find((one) => line.includes(one));
    return { mark, fields: line.trimEnd().split(mark).map((field) => field.trim()) };
  }

  function readGroup(place, { mark, fields }) {
    while (fields.length > 3 && !fields.at(-1)) fields.pop();
    if (fields.length !== 3) {
      const hint = mark === "," ? " Where commas part them, decimals need a point." : "";
      throw Error(`${place} has ${fields.length} of 3 parts: a name, an effect and a standard error.${hint}`);
    }
    const [name, report, error] = [fields[0], readNumber(place, fields[1]), readNumber(place, fields[2])];
    if (!name) throw Error(`${place} has no name.`);
    if (!(error > 0)) throw Error(`${place}: the standard error is ${error}, and must be above 0.`);
    return { name, report, error };
  }

  // A decimal comma is one; what may as well part thousands is refused.
  function readNumber(place, text) {
    const plain = text.replace("−", "-");
    if (/^[-+]?[1-9]\d{0,2},\d{3}$/.test(plain))
      throw Error(`${place}: “${text}” can be read in two ways; write ${plain.replace(",", "")} or ${plain.replace(",", ".")}.`);
    if (!/^[-+]?(\d+([.,]\d*)?|[.,]\d+)(e[-+]?\d+)?$/i.test(plain)) throw Error(`${place}: “${text}” is not a number.`);
    return Number(plain.replace(",", "."));
  }

  const writeGroups = (groups) => groups.map(({ name, report, error }) => `${name}\t${report}\t${error}`).join("\n");

  return { posterior, read: readGroups, write: writeGroups };
})();

// In the page -------------------------------------------------------------------------------------

document.addEventListener("explorer", ({ target, detail }) => {
  if (target.id === "explorer-own") enterGroups(target, detail.view);
});

// Let the form set the chart, and what is moved in the chart set the form.
function enterGroups(explorer, view) {
  const form = explorer.querySelector("form");
  const link = explorer.querySelector(".explorer-link");
  const fields = [...form.querySelectorAll("textarea, input")];
  const [lines, scaleMu, scaleTau] = fields;
  let entered = groups.read(lines.defaultValue);

  function update() {
    const fault = read();
    form.querySelector(".explorer-fault").textContent = fault ?? "";
    if (!fault) show();
    carry();
  }

  // Take what the fields say; return what is wrong with them.
  function read() {
    let fault = null;
    for (const field of fields) {
      let wrong = null;
      try {
        if (field === lines) entered = groups.read(field.value);
        else if (!(field.value > 0)) throw Error("The scale of a prior must be a number above 0.");
      } catch (error) {
        wrong = error.message;
      }
      field.setAttribute("aria-invalid", String(Boolean(wrong)));
      fault ??= wrong;
    }
    return fault && `${fault} The chart still shows what was there before.`;
  }

  function show() {
    const { mu, tau, theta, curve } = groups.posterior(entered, Number(scaleMu.value), Number(scaleTau.value));
    // As many as show three digits of the smallest standard error, and no less than two.
    const smallest = Math.min(...entered.map(({ error }) => error));
    const decimals = Math.max(2, 2 - Math.floor(Math.log10(smallest)));
    view.data("groups", entered.map((group, place) => ({ ...group, ...theta[place], place, decimals })));
    view.data("common", [{ name: "μ", ...mu, decimals }, { name: "τ", ...tau, decimals }]);
    view.data("curve", curve).resize().runAsync(); // more groups need a higher chart
  }

  // The link carries what the fields say.
  function carry() {
    const address = new URL(location.href);
    for (const field of fields) address.searchParams.set(field.name, field.value);
    address.hash = explorer.id;
    link.href = address.href;
  }

  explorer.move = ({ place }, value) => {
    lines.value = groups.write(entered.map((group, i) => (i === place ? { ...group, report: value } : group)));
    update();
  };
  form.addEventListener("input", update);
  form.addEventListener("reset", () => setTimeout(update));
  form.addEventListener("submit", (event) => event.preventDefault());
  const given = new URLSearchParams(location.search);
  for (const field of fields) if (given.has(field.name)) field.value = given.get(field.name);
  if (fields.some((field) => field.value !== field.defaultValue)) update();
  else carry();
}
