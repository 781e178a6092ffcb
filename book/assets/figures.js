/* Menus and sliders of plotly figures, as native controls: they take the keyboard, and a phone shows its own list.
   plotly draws its own as pictures, which no key reaches. Without this script those stay. */
document.addEventListener("DOMContentLoaded", () => {
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
