// What the pages do beyond forms and links: keys, and the copying of text. Without it everything still works.
"use strict";

let before = "";

function rows() {
  return Array.from(document.querySelectorAll("main .rows .what a"));
}

function step(by) {
  const links = rows();
  if (!links.length) return;
  const here = links.indexOf(document.activeElement);
  const next = here < 0 ? (by > 0 ? 0 : links.length - 1) : Math.min(Math.max(here + by, 0), links.length - 1);
  links[next].focus();
}

function follow(selector) {
  const link = document.querySelector(selector);
  if (link) link.click();
}

const keys = {
  j: () => step(1),
  k: () => step(-1),
  n: () => follow('main a[rel="next"]'),
  p: () => follow('main a[rel="prev"]'),
  r: () => follow("main a[data-key=r]"),
  u: () => follow("main .trail a"),
  "/": () => document.querySelector("main input[type=search]")?.focus(),
  "?": () => document.getElementById("keys")?.showModal(),
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea, dialog")) return;
  const place = before === "g" && /^[a-z]$/.test(event.key) ? `.places a[data-goes=${event.key}]` : "";
  before = event.key;
  const act = place && document.querySelector(place) ? () => follow(place) : keys[event.key];
  if (!act) return;
  event.preventDefault();
  act();
});

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-keys]")) document.getElementById("keys")?.showModal();
  const button = event.target.closest("[data-copies]");
  if (!button) return;
  const text = document.getElementById(button.dataset.copies)?.textContent ?? "";
  navigator.clipboard?.writeText(text).then(() => {
    const says = button.querySelector("span");
    says.textContent = "Copied";
    setTimeout(() => (says.textContent = "Copy"), 2000);
  });
});

// A part is not renewed under the hands of whoever reads it: while text in it is selected, or a menu is open.
document.addEventListener("htmx:beforeRequest", (event) => {
  const part = event.detail.elt;
  if (!part.hasAttribute("data-renewed")) return;
  const selection = document.getSelection();
  const isReading = selection && !selection.isCollapsed && part.contains(selection.anchorNode);
  if (isReading || document.hidden) event.preventDefault();
});

// What was opened stays open. Where the session has ended, the answer is the sign-in, which is no part of a page.
document.addEventListener("htmx:beforeSwap", (event) => {
  const part = event.detail.target;
  if (!part.hasAttribute("data-renewed") || event.detail.isError) return;
  if (!event.detail.serverResponse.includes("data-renewed")) {
    event.detail.shouldSwap = false;
    location.reload();
    return;
  }
  const open = Array.from(part.querySelectorAll("details[id]")).map((one) => [one.id, one.open]);
  document.addEventListener(
    "htmx:afterSettle",
    () => open.forEach(([id, isOpen]) => {
      const one = document.getElementById(id);
      if (one) one.open = isOpen;
    }),
    { once: true },
  );
});

// A replay that cannot go on says so, where it would seem to go on for ever.
document.addEventListener("htmx:responseError", (event) => {
  const run = event.detail.target.closest("#run");
  if (!run) return;
  run.removeAttribute("aria-busy");
  run.querySelector("h1").textContent = "It has stopped";
  run.querySelector("[role=status]").textContent +=
    ". The console answered " + event.detail.xhr.status + "; sign in, and replay what is left.";
});
