// Search while typing: fetches the server's pages and swaps their results into this one.
// Without JavaScript, the same pages work as a form and links.
import { fetchPage, hasKey, keepKey } from "./fetching.js";
import { addressOf, fillFromAddress, syncForm } from "./form.js";
import { closePlayer, showPlaceholders, openPlayer } from "./playing.js";
import { listenToKeys } from "./keyboard.js";

const DEBOUNCE_MS = 80;
const SETTLED_MS = 1000;
const RETRIES = 3;
const ANNOUNCE_MS = 700; // Screen readers announce the final results, not those of each letter.

const form = document.getElementById("search");
const field = form.elements.namedItem("query");
const results = document.getElementById("results");
const announcement = document.getElementById("announcement");

let typingTimer; // Runs from a keystroke to its search.
let settlingTimer; // Runs until a search becomes a history entry of its own.
let retryTimer; // Runs until a search is retried.
let announcementTimer; // Runs until results are announced.
let current; // The AbortController of the search in flight.
let isSettled = true; // Whether the current history entry must be kept.
let shown = location.pathname + location.search;

/** Put an address into the history: as a new entry if the current one is settled, else in its place. */
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
  clearTimeout(settlingTimer);
  isSettled = true;
}

/** Show the page at an address. Aborts the previous call, so that a late response cannot replace a newer one. */
async function show(address, { retries = RETRIES, syncsQuery = false, scroll = null } = {}) {
  clearTimeout(retryTimer);
  clearTimeout(announcementTimer);
  current?.abort();
  const own = (current = new AbortController());
  results.setAttribute("aria-busy", "true");
  let page;
  try {
    page = await fetchPage(address, own.signal);
  } catch {
    if (own.signal.aborted) return;
  }
  // A proxy may respond with a page of its own.
  if (!page?.getElementById("results")) page = unreachable();
  if (own !== current) return;
  swap(page, syncsQuery);
  results.removeAttribute("aria-busy");
  if (scroll !== null) scrollTo(0, scroll);
  tryAgainLater(address, retries);
  clearTimeout(settlingTimer);
  settlingTimer = setTimeout(settle, SETTLED_MS);
}

/** Replace the results and the filters with those of a fetched page. */
function swap(page, syncsQuery) {
  const hadFocus = results.contains(document.activeElement);
  closePlayer();
  results.replaceChildren(...page.getElementById("results").childNodes);
  document.title = page.title;
  const fetched = page.getElementById("search");
  // The form of an error page is empty.
  if (fetched && !results.querySelector("[data-problem]")) syncForm(form, fetched, syncsQuery);
  else if (syncsQuery) fillFromAddress(form);
  prepare();
  if (hadFocus) focusHeadline();
  announce(results.querySelector("[data-announcement]")?.dataset.announcement ?? "");
}

function announce(text) {
  clearTimeout(announcementTimer);
  announcementTimer = setTimeout(() => (announcement.textContent = text), ANNOUNCE_MS);
}

/** Focus the headline after the focused element was removed, so that the arrow keys go on from there. */
function focusHeadline() {
  const headline = results.querySelector("h1");
  headline?.setAttribute("tabindex", "-1");
  headline?.focus({ preventScroll: true });
}

/** Set up the parts of new results that need JavaScript. */
function prepare() {
  showPlaceholders(results);
  for (const hidden of results.querySelectorAll("#key")) hidden.hidden = false;
}

function tryAgainLater(address, retries) {
  const problem = results.querySelector("[data-problem=overloaded]");
  if (!problem) return;
  const seconds = Number(problem.dataset.retryAfter) || 1;
  problem.querySelector(".again").textContent =
    retries > 0 ? "Trying again…" : "Try again later.";
  if (retries === 0) return;
  // Exponential backoff with jitter, so that refused clients do not return all at once.
  const wait = seconds * 2 ** (RETRIES - retries) * (1 + Math.random() / 2);
  retryTimer = setTimeout(() => show(address, { retries: retries - 1 }), wait * 1000);
}

/** The page for a service that does not respond: the only page that is not fetched. */
function unreachable() {
  const page = document.implementation.createHTMLDocument("vidsearch");
  page.body.append(document.getElementById("unreachable").content.cloneNode(true));
  return page;
}

function searchNow() {
  clearTimeout(typingTimer);
  const address = addressOf(form);
  record(address);
  return show(address);
}

/** Go to another search, as a history entry of its own. */
async function go(address) {
  clearTimeout(typingTimer);
  settle();
  record(address);
  settle();
  await show(address, { syncsQuery: true, scroll: 0 });
  focusHeadline();
}

/** Insert all moments or the similar videos from a video's page into its result. */
async function unfold(link) {
  const result = link.closest(".result");
  const page = await fetchPage(link.href).catch(() => null);
  // The user clicked twice, or another search has replaced this result.
  if (!link.isConnected) return;
  const isSimilar = link.classList.contains("near");
  const part = page?.querySelector(isSimilar ? "#similar" : ".moments");
  if (!part) {
    location.assign(link.href);
    return;
  }
  if (isSimilar) {
    const heading = document.createElement("h3");
    heading.textContent = part.querySelector("h2").textContent;
    part.querySelector("h2").replaceWith(heading);
    part.removeAttribute("id");
    part.removeAttribute("aria-labelledby");
    result.append(part);
    showPlaceholders(part);
  } else {
    closePlayer();
    result.querySelector(".moments").replaceWith(part);
    result.querySelector(".bar")?.replaceWith(page.querySelector(".bar") ?? "");
    const moments = part.children.length;
    announce(moments === 1 ? "1 moment" : `${moments} moments`);
  }
  link.remove();
  // Moments without an address have no links.
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
  clearTimeout(typingTimer);
  clearTimeout(settlingTimer);
  typingTimer = setTimeout(searchNow, DEBOUNCE_MS);
});
field.addEventListener("compositionend", () => {
  clearTimeout(typingTimer);
  typingTimer = setTimeout(searchNow, DEBOUNCE_MS);
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
  // On a phone, the keyboard covers the results.
  if (matchMedia("(hover: none)").matches) field.blur();
});
results.addEventListener("submit", (event) => {
  event.preventDefault();
  keepKey(event.target.querySelector("input").value);
  show(searchAddress());
});
document.addEventListener("click", onClick);
addEventListener("popstate", (event) => {
  // A link within the page does not change the search.
  if (shown === location.pathname + location.search) return;
  shown = location.pathname + location.search;
  clearTimeout(typingTimer);
  settle();
  show(searchAddress(), { syncsQuery: true, scroll: event.state?.scroll ?? 0 });
});
listenToKeys({ field, results, closePlayer, help: document.getElementById("help") });

/** The address of this page's search. For the start page, that of the one that may require a key. */
function searchAddress() {
  const isStart = location.pathname === "/" || location.pathname === "/app";
  return isStart ? "/app/search" : location.pathname + location.search;
}

prepare();
// An error page does not contain the query or the filters. If this tab has a key, it fetches the page again.
const isRefused = results.querySelector("[data-problem]") !== null;
if (isRefused) fillFromAddress(form);
if (hasKey() && (isRefused || searchAddress() === "/app/search")) show(searchAddress(), { syncsQuery: true });
else tryAgainLater(searchAddress(), RETRIES);
