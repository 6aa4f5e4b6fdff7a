// Functions that JavaScript lacks.
const LANCZOS = [
  0.99999999999999709182, 57.156235665862923517, -59.597960355475491248, 14.136097974741747174,
  -0.49191381609762019978, 0.33994649984811888699e-4, 0.46523628927048575665e-4, -0.98374475304879564677e-4,
  0.15808870322491248884e-3, -0.21026444172410488319e-3, 0.2174396181152126432e-3, -0.16431810653676389022e-3,
  0.84418223983852743293e-4, -0.2619083840158140867e-4, 0.36899182659531622704e-5,
];

function lgamma(x) {
  if (x === Infinity || (x <= 0 && Number.isInteger(x))) return Infinity;
  if (x < 0.5) return Math.log(Math.PI / Math.abs(Math.sin(Math.PI * (x - Math.round(x))))) - lgamma(1 - x);
  if (x === 1 || x === 2) return 0;
  if (x >= 12) {
    // Stirling's series.
    const y = 1 / (x * x);
    const series = (1 / 12 - y * (1 / 360 - y * (1 / 1260 - y * (1 / 1680 - y * (1 / 1188 - (y * 691) / 360360))))) / x;
    return (x - 0.5) * Math.log(x) - x + 0.5 * Math.log(2 * Math.PI) + series;
  }
  let sum = LANCZOS[0];
  for (let i = 1; i < LANCZOS.length; i++) sum += LANCZOS[i] / (x - 1 + i);
  const t = x + 4.7421875 - 0.5;
  return (x - 0.5) * Math.log(t) - t + Math.log(Math.sqrt(2 * Math.PI) * sum);
}

function digamma(x) {
  if (x <= 0 && Number.isInteger(x)) return NaN;
  if (x < 0) return digamma(1 - x) - Math.PI / Math.tan(Math.PI * (x - Math.round(x)));
  let sum = 0;
  for (; x < 12; x++) sum -= 1 / x;
  const y = 1 / (x * x);
  const tail = y * (1 / 12 - y * (1 / 120 - y * (1 / 252 - y * (1 / 240 - y * (1 / 132 - (y * 691) / 32760)))));
  return sum + Math.log(x) - 0.5 / x - tail;
}

function sigmoid(x) {
  return x < -700 ? Math.exp(x) : 1 / (1 + Math.exp(-x));
}

// As IEEE 754 and Python have them.
function power(x, y) {
  return x === 1 || (x === -1 && Math.abs(y) === Infinity) ? 1 : Math.pow(x, y);
}

function floorDivide(x, y) {
  if (y === 0) return x / y;
  const rest = x % y;
  return Math.round((x - rest) / y) - (rest !== 0 && rest < 0 !== y < 0 ? 1 : 0);
}

function softplus(x) {
  return Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
}

function log1mexp(x) {
  return x < -Math.LN2 ? Math.log1p(-Math.exp(x)) : Math.log(-Math.expm1(x));
}

// Matrices, row by row: the product of a (rows x inner) and b (inner x columns).
function product(a, b, out, rows, inner, columns) {
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) {
      let sum = 0;
      for (let k = 0; k < inner; k++) sum += a[i * inner + k] * b[k * columns + j];
      out[i * columns + j] = sum;
    }
  }
}

// What a triangular matrix takes to b (size x columns); no numbers if there is nothing such.
function solveTriangular(a, b, out, size, columns, lower, unit) {
  for (let i = 0; i < size && !unit; i++) {
    if (a[i * size + i] === 0) return out.fill(NaN, 0, size * columns);
  }
  for (let j = 0; j < columns; j++) {
    for (let n = 0; n < size; n++) {
      const i = lower ? n : size - 1 - n;
      let sum = b[i * columns + j];
      for (let k = lower ? 0 : i + 1; k < (lower ? i : size); k++) sum -= a[i * size + k] * out[k * columns + j];
      out[i * columns + j] = unit ? sum : sum / a[i * size + i];
    }
  }
}

// The triangular root of a symmetric matrix; no numbers if it has none.
function cholesky(a, out, size, lower) {
  out.fill(0, 0, size * size);
  for (let i = 0; i < size; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = lower ? a[i * size + j] : a[j * size + i];
      for (let k = 0; k < j; k++) sum -= out[i * size + k] * out[j * size + k];
      if (i === j && !(sum > 0)) return out.fill(NaN, 0, size * size);
      out[i * size + j] = i === j ? Math.sqrt(sum) : sum / out[j * size + j];
    }
  }
  for (let i = 0; i < size && !lower; i++) {
    for (let j = 0; j < i; j++) [out[i * size + j], out[j * size + i]] = [0, out[i * size + j]];
  }
}
