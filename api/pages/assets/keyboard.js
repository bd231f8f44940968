// Keyboard shortcuts: "/" focuses the field, the arrows move through the results, Escape leaves, "?" shows help.
const STOPS = "h1[tabindex], h1 a, h2 a, a.moment, .similar a";

export function listenToKeys({ field, results, closePlayer, help }) {
  const button = document.getElementById("keys");
  button.hidden = false;
  button.addEventListener("click", () => help.showModal());

  document.addEventListener("keydown", (event) => {
    if (event.isComposing || event.ctrlKey || event.metaKey || event.altKey || help.open) return;
    const active = document.activeElement;
    if (event.key === "Escape") {
      event.preventDefault();
      if (!closePlayer()) active.blur();
    } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      move(event, active, event.key === "ArrowDown" ? 1 : -1);
    } else if (!active.matches("input, select, textarea") && (event.key === "/" || event.key === "?")) {
      event.preventDefault();
      if (event.key === "?") help.showModal();
      else field.select();
    }
  });

  function move(event, active, step) {
    const stops = [field, ...results.querySelectorAll(STOPS)];
    const from = stops.indexOf(active);
    // Anywhere else, the arrows scroll the page or choose from a list.
    if (from < 0) return;
    event.preventDefault();
    const to = stops[Math.min(stops.length - 1, Math.max(0, from + step))];
    to.focus();
    to.scrollIntoView({ block: "nearest" });
  }
}
