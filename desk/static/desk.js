// Keys for what a page offers anyway: an element with data-key is pressed, one with data-focus is written in.
// Without this file every button and link works as before.
"use strict";

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  const at = document.activeElement;
  if (event.key === "Escape") return at.blur();
  if (at.matches("input:not([type=checkbox]):not([type=radio]), select, textarea")) return;
  const key = event.key.toLowerCase();
  const pressed = document.querySelector(`[data-key="${CSS.escape(key)}"]`);
  const written = document.querySelector(`[data-focus="${CSS.escape(key)}"]`);
  if (!pressed && !written) return;
  event.preventDefault();
  if (pressed) pressed.click();
  else written.select();
});

// A form is sent once, however often its key is pressed.
document.addEventListener("submit", (event) => {
  if (event.target.dataset.sent) event.preventDefault();
  event.target.dataset.sent = "yes";
});

const waits = document.querySelector("[data-reload]");
if (waits) setTimeout(() => location.assign(location.pathname), Number(waits.dataset.reload));
