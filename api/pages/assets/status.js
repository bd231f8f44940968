// Refreshes the status page every ten seconds: fetches the same page and replaces its content.
// Open details stay open, and the focus stays where it is.

const REFRESH_MS = 10_000;
const TIMEOUT_MS = 8_000;
/** Where the keys entered here and on the search page are kept. */
const KEYS = ["vidsearch-metrics-key", "vidsearch-key"];

const announcement = document.getElementById("announcement");
const unreachable = document.getElementById("unreachable");
const shown = () => document.getElementById("status");

let seenAt = new Date();
let timer = 0;
let isRefreshing = false;

function clock(moment) {
  return moment.toLocaleTimeString("en-GB");
}

function showRefreshTime() {
  document.getElementById("refreshed").textContent = `Refreshed ${clock(seenAt)}`;
}

function request(path, headers = {}) {
  return fetch(path, { headers, cache: "no-store", signal: AbortSignal.timeout(TIMEOUT_MS) });
}

/** If the charts require a key, insert them if this tab has one; else show the form for a key. */
async function addActivity(region) {
  const place = region.querySelector("[data-requires-key]");
  if (!place) return;
  const key = KEYS.map((name) => sessionStorage.getItem(name)).find(Boolean);
  if (key) {
    const response = await request(`${location.pathname.replace(/\/$/, "")}/activity`, { "X-API-Key": key });
    if (response.ok) {
      place.innerHTML = await response.text();
      return;
    }
    const refusal = place.querySelector(".refusal");
    refusal.textContent =
      response.status === 403 ? "This key doesn't have the metrics scope." : "This key isn't valid.";
    refusal.hidden = response.status !== 401 && response.status !== 403;
  }
  place.querySelector("form").hidden = false;
}

/** Whether the user has selected text that a refresh would replace. */
function isSelecting() {
  const selection = getSelection();
  return !selection.isCollapsed && shown().contains(selection.anchorNode);
}

function replace(region) {
  const old = shown();
  for (const details of old.querySelectorAll("details[open]")) {
    region.querySelector(`#${details.id}`)?.setAttribute("open", "");
  }
  const typed = old.querySelector("#key")?.value;
  if (typed && region.querySelector("#key")) region.querySelector("#key").value = typed;
  const focused = old.contains(document.activeElement) ? document.activeElement.id : "";
  old.replaceWith(region);
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
}

/** Announce a change of the overall state to screen readers. */
function announce(text) {
  announcement.textContent = text;
}

function reached(page, region) {
  const wasReached = unreachable.hidden;
  const hasChanged = region.dataset.status !== shown().dataset.status;
  seenAt = new Date();
  replace(region);
  showRefreshTime();
  unreachable.hidden = true;
  document.title = page.title;
  if (hasChanged || !wasReached) announce(region.querySelector("h1").textContent);
}

function lost() {
  const wasReached = unreachable.hidden;
  unreachable.querySelector(".summary").textContent =
    `Last seen at ${clock(seenAt)}. Trying again… The data below is from that time.`;
  unreachable.hidden = false;
  shown().dataset.stale = "";
  document.title = "Can't be reached – vidsearch";
  if (wasReached) announce("The service can't be reached.");
}

async function refresh() {
  if (isRefreshing) return;
  isRefreshing = true;
  clearTimeout(timer);
  try {
    if (!isSelecting()) {
      const response = await request(location.pathname);
      if (!response.ok) throw new Error(`The service responded with status ${response.status}.`);
      const page = new DOMParser().parseFromString(await response.text(), "text/html");
      const region = page.getElementById("status");
      await addActivity(region);
      reached(page, region);
    }
  } catch {
    lost();
  } finally {
    isRefreshing = false;
    if (!document.hidden) timer = setTimeout(refresh, REFRESH_MS);
  }
}

document.addEventListener("visibilitychange", () => {
  clearTimeout(timer);
  if (!document.hidden) refresh();
});

document.addEventListener("submit", (event) => {
  if (event.target.id !== "key-form") return;
  event.preventDefault();
  const field = event.target.querySelector("#key");
  // A key is printable ASCII. Other characters are not allowed in a header.
  sessionStorage.setItem(KEYS[0], field.value.replace(/[^\x21-\x7e]/g, ""));
  field.value = "";
  refresh();
});

showRefreshTime();
timer = setTimeout(refresh, REFRESH_MS);
addActivity(shown()).catch(lost);
