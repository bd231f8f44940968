// The search page, once there is a script: the same pages, fetched and put in place while somebody types.
// Without it every one of them works as a form and links.
import { fetchPage, hasKey, keepKey } from "./fetching.js";
import { addressOf, fillFromAddress, syncForm } from "./form.js";
import { closePlayer, drawPlaceholders, openPlayer } from "./playing.js";
import { listenToKeys } from "./keyboard.js";

const DEBOUNCE_MS = 80;
const SETTLED_MS = 1000;
const RETRIES = 3;
const TOLD_MS = 700; // Who listens is told of what they wait for, not of each letter's results.

const form = document.getElementById("search");
const field = form.elements.namedItem("query");
const results = document.getElementById("results");
const told = document.getElementById("told");

let typing; // The timer between a keystroke and its search.
let settling; // The timer after which a search is an entry of the history.
let retrying; // The timer of a search that is tried again.
let telling; // The timer before what was found is told to those who listen.
let asking; // The search under way, so that it can be given up.
let isSettled = true; // Whether the current entry of the history is one to come back to.
let shown = location.pathname + location.search;

/** Make the address that of what is shown: a new entry after one that was settled, else the same one. */
function record(address) {
  if (address === shown) return;
  shown = address;
  if (isSettled) {
    history.replaceState({ scroll: scrollY }, "");
    history.pushState(null, "", address);
  } else {
    history.replaceState(null, "", address);
  }
  isSettled = false;
}

function settle() {
  clearTimeout(settling);
  isSettled = true;
}

/** Show what is at an address. A later call gives an earlier one up, so that answers cannot overtake. */
async function show(address, { retries = RETRIES, syncsQuery = false, scroll = null } = {}) {
  clearTimeout(retrying);
  clearTimeout(telling);
  asking?.abort();
  const own = (asking = new AbortController());
  results.setAttribute("aria-busy", "true");
  let page;
  try {
    page = await fetchPage(address, own.signal);
  } catch {
    if (own.signal.aborted) return;
  }
  // What stands between may answer with a page of its own.
  if (!page?.getElementById("results")) page = unreachable();
  if (own !== asking) return;
  swap(page, syncsQuery);
  results.removeAttribute("aria-busy");
  if (scroll !== null) scrollTo(0, scroll);
  tryAgainLater(address, retries);
  clearTimeout(settling);
  settling = setTimeout(settle, SETTLED_MS);
}

/** Put a fetched page's results and the state of its filters in place of those here. */
function swap(page, syncsQuery) {
  const hadFocus = results.contains(document.activeElement);
  closePlayer();
  results.replaceChildren(...page.getElementById("results").childNodes);
  document.title = page.title;
  const fetched = page.getElementById("search");
  // An error's form is empty: it knows nothing of what was asked.
  if (fetched && !results.querySelector("[data-problem]")) syncForm(form, fetched, syncsQuery);
  else if (syncsQuery) fillFromAddress(form);
  prepare();
  if (hadFocus) focusHeadline();
  tell(results.querySelector("[data-told]")?.dataset.told ?? "");
}

function tell(text) {
  clearTimeout(telling);
  telling = setTimeout(() => (told.textContent = text), TOLD_MS);
}

/** Where the focus goes when what had it is gone: from there the keys lead on. */
function focusHeadline() {
  const headline = results.querySelector("h1");
  headline?.setAttribute("tabindex", "-1");
  headline?.focus({ preventScroll: true });
}

/** What only works with a script, in results that are new. */
function prepare() {
  drawPlaceholders(results);
  for (const hidden of results.querySelectorAll("#key")) hidden.hidden = false;
}

function tryAgainLater(address, retries) {
  const problem = results.querySelector("[data-problem=overloaded]");
  if (!problem) return;
  const seconds = Number(problem.dataset.retryAfter) || 1;
  problem.querySelector(".again").textContent =
    retries > 0 ? "It is tried again by itself." : "Try again in a while.";
  if (retries === 0) return;
  // Later each time, and not when everybody comes back who was refused with this one.
  const wait = seconds * 2 ** (RETRIES - retries) * (1 + Math.random() / 2);
  retrying = setTimeout(() => show(address, { retries: retries - 1 }), wait * 1000);
}

