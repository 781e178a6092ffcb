// The live upgrade's controls: pictures, a canvas, class names, and what six combinations of backbone and plug-in answer.
// The static table in #live-upgrade stays until the reader asks for the files, which are loaded as scripts.
"use strict";
clipcompat.files = {};

// Every plug-in file, as "coop-old"
clipcompat.PLUGINS = ["coop", "linear_probe"].flatMap((kind) => ["old", "repaired", "retrained"].map((stage) => `${kind}-${stage}`));
// [backbone, plug-in or null for zero-shot, its label]
clipcompat.ROWS = [
  ["mini-old", null, "old, zero-shot"],
  ["mini-old", "old", "old, tuned there"],
  ["mini-new", null, "new, zero-shot"],
  ["mini-new", "old", "new, carried unchanged"],
  ["mini-new", "repaired", "new, repaired"],
  ["mini-new", "retrained", "new, tuned again"],
];

// What a world of files answers, without a page: names, then pixels -> probabilities of each row.
clipcompat.Upgrade = function (files) {
  const { merges, template, names } = files.world;
  const backbones = Object.fromEntries(["mini-old", "mini-new"].map((name) => [name, new clipcompat.Backbone(files[name], merges)]));
  const plugins = Object.fromEntries(clipcompat.PLUGINS.map((name) => [name, clipcompat.readTensors(files[name]).tensors]));
  const prefixes = clipcompat.ROWS.map(([backbone, stage]) => backbones[backbone].prefix(stage && plugins["coop-" + stage].ctx));
  const weights = clipcompat.ROWS.map(() => []); // [row][class] -> unit vector

  this.name = function (index, name) {
    clipcompat.ROWS.forEach(([backbone, stage], row) => {
      weights[row][index] = name.trim() ? backbones[backbone].textFeature(name, stage ? "{}." : template, prefixes[row]) : null;
    });
  };
  names.forEach((name, index) => this.name(index, name));

  // pixels: of a canvas of 32 × 32. kind: of plug-in. -> probabilities [row][class]; a class without a name has none,
  // and a row that reads names has none if there is no name at all
  this.answer = function (pixels, kind) {
    const seen = Object.fromEntries(Object.entries(backbones).map(([name, b]) => [name, b.imageFeatures(pixels)]));
    return clipcompat.ROWS.map(([backbone, stage], row) => {
      const { feature, penultimate } = seen[backbone];
      if (stage && kind === "linear_probe") {
        const { weight, bias } = plugins["linear_probe-" + stage];
        return clipcompat.softmax(clipcompat.linear(penultimate, 1, weight, bias));
      }
      if (!weights[row].some(Boolean)) return null;
      const cosine = (w) => w.reduce((sum, value, i) => sum + value * feature[i], 0);
      return clipcompat.softmax(weights[row].map((w) => (w ? backbones[backbone].scale * cosine(w) : -Infinity)));
    });
  };
};

clipcompat.start = async function (root) {
  const folder = root.dataset.files, button = root.querySelector("button"), status = root.querySelector("[role=status]");
  button.disabled = true;
  try {
    for (const file of ["world", "mini-old", "mini-new", ...clipcompat.PLUGINS.map((name) => `plugins/${name}`)]) {
      status.textContent = `loading ${file} …`;
      await loaded(`${folder}${file}.js`);
    }
    status.textContent = "reading class names …";
    await new Promise((resolve) => setTimeout(resolve)); // so that the sentence is shown
    controls(root, new clipcompat.Upgrade(clipcompat.files), clipcompat.files.world);
  } catch (error) {
    status.textContent = `The live upgrade did not start: ${error.message}. The table above stays.`;
    button.disabled = false;
  }

  function loaded(address) {
    return new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = address;
      script.onload = resolve;
      script.onerror = () => reject(new Error(`${address} could not be loaded`));
      document.head.append(script);
    });
  }
};

