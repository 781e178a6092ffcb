// Arithmetic of the live upgrade: safetensors, matrices and what a transformer's block needs. No library.
// A matrix is a Float32Array of rows one after the other. Sums are made in double precision, as JavaScript numbers are.
"use strict";
var clipcompat = window.clipcompat || {};
window.clipcompat = clipcompat;

// base64 of a safetensors file -> {about: its metadata, tensors: {name: {shape, data: Float32Array}}}
clipcompat.readTensors = function (base64) {
  const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  const length = Number(new DataView(bytes.buffer).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)));
  const about = header.__metadata__ || {};
  delete header.__metadata__;
  const raw = {}, tensors = {};
  for (const [name, { dtype, shape, data_offsets: [start, end] }] of Object.entries(header)) {
    const part = bytes.buffer.slice(8 + length + start, 8 + length + end);
    if (dtype !== "F32" && dtype !== "I8") throw new Error(name + " has the type " + dtype + "; expected F32 or I8");
    raw[name] = { shape, data: dtype === "F32" ? new Float32Array(part) : new Int8Array(part) };
  }
  for (const [name, { shape, data }] of Object.entries(raw)) {
    const scale = raw[name + ".scale"]; // of an I8 matrix: one number per row
    if (!name.endsWith(".scale")) tensors[name] = { shape, data: scale ? rescaled(data, scale.data) : data };
  }
  return { about, tensors };

  function rescaled(data, scale) {
    const width = data.length / scale.length;
    return Float32Array.from(data, (value, i) => value * scale[Math.floor(i / width)]);
  }
};

// x [n, in] · weight [out, in]ᵀ + bias [out] -> [n, out]
clipcompat.linear = function (x, n, weight, bias) {
  const [out] = weight.shape, w = weight.data, width = w.length / out, y = new Float32Array(n * out);
  for (let o = 0; o < out; o++) {
    const row = o * width, start = bias ? bias.data[o] : 0;
    for (let i = 0; i < n; i++) {
      let a = start, b = 0;
      const from = i * width;
      for (let k = 0; k < width - 1; k += 2) {
        a += x[from + k] * w[row + k];
        b += x[from + k + 1] * w[row + k + 1];
      }
      if (width % 2) a += x[from + width - 1] * w[row + width - 1];
      y[i * out + o] = a + b;
    }
  }
  return y;
};

// x [n, width] · matrix [width, out] -> [n, out]
clipcompat.project = function (x, n, matrix) {
  const [width, out] = matrix.shape, y = new Float32Array(n * out);
  for (let i = 0; i < n; i++)
    for (let o = 0; o < out; o++) {
      let sum = 0;
      for (let k = 0; k < width; k++) sum += x[i * width + k] * matrix.data[k * out + o];
      y[i * out + o] = sum;
    }
  return y;
};

// Every row to mean 0 and variance 1, then · weight + bias
clipcompat.layerNorm = function (x, n, weight, bias, eps) {
  const width = x.length / n, y = new Float32Array(x.length);
  for (let i = 0; i < n; i++) {
    let mean = 0, variance = 0;
    for (let k = 0; k < width; k++) mean += x[i * width + k] / width;
    for (let k = 0; k < width; k++) variance += (x[i * width + k] - mean) ** 2 / width;
    const scale = 1 / Math.sqrt(variance + eps);
    for (let k = 0; k < width; k++)
      y[i * width + k] = (x[i * width + k] - mean) * scale * weight.data[k] + bias.data[k];
  }
  return y;
};

// Attention of n tokens with all m: q [n, width], k and v [m, width] -> [n, width]. causal: the n tokens are the last
// ones, and none sees a later one.
clipcompat.attention = function (q, k, v, n, heads, causal) {
  const width = q.length / n, m = k.length / width, size = width / heads;
  const y = new Float32Array(n * width), scores = new Float64Array(m);
  for (let h = 0; h < heads; h++)
    for (let i = 0; i < n; i++) {
      const seen = causal ? m - n + i + 1 : m, at = i * width + h * size;
      let highest = -Infinity, total = 0;
      for (let j = 0; j < seen; j++) {
        let score = 0;
        for (let d = 0; d < size; d++) score += q[at + d] * k[j * width + h * size + d];
        scores[j] = score / Math.sqrt(size);
        highest = Math.max(highest, scores[j]);
      }
      for (let j = 0; j < seen; j++) total += scores[j] = Math.exp(scores[j] - highest);
      for (let j = 0; j < seen; j++)
        for (let d = 0; d < size; d++) y[at + d] += (scores[j] / total) * v[j * width + h * size + d];
    }
  return y;
};

clipcompat.activations = {
  quick_gelu: (x) => x / (1 + Math.exp(-1.702 * x)),
  gelu: (x) => 0.5 * x * (1 + erf(x / Math.SQRT2)),
  silu: (x) => x / (1 + Math.exp(-x)),
};

// Abramowitz and Stegun, 7.1.26: off by at most 1.5e-7
function erf(x) {
  const t = 1 / (1 + 0.3275911 * Math.abs(x));
  const tail = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t;
  return Math.sign(x) * (1 - tail * Math.exp(-x * x));
}

clipcompat.sum = (a, b) => a.map((value, i) => value + b[i]);

clipcompat.unit = function (x) {
  const norm = Math.sqrt(x.reduce((sum, value) => sum + value * value, 0));
  return x.map((value) => value / norm);
};

clipcompat.softmax = function (x) {
  const highest = Math.max(...x), powers = Array.from(x, (value) => Math.exp(value - highest));
  const total = powers.reduce((sum, value) => sum + value, 0);
  return powers.map((value) => value / total);
};
