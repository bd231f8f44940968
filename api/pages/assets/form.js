// Converts between the search form and its address.
const DEFAULTS = { mode: "hybrid" };

/** Return the address of the form's search. Default values are left out. */
export function addressOf(form) {
  const parameters = new URLSearchParams();
  for (const [name, value] of new FormData(form)) {
    if (value.trim() !== "" && value !== DEFAULTS[name]) parameters.append(name, value);
  }
  const query = parameters.toString().replaceAll("+", "%20");
  return query ? `/app/search?${query}` : "/app/search";
}

/** Fill the form from the address, if the page does not contain the query. */
export function fillFromAddress(form) {
  const parameters = new URLSearchParams(location.search);
  for (const control of form.elements) {
    if (!control.name) continue;
    const value = parameters.get(control.name) ?? DEFAULTS[control.name] ?? "";
    if (control.options && ![...control.options].some((option) => option.value === value)) {
      control.add(new Option(value, value));
    }
    control.value = value;
  }
}

/** Copy the state of a fetched page's form. `syncsQuery` also replaces the query, which the user may be typing. */
export function syncForm(form, fetched, syncsQuery) {
  for (const control of form.elements) {
    if (!control.name || (control.name === "query" && !syncsQuery)) continue;
    const other = fetched.elements.namedItem(control.name);
    if (control.options && control.innerHTML !== other.innerHTML) control.innerHTML = other.innerHTML;
    // Do not change a control that the user is using.
    if (control !== document.activeElement || syncsQuery) control.value = other.value;
  }
  for (const part of [".active", ".clear"]) {
    form.querySelector(part).replaceChildren(...fetched.querySelector(part).childNodes);
  }
}
