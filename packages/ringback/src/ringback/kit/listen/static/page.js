"use strict";
// Draws what the feed says. Everything from outside becomes text nodes, never markup.

const byId = (id) => document.getElementById(id);
const rows = new Map(); // by number
const MOST_ROWS = 500;
let shown = 0;
let wrongCount = 0;
let lastShownRequest = 0;

const SIGNS = { right: "✓", wrong: "✗", unchecked: "·" };
const CONTROLS = ("NUL SOH STX ETX EOT ENQ ACK BEL BS TAB LF VT FF CR SO SI DLE DC1 DC2 DC3 DC4 NAK SYN ETB CAN EM " +
  "SUB ESC FS GS RS US").split(" ");
// Controls, formats (the overrides of direction among them), surrogates, private use, unassigned, separators.
const UNSEEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}]/u;

function element(tag, className, ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

/** Text as it is, with what cannot be seen, or would turn the text around it, written out. */
function visible(text, obeyed = "") {
  const parts = document.createDocumentFragment();
  let plain = "";
  for (const character of text) {
    if (!UNSEEN.test(character) || obeyed.includes(character)) {
      plain += character;
      continue;
    }
    parts.append(plain);
    plain = "";
    const code = character.codePointAt(0);
    parts.append(element("span", "unseen", CONTROLS[code] ?? `U+${code.toString(16).toUpperCase().padStart(4, "0")}`));
  }
  parts.append(plain);
  return parts;
}

/** JSON laid out with every literal exactly as it was written; null where the text is none. */
function laidOut(text) {
  if (text.length > 200000) return null;
  try {
    JSON.parse(text);
  } catch {
    return null;
  }
  const tokens = text.match(/"(?:[^"\\]|\\.)*"|[[\]{},:]|[^\s[\]{},:"]+/g) ?? [];
  const parts = document.createDocumentFragment();
  let depth = 0;
  tokens.forEach((token, index) => {
    const line = () => "\n" + "  ".repeat(Math.min(depth, 40));
    const isEmpty = (/[[{]/.test(token[0]) && /[\]}]/.test(tokens[index + 1]?.[0])) ||
      (/^[\]}]/.test(token) && /^[[{]/.test(tokens[index - 1] ?? ""));
    if (token === "[" || token === "{") {
      depth += 1;
      parts.append(token, isEmpty ? "" : line());
    } else if (token === "]" || token === "}") {
      depth -= 1;
      parts.append(isEmpty ? "" : line(), token);
    } else if (token === ",") {
      parts.append(",", line());
    } else if (token === ":") {
      parts.append(": ");
    } else {
      const kind = tokens[index + 1] === ":" ? "json-name" : token[0] === '"' ? "json-string" : "json-plain";
      parts.append(element("span", kind, visible(token)));
    }
  });
  return parts;
}

const clock = (at) => new Date(at).toLocaleTimeString([], { hour12: false });
const answered = (one) => (one.status === null ? `no answer (${one.behaviour})` : `${one.status} ${one.behaviour}`);
const wrongs = (one) => one.checks.filter((check) => check.finding === "wrong");
const sign = (finding) => element("span", `sign ${finding}`, SIGNS[finding]);

function row(one) {
  const button = element("button", "row");
  button.type = "button";
  const said = sign(one.right ? "right" : "wrong");
  said.title = one.right ? "As documented" : "Not as documented";
  const below = element("span", "below");
  below.append(element("span", "", visible(one.callback ?? "no callback"), one.delivery > 1 ? ` · attempt ${one.delivery}` : ""));
  const wrong = wrongs(one);
  below.append(wrong.length
    ? element("span", "why", visible(wrong.map((check) => `${check.subject}: ${check.text}`).join("; ")))
    : element("span", "", answered(one)));
  button.append(said, element("span", "target", `${one.method} `, visible(one.target)), element("span", "when", clock(one.at)), below);
  button.addEventListener("click", () => show(one.number));
  return element("li", "", button);
}

function add(one) {
  if (rows.has(one.number)) return;
  const item = row(one);
  item.dataset.right = one.right;
  item.hidden = one.right && byId("only-wrong").checked;
  rows.set(one.number, item);
  byId("rows").prepend(item);
  if (rows.size > MOST_ROWS) {
    const oldest = rows.keys().next().value;
    rows.get(oldest).remove();
    rows.delete(oldest);
  }
  wrongCount += one.right ? 0 : 1;
  byId("empty").hidden = true;
  byId("count").textContent = `${one.number} so far` + (wrongCount ? `, ${wrongCount} not as documented` : "");
}