/** The page that says that the service does not answer: the only one that is not fetched. */
function unreachable() {
  const page = document.implementation.createHTMLDocument("vidsearch");
  page.body.append(document.getElementById("unreachable").content.cloneNode(true));
  return page;
}

function searchNow() {
  clearTimeout(typing);
  const address = addressOf(form);
  record(address);
  return show(address);
}

/** Go to another search: one entry of the history, at once. */
async function go(address) {
  clearTimeout(typing);
  settle();
  record(address);
  settle();
  await show(address, { syncsQuery: true, scroll: 0 });
  focusHeadline();
}

/** Put a part of a video's own page into its result here. */
async function unfold(link) {
  const result = link.closest(".result");
  const page = await fetchPage(link.href).catch(() => null);
  // It was clicked twice, or another search has taken its place.
  if (!link.isConnected) return;
  const isNear = link.classList.contains("near");
  const part = page?.querySelector(isNear ? "#similar" : ".moments");
  if (!part) {
    location.assign(link.href);
    return;
  }
  if (isNear) {
    const heading = document.createElement("h3");
    heading.textContent = part.querySelector("h2").textContent;
    part.querySelector("h2").replaceWith(heading);
    part.removeAttribute("id");
    part.removeAttribute("aria-labelledby");
    result.append(part);
    drawPlaceholders(part);
  } else {
    closePlayer();
    result.querySelector(".moments").replaceWith(part);
    result.querySelector(".bar")?.replaceWith(page.querySelector(".bar") ?? "");
    const moments = part.children.length;
    tell(moments === 1 ? "1 moment" : `${moments} moments`);
  }
  link.remove();
  // Moments that open nowhere have no links.
  part.tabIndex = -1;
  (part.querySelector("a") ?? part).focus({ preventScroll: true });
}

function onClick(event) {
  const link = event.target.closest("a");
  if (!link || event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) {
    return;
  }
  if (link.dataset.plays) {
    event.preventDefault();
    settle();
    openPlayer(link);
  } else if (link.matches(".more, .near")) {
    event.preventDefault();
    settle();
    unfold(link);
  } else if (link.matches(".retry")) {
    event.preventDefault();
    show(location.pathname + location.search);
  } else if (link.pathname === "/app/search" && link.origin === location.origin) {
    event.preventDefault();
    go(link.pathname + link.search);
  }
}

form.addEventListener("input", (event) => {
  if (event.target !== field || event.isComposing) return;
  clearTimeout(typing);
  clearTimeout(settling);
  typing = setTimeout(searchNow, DEBOUNCE_MS);
});
field.addEventListener("compositionend", () => {
  clearTimeout(typing);
  typing = setTimeout(searchNow, DEBOUNCE_MS);
});
field.addEventListener("blur", settle);
form.addEventListener("change", (event) => {
  if (event.target === field) return;
  settle();
  searchNow();
});
form.addEventListener("submit", (event) => {
  event.preventDefault();
  searchNow();
  settle();
  // On a phone what was found lies under the keyboard.
  if (matchMedia("(hover: none)").matches) field.blur();
});
results.addEventListener("submit", (event) => {
  event.preventDefault();
  keepKey(event.target.querySelector("input").value);
  show(addressShown());
});
document.addEventListener("click", onClick);
addEventListener("popstate", (event) => {
  // A link within the page is no other search.
  if (shown === location.pathname + location.search) return;
  shown = location.pathname + location.search;
  clearTimeout(typing);
  settle();
  show(addressShown(), { syncsQuery: true, scroll: event.state?.scroll ?? 0 });
});
listenToKeys({ field, results, closePlayer, help: document.getElementById("help") });

/** The address here, as a search: the start page shows nothing that takes a key. */
function addressShown() {
  const isStart = location.pathname === "/" || location.pathname === "/app";
  return isStart ? "/app/search" : location.pathname + location.search;
}

prepare();
// A page that was refused knows neither the query nor the filters, and this one may have a key for it.
const isRefused = results.querySelector("[data-problem]") !== null;
if (isRefused) fillFromAddress(form);
if (hasKey() && (isRefused || addressShown() === "/app/search")) show(addressShown(), { syncsQuery: true });
else tryAgainLater(addressShown(), RETRIES);
