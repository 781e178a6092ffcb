// The two towers of a miniature backbone: open_clip's text tower and ViT, and timm's EVA-02 trunk. See
// clipcompat/backbones/mini/models.py. Features have unit norm.
"use strict";

// file: base64 of the weights that book/tools/live.py wrote. merges: for the tokenizer.
clipcompat.Backbone = function (file, merges) {
  const { linear, project, layerNorm, attention, sum, unit } = clipcompat;
  const { about, tensors } = clipcompat.readTensors(file);
  const words = new clipcompat.Tokenizer(merges);
  const heads = Number(about.heads), activate = clipcompat.activations[about.activation];
  const eva = about.image === "eva", text = eva ? "text." : "";
  const blocksOf = (prefix) => {
    const names = Object.keys(tensors).filter((name) => name.startsWith(prefix));
    return [...new Set(names.map((name) => prefix + name.slice(prefix.length).split(".")[0]))].sort();
  };
  const textBlocks = blocksOf(text + "transformer.resblocks.");
  const imageBlocks = blocksOf(eva ? "visual.trunk.blocks." : "visual.transformer.resblocks.");

  const positions = tensors[text + "positional_embedding"], width = positions.shape[1];
  const table = tensors[text + "token_embedding.weight"].data;
  this.scale = Math.exp(tensors.logit_scale.data[0]); // of cosine logits

  const vector = (id) => table.subarray(id * width, (id + 1) * width);
  const normed = (x, n, name, eps) => layerNorm(x, n, tensors[name + ".weight"], tensors[name + ".bias"], eps);
  const dense = (x, n, name) => linear(x, n, tensors[name + ".weight"], tensors[name + ".bias"]);

  // What every prompt begins with: SOS and, if given, a context [n_ctx, width]. A later token does not change it
  // (the tower is causal), so it goes through the tower once for all class names.
  this.prefix = function (context) {
    const vectors = joined(vector(words.sos), context ? context.data : []);
    const x = sum(vectors, positions.data);
    const past = textBlocks.map(() => ({ k: [], v: [] }));
    through(x, past);
    return past;
  };

  // The text feature of a class name, behind a prefix. template: such as "a photo of a {}."
  this.textFeature = function (name, template, prefix) {
    const begun = prefix[0].k.length / width, room = positions.shape[0] - begun - 1;
    const said = words.encode(template.replace("{}", name.replaceAll("_", " "))).slice(0, room);
    const x = through(embedded([...said, words.eot], begun), prefix.map(({ k, v }) => ({ k, v })));
    return unit(project(normed(x.slice(-width), 1, text + "ln_final", 1e-5), 1, tensors[text + "text_projection"]));
  };

  // past: keys and values of the tokens before x, per block; those of x are added to it
  function through(x, past) {
    textBlocks.forEach((name, i) => (x = block(x, x.length / width, name, past[i])));
    return x;
  }

  function embedded(ids, first) {
    const x = new Float32Array(ids.length * width);
    ids.forEach((id, i) => x.set(vector(id), i * width));
    return sum(x, positions.data.subarray(first * width, (first + ids.length) * width));
  }

  // pixels: 32 × 32 × 4 bytes of a canvas -> {penultimate, feature}
  this.imageFeatures = eva ? evaFeatures : vitFeatures;

  function vitFeatures(pixels) {
    const patches = linear(patched(pixels), 16, tensors["visual.conv1.weight"]);
    let x = joined(tensors["visual.class_embedding"].data, patches);
    const n = 17;
    x = normed(sum(x, tensors["visual.positional_embedding"].data), n, "visual.ln_pre", 1e-5);
    for (const name of imageBlocks) x = block(x, n, name);
    const penultimate = normed(x.slice(0, x.length / n), 1, "visual.ln_post", 1e-5);
    return { penultimate, feature: unit(project(penultimate, 1, tensors["visual.proj"])) };
  }

  function evaFeatures(pixels) {
    const patches = dense(patched(pixels), 16, "visual.trunk.patch_embed.proj"), n = 17;
    let x = sum(joined(tensors["visual.trunk.cls_token"].data, patches), tensors["visual.trunk.pos_embed"].data);
    for (const b of imageBlocks) {
      const normal = normed(x, n, b + ".norm1", 1e-6);
      const [q, k, v] = ["q", "k", "v"].map((part) => dense(normal, n, `${b}.attn.${part}_proj`));
      const seen = attention(rotated(q), rotated(k), v, n, heads, false);
      x = sum(x, dense(normed(seen, n, b + ".attn.norm", 1e-6), n, b + ".attn.proj"));
      const second = normed(x, n, b + ".norm2", 1e-6);
      const gate = dense(second, n, b + ".mlp.fc1_g").map(clipcompat.activations.silu);
      const gated = dense(second, n, b + ".mlp.fc1_x").map((value, i) => value * gate[i]);
      x = sum(x, dense(normed(gated, n, b + ".mlp.norm", 1e-6), n, b + ".mlp.fc2"));
    }
    const penultimate = normed(x.slice(0, x.length / n), 1, "visual.trunk.norm", 1e-6);
    return { penultimate, feature: unit(dense(penultimate, 1, "visual.trunk.head")) };
  }

  // A block of open_clip's transformers. past: see `through`; without it every token sees all others
  function block(x, n, name, past) {
    const normal = normed(x, n, name + ".ln_1", 1e-5);
    const qkv = linear(normal, n, tensors[name + ".attn.in_proj_weight"], tensors[name + ".attn.in_proj_bias"]);
    let [q, k, v] = [0, 1, 2].map((part) => columns(qkv, n, part * width, width));
    if (past) {
      past.k = k = joined(past.k, k);
      past.v = v = joined(past.v, v);
    }
    x = sum(x, dense(attention(q, k, v, n, heads, Boolean(past)), n, name + ".attn.out_proj"));
    const hidden = dense(normed(x, n, name + ".ln_2", 1e-5), n, name + ".mlp.c_fc").map(activate);
    return sum(x, dense(hidden, n, name + ".mlp.c_proj"));
  }

  // Rotary positions: pairs of neighbouring numbers of every patch token are turned; rope [16, 64] has sines, cosines
  function rotated(x) {
    const rope = tensors.rope.data, y = x.slice(), size = width / heads;
    for (let i = 1; i < 17; i++)
      for (let c = 0; c < width; c += 2) {
        const at = i * width + c, r = (i - 1) * 2 * size + (c % size);
        y[at] = x[at] * rope[r + size] - x[at + 1] * rope[r];
        y[at + 1] = x[at + 1] * rope[r + 1 + size] + x[at] * rope[r + 1];
      }
    return y;
  }
};

// 16 patches of 8 × 8 pixels, each as the convolution reads it: channel, row, column; bytes to -1 … 1
function patched(pixels) {
  const x = new Float32Array(16 * 192);
  for (let p = 0; p < 16; p++)
    for (let channel = 0; channel < 3; channel++)
      for (let row = 0; row < 8; row++)
        for (let column = 0; column < 8; column++) {
          const at = (Math.floor(p / 4) * 8 + row) * 32 + (p % 4) * 8 + column;
          x[p * 192 + channel * 64 + row * 8 + column] = pixels[4 * at + channel] / 127.5 - 1;
        }
  return x;
}

function joined(a, b) {
  const x = new Float32Array(a.length + b.length);
  x.set(a);
  x.set(b, a.length);
  return x;
}

function columns(x, n, start, width) {
  const stride = x.length / n, y = new Float32Array(n * width);
  for (let i = 0; i < n; i++) y.set(x.subarray(i * stride + start, i * stride + start + width), i * width);
  return y;
}
