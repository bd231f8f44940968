// Playing a moment where it was found. Nothing is asked of another host before somebody asks to play.
let open = null; // The player, and the link that opened it.

/** Play the moment of a link in its result, in the place of any other that plays. */
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
  // Keys pressed in a frame of another host are not heard here: what holds it keeps the focus.
  (link.dataset.plays === "frame" ? player : screen).focus({ preventScroll: true });
  player.scrollIntoView({ block: "nearest" });
}

/** Close the player, give the focus back, and say whether there was one. */
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
  // A YouTube player refuses to play for a page that it is not told of; it learns the host and no more.
  element.referrerPolicy = "strict-origin-when-cross-origin";
  return element;
}

function file(kind, player) {
  const element = document.createElement(kind);
  element.controls = true;
  element.autoplay = true;
  element.tabIndex = 0;
  element.addEventListener("error", () => {
    player.querySelector(".from").textContent = "It does not play here.";
  });
  return element;
}

/** Take away the pictures that did not load, so that what is drawn under them is seen. */
export function drawPlaceholders(root) {
  for (const image of root.querySelectorAll(".shot img")) {
    if (image.complete && image.naturalWidth === 0) image.remove();
    else image.addEventListener("error", () => image.remove());
  }
}
