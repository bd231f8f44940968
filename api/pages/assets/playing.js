// Plays a moment in its result. No other host is contacted before the user clicks.
let open = null; // The player and the link that opened it.

/** Play the moment of a link inside its result. Closes any other player. */
export function openPlayer(link) {
  closePlayer();
  const title = link.closest("article").querySelector("h1, h2").textContent.trim();
  const time = link.querySelector(".time")?.textContent;
  const player = document.getElementById("player").content.firstElementChild.cloneNode(true);
  player.setAttribute("aria-label", time ? `${title}, from ${time}` : title);
  player.querySelector(".from").textContent = time ? `From ${time}` : "From the beginning";
  player.querySelector("a").href = link.href;
  player.querySelector("button").addEventListener("click", closePlayer);
  const screen = link.dataset.plays === "frame" ? frame(title) : file(link.dataset.plays, player);
  screen.src = link.dataset.src ?? link.href;
  player.prepend(screen);
  player.classList.add(link.dataset.plays);
  link.closest(".moments").before(player);
  link.setAttribute("aria-current", "true");
  open = { player, link };
  // A frame of another host swallows key presses, so its container gets the focus.
  (link.dataset.plays === "frame" ? player : screen).focus({ preventScroll: true });
  player.scrollIntoView({ block: "nearest" });
}

/** Close the player and return the focus to its link. Returns whether there was a player. */
export function closePlayer() {
  if (!open) return false;
  const { player, link } = open;
  open = null;
  const hadFocus = player.contains(document.activeElement);
  player.remove();
  link.removeAttribute("aria-current");
  if (hadFocus) link.focus({ preventScroll: true });
  return true;
}

function frame(title) {
  const element = document.createElement("iframe");
  element.title = title;
  element.allow = "autoplay; encrypted-media; fullscreen; picture-in-picture";
  // YouTube does not play without a referrer. This policy sends the origin only.
  element.referrerPolicy = "strict-origin-when-cross-origin";
  return element;
}

function file(kind, player) {
  const element = document.createElement(kind);
  element.controls = true;
  element.autoplay = true;
  element.tabIndex = 0;
  element.addEventListener("error", () => {
    player.querySelector(".from").textContent = "This video can't be played here.";
  });
  return element;
}

/** Remove thumbnails that failed to load, so that the placeholder under them is visible. */
export function showPlaceholders(root) {
  for (const image of root.querySelectorAll(".shot img")) {
    if (image.complete && image.naturalWidth === 0) image.remove();
    else image.addEventListener("error", () => image.remove());
  }
}
