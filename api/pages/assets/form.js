// The search form and its address: one says what the other does.
const USUAL = { mode: "hybrid" };

/** The address that says what the form holds; what is usual is left out. */
export function addressOf(form) {
  const asked = new URLSearchParams();
  for (const [name, value] of new FormData(form)) {
    if (value.trim() !== "" && value !== USUAL[name]) asked.append(name, value);
  }
  const query = asked.toString().replaceAll("+", "%20");
  return query ? `/app/search?${query}` : "/app/search";
}

/** Fill the form by the address, where the page does not say what was asked. */
export function fillFromAddress(form) {
  const asked = new URLSearchParams(location.search);
  for (const control of form.elements) {
    if (!control.name) continue;
    const value = asked.get(control.name) ?? USUAL[control.name] ?? "";
    if (control.options && ![...control.options].some((option) => option.value === value)) {
      control.add(new Option(value, value));
    }
    control.value = value;
  }
}

/** Take over what a fetched page's form says; the query only where nobody is typing it. */
export function syncForm(form, fetched, syncsQuery) {
  for (const control of form.elements) {
    if (!control.name || (control.name === "query" && !syncsQuery)) continue;
    const other = fetched.elements.namedItem(control.name);
    if (control.options && control.innerHTML !== other.innerHTML) control.innerHTML = other.innerHTML;
    // Somebody may be choosing in it just now.
    if (control !== document.activeElement || syncsQuery) control.value = other.value;
  }
  for (const part of [".active", ".clear"]) {
    form.querySelector(part).replaceChildren(...fetched.querySelector(part).childNodes);
  }
}