async function show(number) {
  shown = number;
  for (const [other, item] of rows) item.firstChild.setAttribute("aria-current", String(other === number));
  lastShownRequest += 1;
  const mine = lastShownRequest;
  const answer = await fetch(`requests/${number}.json`);
  if (mine !== lastShownRequest) return;
  const detail = byId("detail");
  detail.hidden = false;
  if (!answer.ok) {
    detail.replaceChildren(element("p", "quiet", "This request was forgotten; only the latest are kept."));
    return;
  }
  detail.replaceChildren(...parts(await answer.json()));
  if (matchMedia("(max-width: 860px)").matches) detail.scrollIntoView({ block: "start" });
}

function parts(one) {
  const close = element("button", "close", "Close");
  close.type = "button";
  close.addEventListener("click", () => { byId("detail").hidden = true; });
  const line = element("h2", "line", `${one.method} `, visible(one.target), close);
  const facts = element("div", "facts");
  const fact = (name, value) => facts.append(element("span", "", `${name} `, element("b", "", visible(value))));
  fact("Callback", one.callback ?? "none of the document");
  fact("Answered", answered(one));
  fact("At", clock(one.at));
  if (one.message_id) fact("Delivery", `${one.message_id}${one.delivery > 1 ? `, attempt ${one.delivery}` : ""}`);
  const checks = element("ul", "checks");
  for (const check of one.checks) {
    checks.append(element("li", "", sign(check.finding), element("span", "subject", check.subject),
      element("span", `${check.finding}-text`, visible(check.text))));
  }
  const fields = element("dl", "fields");
  for (const [name, value] of one.headers) fields.append(element("dt", "", visible(name)), element("dd", "", visible(value)));
  return [element("div", "", line, facts), part("Verdict", checks), part("Headers", fields), part("Body", body(one)),
    part("Send it again", element("pre", "", visible(one.curl, "\n")), one.curl)];
}

function body(one) {
  if (one.body === "") return element("p", "quiet", "Without a body.");
  if (one.body === null) return element("pre", "", `Not UTF-8; in base64:\n${one.body_base64}`);
  return element("pre", "", laidOut(one.body) ?? visible(one.body, "\n\t"));
}

function part(title, content, copied) {
  const heading = element("h3", "", title);
  if (copied !== undefined) heading.append(copyButton(() => copied));
  return element("section", "part", heading, content);
}

function copyButton(text) {
  const button = element("button", "", "Copy");
  button.type = "button";
  button.addEventListener("click", () => copy(button, text()));
  return button;
}

async function copy(button, text) {
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Select it and copy";
  }
  setTimeout(() => { button.textContent = "Copy"; }, 1500);
}

async function introduce() {
  const about = await (await fetch("listener.json")).json();
  byId("title").replaceChildren(visible(about.title));
  byId("url").textContent = about.url;
  byId("copy-url").addEventListener("click", () => copy(byId("copy-url"), about.url));
  byId("callbacks").replaceChildren(...about.callbacks.map((one) =>
    element("li", "", element("b", "", visible(one.name)), element("code", "", `${one.method} `, visible(one.key)))));
  byId("verifies").textContent = about.verifies.length
    ? `Signatures are verified (${about.verifies.join(", ")}).`
    : "Signatures are not verified: no secret was given.";
}

function follow() {
  const feed = new EventSource("events");
  const say = (state, text) => {
    byId("state").dataset.state = state;
    byId("state").textContent = text;
  };
  feed.addEventListener("open", () => say("live", "Live"));
  feed.addEventListener("error", () => say("lost", "Not reachable"));
  feed.addEventListener("begin", (event) => { // another run of the listener has other requests
    if (JSON.parse(event.data).resumed) return;
    rows.clear();
    byId("rows").replaceChildren();
    wrongCount = 0;
  });
  feed.addEventListener("message", (event) => add(JSON.parse(event.data)));
}

byId("only-wrong").addEventListener("change", (event) => {
  for (const item of rows.values()) item.hidden = event.target.checked && item.dataset.right === "true";
});
introduce();
follow();
