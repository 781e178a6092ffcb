/* A table that is wider than its frame scrolls in it, by finger and by key, and a line below says so.
   Without this script it scrolls all the same, with a shadow where more of it lies. */
document.addEventListener("DOMContentLoaded", () => {
  const frames = ".cell_output table, .printed table, .pst-scrollable-table-container";
  const seen = new ResizeObserver((changes) => changes.forEach(({ target }) => look(target)));
  document.querySelectorAll(frames).forEach((frame) => seen.observe(frame)); // folded ones change their size when opened

  function look(frame) {
    const wide = frame.scrollWidth > frame.clientWidth + 1;
    if (wide === frame.classList.contains("scrolls")) return;
    frame.classList.toggle("scrolls", wide);
    if (!wide) {
      frame.removeAttribute("tabindex");
      frame.nextElementSibling.remove();
      return;
    }
    frame.tabIndex = 0;
    const hint = document.createElement("small");
    hint.className = "table-hint";
    hint.textContent = "Wider than this screen: swipe it sideways.";
    frame.after(hint);
  }
});
