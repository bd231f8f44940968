// A search box for other sites; see docs/search-page.md. The API's texts are inserted as text, never as markup.
(() => {
  "use strict";

  const DEBOUNCE_MS = 180;
  const SLOW_MS = 400; // Announcing a faster search would flicker.
  const TIMEOUT_MS = 15000;
  const LONGEST_WAIT_S = 10;
  const QUOTED_WORDS = 28;
  const STYLES = `
    :host { display: block !important; }
    .box {
      all: initial; display: block; color-scheme: inherit; overflow-wrap: anywhere;
      font-family: inherit; font-size: max(1em, 14px); line-height: 1.45;
      color: var(--vidsearch-text, light-dark(#1b1f24, #e6e9ec));
      --accent: var(--vidsearch-accent, light-dark(#1a56c4, #8ab4f8));
      --muted: var(--vidsearch-muted, light-dark(#57606a, #a4adb6));
      --edge: 1px solid light-dark(#e0e4e8, #2f353c);
    }
    .light { color-scheme: light; }
    .dark { color-scheme: dark; }
    form, .panel {
      background: var(--vidsearch-background, light-dark(#fff, #16191d));
      border-radius: var(--vidsearch-radius, 8px);
    }
    form {
      display: flex; align-items: center; outline-offset: -1px;
      border: 1px solid var(--vidsearch-border, light-dark(#818a94, #737c86));
    }
    form:focus-within, a:focus-visible { outline: 2px solid var(--accent); }
    form::before { /* A magnifier. */
      content: ""; width: 1.2em; height: 1.2em; margin-inline: .8em .5em; background:
        radial-gradient(circle at 40% 40%, #0000 25%, var(--muted) 27% 35%, #0000 37%),
        linear-gradient(45deg, #0000 42%, var(--muted) 45% 55%, #0000 58%) 100% 100% / 38% 38% no-repeat;
    }
    input {
      flex: 1; min-width: 0; padding: .65em .8em .65em 0; border: 0; outline: 0; background: none;
      color: inherit; font: inherit; font-size: max(1em, 16px);
    }
    ::placeholder { color: var(--muted); opacity: 1; }
    ::-webkit-search-cancel-button { margin-inline-start: .5em; }
    p, .channel { margin: 0; color: var(--muted); font-size: .875em; }
    p:not(:empty) { padding: .6em .9em; }
    ul { margin: 0; padding: 0; list-style: none; }
    .panel { overflow: auto; max-height: var(--vidsearch-height, none); margin-top: .4em; }
    .panel:not(:has(p:empty)) { border: var(--edge); }
    .panel > ul > li { padding: .8em; border-top: var(--edge); }
    .title { display: block; font-weight: 600; }
    a { color: var(--accent); text-decoration: none; }
    a.title:hover, a:hover .time { text-decoration: underline; }
    .moment { display: flex; gap: .75em; margin-top: .6em; color: inherit; font-size: .9375em; }
    .time { min-width: 2.6em; color: var(--accent); }
    .quote { flex: 1; display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 3; overflow: hidden; }
    mark { background: color-mix(in srgb, var(--accent) 20%, #0000); color: inherit; }
  `;
  // Each option: its name, pattern, description and default.
  const OPTIONS = [
    ["limit", /^([1-9]|[1-4]\d|50)$/, "1 to 50", 5],
    ["moments", /^(1?\d|20)$/, "0 to 20", 2],
    ["mode", /^(hybrid|semantic|lexical)$/, "hybrid, semantic or lexical"],
    ["channel", /\S/, "a name"],
    ["language", /\S/, "a code"],
    ["placeholder", /\S/, "a text", "Search inside the videos"],
    ["label", /\S/, "a text", "Search the videos"],
    ["theme", /^(auto|light|dark)$/, "auto, light or dark", "auto"],
    ["key", /^[!-~]+$/, "a key"],
  ];

  const warn = (text) => console.warn(`vidsearch: ${text}`);

  const script = document.currentScript;
  if (!script?.src) {
    warn("embed.js must be a classic script with a src.");
    return;
  }

  const options = {};
  for (const [name, pattern, rule, byDefault] of OPTIONS) {
    if (byDefault) options[name] = byDefault;
    const given = script.dataset[name];
    if (given === undefined) continue;
    if (pattern.test(given)) options[name] = given;
    else warn(`data-${name} must be ${rule}. It is ignored.`);
  }
  const { placeholder, label, theme, key, ...parameters } = options;

  function element(name, properties, ...children) {
    const made = Object.assign(document.createElement(name), properties);
    made.append(...children);
    return made;
  }

  const input = element("input", {
    type: "search", dir: "auto", autocomplete: "off", maxLength: 2000, ariaLabel: label, placeholder,
  });
  const form = element("form", { role: "search", ariaLabel: label }, input);
  const status = element("p", { role: "status" });
  const list = element("ul", { role: "list" });
  const panel = element("div", { className: "panel" }, status, list);
  const box = element("div", { className: `box ${theme}`, lang: "en" }, form, panel);

  const host = element("div", { className: "vidsearch" });
  const root = host.attachShadow({ mode: "open" });
  // Works even if the page's policy forbids <style> and style="".
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(STYLES);
  root.adoptedStyleSheets = [sheet];
  root.append(box);

  const { target } = script.dataset;
  function place() {
    let found;
    try {
      found = target && document.querySelector(target);
    } catch {
      // An invalid selector.
    }
    if (found) found.append(host);
    else script.after(host);
    if (host.closest("head") || (target !== undefined && !found)) {
      warn("data-target must be the selector of an element in <body>.");
    }
  }

  if (document.readyState === "loading" && target) {
    document.addEventListener("DOMContentLoaded", place); // The target may come after the script.
  } else {
    place();
  }

  let current = new AbortController(); // Of the search in flight. A new search aborts it.
  let timer = 0;
  let latest = "";

  function start(query) {
    current.abort();
    current = new AbortController();
    latest = query;
    if (query) search(query, current.signal);
    else show("");
  }

  function show(text, ...videos) {
    list.replaceChildren(...videos);
    panel.scrollTop = 0;
    status.textContent = text;
  }

  async function search(query, signal) {
    const say = (text) => signal.aborted || (status.textContent = text);
    const slow = setTimeout(say, SLOW_MS, "Searching…");
    const answer = await request(query, signal, say);
    clearTimeout(slow);
    if (signal.aborted) return;
    if (answer.problem) latest = null; // Enter retries.
    show(summary(query, answer), ...(answer.videos ?? []).map((video) => videoItem(video, wanted(query))));
  }

  function summary(query, { videos, degraded, problem }) {
    if (problem) return problem;
    if (!videos.length) return `No results for “${query}”. Try different or fewer words.`;
    const found = videos.length === 1 ? "1 video found." : `${videos.length} videos found.`;
    return degraded ? `${found} The service is busy: it matched words only, so some may be missing.` : found;
  }

  // Returns the API's response, or a `problem` to show. If the response has a Retry-After, retries once.
  async function request(query, signal, say, isLast) {
    const url = new URL("v1/search", script.src);
    url.search = new URLSearchParams({ query, ...parameters });
    try {
      const response = await fetch(url, {
        credentials: "omit",
        headers: key && { "X-API-Key": key },
        signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
      });
      if (response.ok) return await response.json();
      const seconds = Number(response.headers.get("Retry-After"));
      if (seconds && seconds <= LONGEST_WAIT_S && !isLast) {
        say("The video search is busy. Trying again…");
        await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
        return signal.aborted ? {} : request(query, signal, say, true);
      }
      warn(`${url.origin} responded with status ${response.status}.`);
      return { problem: refusal(response.status, seconds) };
    } catch {
      if (!signal.aborted) warn(`no response from ${url.origin}. Is ${location.origin} in its CORS_ORIGINS?`);
      return { problem: "The video search can't be reached. Please try again later." };
    }
  }

  function refusal(status, seconds) {
    const later = seconds > 60 ? `in ${Math.ceil(seconds / 60)} minutes` : "in a moment";
    if (status === 429 || status === 503) return `The video search is busy. Please try again ${later}.`;
    if (status === 401 || status === 403) return "This page has no valid key for the video search.";
    return "The video search failed. Please try different words.";
  }

  const TEXT = { dir: "auto", lang: "" }; // Texts of the catalogue, in any language.

  function videoItem(video, isWanted) {
    const item = element("li", {}, linked(video.url, { ...TEXT, className: "title" }, video.title));
    if (video.channel) item.append(element("div", { ...TEXT, className: "channel" }, video.channel));
    const moments = video.moments.map(({ start, text, url }) => {
      const time = start === null ? "" : element("span", { className: "time" }, clock(start));
      const quote = element("span", { className: "quote" }, ...quoted(text, isWanted));
      return element("li", {}, linked(url, { ...TEXT, className: "moment" }, time, " ", quote));
    });
    if (moments.length) item.append(element("ul", { role: "list" }, ...moments));
    return item;
  }

  // Only http and https addresses become links: a catalogue may contain others, such as javascript: ones.
  function linked(address, properties, ...children) {
    if (!/^https?:/i.test(address) || !URL.canParse(address)) return element("span", properties, ...children);
    return element("a", { ...properties, href: address, target: "_blank", rel: "noopener noreferrer" }, ...children);
  }

  function clock(start) {
    const [hours, minutes, seconds] = [start / 3600, (start / 60) % 60, start % 60].map(Math.floor);
    const two = (number) => String(number).padStart(2, "0");
    return `${hours ? `${hours}:${two(minutes)}` : minutes}:${two(seconds)}`;
  }

  // Removes accents, punctuation and English endings.
  function stem(word) {
    const letters = word.normalize("NFKD").replace(/[^\p{L}\p{N}]/gu, "").toLowerCase();
    return letters.replace(/(?<=...)(ing|ed|es|e|s)$/, "");
  }

  function wanted(query) {
    const stems = query.split(/\s+/).map(stem).filter(Boolean);
    const long = stems.filter((each) => each.length > 3);
    return (word) => (long.length ? long : stems).includes(stem(word));
  }

  // Returns the part of a text with the most query words, and marks them.
  function quoted(text, isWanted) {
    const words = text.split(/\s+/);
    const hits = words.map(isWanted);
    const part = (all, first) => all.slice(first, first + QUOTED_WORDS);
    const count = (first) => part(hits, first).filter(Boolean).length;
    const starts = hits.flatMap((isHit, place) => (isHit ? Math.max(0, place - 4) : []));
    const first = starts.reduce((best, each) => (count(each) > count(best) ? each : best), starts[0] ?? 0);
    const marked = words.map((word, place) => (hits[place] ? element("mark", {}, word) : word));
    const shown = part(marked, first).flatMap((word) => [" ", word]);
    return [first ? "…" : "", ...shown, first + QUOTED_WORDS < words.length ? "…" : ""];
  }

  function typed(delay) {
    const query = input.value.trim();
    clearTimeout(timer);
    if (query !== latest) timer = setTimeout(start, query ? delay : 0, query);
  }

  input.addEventListener("input", () => typed(DEBOUNCE_MS));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    typed(0);
  });
  box.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    const stops = [input, ...list.querySelectorAll("a")];
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    let next = step && stops[stops.indexOf(root.activeElement) + step];
    if (event.key === "Escape" && input.value) {
      event.stopPropagation(); // Keeps a dialog around the box open.
      next = input;
      input.value = "";
      typed(0);
    }
    if (!next) return;
    event.preventDefault();
    next.focus();
  });
})();
