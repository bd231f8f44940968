// The status page shows what is, not what was: it asks for itself again every ten seconds, and puts what comes in
// the place of what it shows. What is open stays open, and what has the focus keeps it.

const EVERY_MS = 10_000;
const PATIENCE_MS = 8_000;
/** The key that was given here, and the one that was given to search with. */
const KEYS = ["vidsearch-metrics-key", "vidsearch-key"];

const announcement = document.getElementById("announcement");
const unreachable = document.getElementById("unreachable");
const shown = () => document.getElementById("status");

let seenAt = new Date();
let timer = 0;
let isAsking = false;

function clock(moment) {
  return moment.toLocaleTimeString("en-GB");
}

function tellWhen() {
  document.getElementById("refreshed").textContent = `Refreshed ${clock(seenAt)}`;
}

function ask(path, headers = {}) {
  return fetch(path, { headers, cache: "no-store", signal: AbortSignal.timeout(PATIENCE_MS) });
}

/** Put the charts into a page that asks for a key, or a form for one. */
async function addActivity(region) {
  const place = region.querySelector("[data-asks-for-key]");
  if (!place) return;
  const key = KEYS.map((name) => sessionStorage.getItem(name)).find(Boolean);
  if (key) {
    const answer = await ask(`${location.pathname.replace(/\/$/, "")}/activity`, { "X-API-Key": key });
    if (answer.ok) {
      place.innerHTML = await answer.text();
      return;
    }
    const refusal = place.querySelector(".refusal");
    refusal.textContent =
      answer.status === 403 ? "The key that was given has not the scope metrics." : "The key that was given is not one of this service.";
    refusal.hidden = answer.status !== 401 && answer.status !== 403;
  }
  place.querySelector("form").hidden = false;
}

/** Whether somebody is about to copy something out of what would be replaced. */
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

/** Tell those who listen rather than look, and only what has changed for all of it. */
function announce(text) {
  announcement.textContent = text;
}

function reached(page, region) {
  const wasReached = unreachable.hidden;
  const hasChanged = region.dataset.status !== shown().dataset.status;
  seenAt = new Date();
  replace(region);
  tellWhen();
  unreachable.hidden = true;
  document.title = page.title;
  if (hasChanged || !wasReached) announce(region.querySelector("h1").textContent);
}

function lost() {
  const wasReached = unreachable.hidden;
  unreachable.querySelector(".summary").textContent =
    `Last seen ${clock(seenAt)}, trying again. What is shown below is from then.`;
  unreachable.hidden = false;
  shown().dataset.stale = "";
  document.title = "Cannot be reached – vidsearch";
  if (wasReached) announce("The service cannot be reached.");
}

async function refresh() {
  if (isAsking) return;
  isAsking = true;
  clearTimeout(timer);
  try {
    if (!isSelecting()) {
      const answer = await ask(location.pathname);
      if (!answer.ok) throw new Error(`It answers ${answer.status}.`);
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const region = page.getElementById("status");
      await addActivity(region);
      reached(page, region);
    }
  } catch {
    lost();
  } finally {
    isAsking = false;
    if (!document.hidden) timer = setTimeout(refresh, EVERY_MS);
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
  // A key is printable ASCII, and a header takes nothing else.
  sessionStorage.setItem(KEYS[0], field.value.replace(/[^\x21-\x7e]/g, ""));
  field.value = "";
  refresh();
});

tellWhen();
timer = setTimeout(refresh, EVERY_MS);
addActivity(shown()).catch(lost);
