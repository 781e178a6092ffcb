/* Menus and sliders of plotly figures, as native controls: they take the keyboard, and a phone shows its own list.
   plotly draws its own as pictures, which no key reaches. Without this script those stay.
   On a phone, long titles of axes are broken into lines; a figure whose labels still meet scrolls in its frame. */
document.addEventListener("DOMContentLoaded", () => {
  const PHONE = 480; // pixels of a figure's width
  for (const plot of document.querySelectorAll(".clipcompat-figure .js-plotly-plot")) {
    const { updatemenus = [], sliders = [] } = plot.layout;
    const parts = [...updatemenus.map((part) => [part, part.buttons]), ...sliders.map((part) => [part, part.steps])];
    if (!parts.length) continue;
    const drawing = plot.closest("[role=img]");
    const words = drawing.ariaLabel;
    const bar = document.createElement("div");
    bar.className = "figure-controls";
    const controls = parts.map(([part, choices]) => control(part, choices));
    for (const { label, input, name, choices } of controls) {
      bar.append(label);
      input.addEventListener("input", async () => {
        const [restyle, relayout] = choices[input.value].args;
        const chosen = controls.map((other) => `${other.name}: ${other.say()}`).join(", ");
        drawing.ariaLabel = `${words} Shown: ${chosen}.`;
        await Plotly.update(plot, restyle, relayout);
      });
    }
    const hidden = Object.fromEntries([
      ...updatemenus.map((_, index) => [`updatemenus[${index}].visible`, false]),
      ...sliders.map((_, index) => [`sliders[${index}].visible`, false]),
    ]);
    const { t = 0 } = plot.layout.margin ?? {};
    hidden["margin.t"] = updatemenus.length ? Math.max(t - 50, 10) : t;
    drawing.before(bar);
    Plotly.relayout(plot, hidden);
  }
  for (const plot of document.querySelectorAll(".clipcompat-figure .js-plotly-plot")) {
    if (plot.clientWidth && plot.clientWidth < PHONE) fit(plot).then(() => (plot.dataset.fitted = "")); // tests wait for it
  }

  async function fit(plot) {
    const whole = titles(plot);
    const right = Math.max(plot._fullLayout.margin.r, 32); // for half of the last label of an axis
    const top = plot._fullLayout.margin.t;
    const high = plot.clientHeight;
    const more = roomForLegend(plot);
    // without a dragmode, a finger on a figure scrolls the page
    const room = { "margin.r": right, "margin.t": top + more, dragmode: false };
    await Plotly.relayout(plot, { ...broken(plot, whole), ...room });
    if (more) await heighten(plot, high + more);
    if (!crowded(plot)) return;
    widen(plot.closest("[role=img]"));
    await Plotly.relayout(plot, { ...whole, "margin.t": top });
    await heighten(plot, high);
    await Plotly.relayout(plot, broken(plot, whole));
  }

  // The figure takes its size from the element around it.
  async function heighten(plot, pixels) {
    plot.parentElement.style.height = `${pixels}px`;
    await Plotly.Plots.resize(plot);
  }

  // On a phone a legend above the panels has more lines: so many pixels are missing above the panels.
  function roomForLegend(plot) {
    const legend = plot.querySelector(".legend .bg")?.getBoundingClientRect();
    const { margin, legend: own } = plot._fullLayout;
    if (!legend || own.yref !== "container" || own.y < 1) return 0;
    const titles = [...plot.querySelectorAll(".annotation-text")].map((text) => text.getBoundingClientRect());
    const panel = plot.querySelector(".nsewdrag").getBoundingClientRect().top;
    const above = Math.max(0, ...titles.filter(({ top }) => top < panel).map(({ top }) => panel - top));
    return Math.max(0, Math.ceil(legend.height + above + 8 - margin.t));
  }

  // The figure scrolls in its frame, by finger and by key, and a line says so.
  function widen(drawing) {
    drawing.classList.add("figure-wide");
    drawing.tabIndex = 0;
    const hint = document.createElement("small");
    hint.textContent = "Wider than this screen: swipe it sideways.";
    drawing.after(hint);
  }

  // The attribute of every axis' title -> its text.
  function titles(plot) {
    const axes = Object.entries(plot._fullLayout).filter(([name, axis]) => /^[xy]axis\d*$/.test(name) && axis.title?.text);
    return Object.fromEntries(axes.map(([name, axis]) => [`${name}.title.text`, axis.title.text]));
  }

  // The same with line breaks, where a title is longer than its axis.
  function broken(plot, whole) {
    return Object.fromEntries(
      Object.entries(whole).map(([attribute, text]) => {
        const name = attribute.split(".")[0];
        const drawn = plot.querySelector(`.g-${name.replace("axis", "")}title text`)?.getBoundingClientRect();
        const room = name[0] === "x" ? plot._fullLayout[name]._length : plot.clientHeight;
        const long = drawn ? Math.max(drawn.width, drawn.height) : 0;
        return [attribute, long > room ? lines(text, (text.length * room) / long) : text];
      }),
    );
  }

  // The text in lines of at most so many letters, broken between words.
  function lines(text, most) {
    const made = [""];
    for (const word of text.split(" ")) {
      const longer = `${made.at(-1)} ${word}`.trim();
      if (longer.length <= most || !made.at(-1)) made[made.length - 1] = longer;
      else made.push(word);
    }
    return made.join("<br>");
  }

  // Do labels meet, or does one leave the figure, or is less than 0.4 of its width left for what it shows?
  function crowded(plot) {
    const frame = plot.getBoundingClientRect();
    const boxes = [...plot.querySelectorAll(".main-svg text")]
      .filter((text) => text.textContent.trim())
      .map((text) => text.getBoundingClientRect())
      .filter((box) => box.width > 1);
    const outside = boxes.some((box) => box.left < frame.left || box.right > frame.right + 1);
    const meet = (a, b) =>
      Math.min(a.right, b.right) - Math.max(a.left, b.left) > -1 &&
      Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 3;
    const met = boxes.some((box, at) => boxes.slice(at + 1).some((other) => meet(box, other)));
    return outside || met || plot._fullLayout._size.w < 0.4 * frame.width;
  }

  function control(part, choices) {
    const label = document.createElement("label");
    const input = document.createElement(part.steps ? "input" : "select");
    const shown = document.createElement("output");
    const say = () => choices[input.value].label;
    if (part.steps) {
      Object.assign(input, { type: "range", min: 0, max: choices.length - 1, step: 1 });
    } else {
      choices.forEach((choice, index) => input.add(new Option(choice.label, index)));
    }
    input.value = part.active ?? 0;
    input.ariaLabel = part.name; // without it, the label of a menu would hold all of its options
    label.append(`${part.name} `, input);
    if (part.steps) {
      const tell = () => {
        shown.value = say();
        input.setAttribute("aria-valuetext", say());
      };
      input.addEventListener("input", tell);
      tell();
      label.append(" ", shown);
    }
    return { label, input, name: part.name, choices, say };
  }
});