function controls(root, upgrade, world) {
  const template = root.querySelector("template"), view = template.content.cloneNode(true).firstElementChild;
  const find = (part) => view.querySelector(`[data-part=${part}]`);
  const canvas = find("canvas"), paper = canvas.getContext("2d", { willReadFrequently: true });
  const colour = find("colour"), kind = find("plugin"), inputs = [];
  let label = null; // of the picture shown; null when the reader has drawn on it

  const update = () => {
    const start = performance.now();
    const rows = upgrade.answer(paper.getImageData(0, 0, 32, 32).data, kind.value);
    find("answers").replaceChildren(...rows.map((probabilities, row) => answerRow(row, probabilities)));
    find("time").textContent = `answered in ${Math.round(performance.now() - start)} ms`;
  };

  function answerRow(row, probabilities) {
    const line = document.createElement("tr");
    line.innerHTML = '<th scope="row"></th><td></td><td></td>';
    line.children[0].textContent = clipcompat.ROWS[row][2];
    if (!probabilities) {
      line.children[1].textContent = "needs a class name";
      return line;
    }
    const best = probabilities.indexOf(Math.max(...probabilities));
    const known = kind.value === "linear_probe" && clipcompat.ROWS[row][1] ? world.names[best] : inputs[best].value;
    const mark = label === null ? "" : best === label ? " ✓" : " ✗";
    const percent = Math.round(100 * probabilities[best]);
    line.children[1].textContent = known + mark;
    line.children[2].innerHTML = `<span class="live-bar" style="width:${percent / 40}rem"></span>${percent} %`;
    line.className = label === null ? "" : best === label ? "live-right" : "live-wrong";
    return line;
  }

  function showPicture(index) {
    const picture = new Image();
    picture.onload = () => {
      paper.drawImage(picture, 0, 0);
      label = world.pictures[index].label;
      find("said").textContent = `A test picture of the class “${world.names[label]}”.`;
      update();
    };
    picture.src = world.pictures[index].png;
  }

  function paint(event) {
    if (event.type === "pointermove" && !event.buttons) return;
    const box = canvas.getBoundingClientRect();
    const [x, y] = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height].map((part) => Math.floor(32 * part));
    paper.fillStyle = colour.value;
    paper.fillRect(x - 1, y - 1, 3, 3);
    drawn();
  }

  function drawn() {
    label = null;
    find("said").textContent = "Your own picture.";
    update();
  }

  world.pictures.forEach(({ png, label: of }, index) => {
    const choice = document.createElement("button");
    choice.type = "button";
    choice.innerHTML = `<img src="${png}" width="40" height="40" alt="">`;
    choice.setAttribute("aria-label", `test picture ${index + 1}, ${world.names[of]}`);
    choice.onclick = () => showPicture(index);
    find("pictures").append(choice);
  });
  world.names.forEach((name, index) => {
    const input = Object.assign(document.createElement("input"), { value: name, spellcheck: false });
    input.setAttribute("aria-label", `name of class ${index + 1}`);
    input.oninput = () => {
      upgrade.name(index, input.value);
      update();
    };
    inputs.push(input);
    find("names").append(input);
  });
  find("reset").onclick = () => {
    world.names.forEach((name, index) => {
      if (inputs[index].value !== name) upgrade.name(index, (inputs[index].value = name));
    });
    update();
  };
  canvas.onpointerdown = canvas.onpointermove = paint;
  find("fill").onclick = () => {
    paper.fillStyle = colour.value;
    paper.fillRect(0, 0, 32, 32);
    drawn();
  };
  kind.onchange = () => {
    find("note").hidden = kind.value !== "linear_probe";
    update();
  };
  root.replaceChildren(view);
  showPicture(0);
}

document.addEventListener("DOMContentLoaded", () => {
  const root = document.getElementById("live-upgrade");
  if (!root) return;
  root.querySelector("[data-part=offer]").hidden = false; // nothing is offered where scripts do not run
  root.querySelector("button").onclick = () => clipcompat.start(root);
});
