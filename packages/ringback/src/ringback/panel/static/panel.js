"use strict";
// A part of Swagger UI's "Callbacks" tab: sends a test of one callback to a URL, and shows what came of it.
// Loaded after Swagger UI's bundle and before the script that starts it, it adds itself to whatever is started.
(() => {
  const here = new URL(".", document.currentScript.src);
  const endpoint = here.href.replace(/\/$/, "");
  const style = document.createElement("link");
  style.rel = "stylesheet";
  style.href = new URL("panel.css", here).href;
  document.head.append(style);

  /** The credentials that were given in Swagger UI's "Authorize", as header fields and query. */
  function credentials(system) {
    const headers = {};
    const query = new URLSearchParams();
    const authorized = system.authSelectors.authorized()?.toJS?.() ?? {};
    for (const { schema = {}, value, token } of Object.values(authorized)) {
      const scheme = String(schema.scheme ?? "").toLowerCase();
      if (schema.type === "http" && scheme === "basic" && value) {
        headers.Authorization = `Basic ${btoa(`${value.username}:${value.password}`)}`;
      } else if (schema.type === "http" && value) {
        headers.Authorization = `Bearer ${value}`;
      } else if (schema.type === "apiKey" && schema.in === "header") {
        headers[schema.name] = value;
      } else if (schema.type === "apiKey" && schema.in === "query") {
        query.set(schema.name, value);
      } else if (token?.access_token) {
        headers.Authorization = `Bearer ${token.access_token}`;
      }
    }
    return { headers, query: query.size ? `?${query}` : "" };
  }

  /** What an error's answer says: FastAPI's form, or a problem document (RFC 9457). */
  function complaint(status, answer) {
    const details = answer?.errors ?? (Array.isArray(answer?.detail) ? answer.detail : []);
    const reasons = details.map((one) => one.reason ?? one.msg).filter(Boolean);
    const text = reasons.join("; ") || (typeof answer?.detail === "string" && answer.detail) || `the answer was ${status}`;
    return status === 401 || status === 403 ? `${text}. Give your key under “Authorize” at the top of this page.` : text;
  }

  async function send(system, wanted) {
    const { headers, query } = credentials(system);
    try {
      const answer = await fetch(endpoint + query, {
        method: "POST",
        headers: { "Content-Type": "application/json", ...headers },
        body: JSON.stringify(wanted),
      });
      const value = await answer.json().catch(() => null);
      return answer.ok ? { result: value } : { refused: complaint(answer.status, value) };
    } catch {
      return { refused: "this API could not be reached" };
    }
  }

  function laidOut(request) {
    const lines = [`${request.method} ${request.url}`, ...request.headers.map(([name, value]) => `${name}: ${value}`)];
    return `${lines.join("\n")}\n\n${request.body}`;
  }

  function panel(system, place, callback) {
    const { createElement: element, useState } = system.React;

    function Outcome({ outcome }) {
      if (outcome.refused) return element("p", { className: "said", role: "alert" }, `Not sent: ${outcome.refused}`);
      const { result } = outcome;
      return element("div", { role: "status" },
        element("div", { className: result.good ? "said good" : "said" },
          element("span", null, `${result.good ? "✓" : "✗"} ${result.verdict}`),
          result.breach && element("code", null, result.breach)),
        element("h6", null, "The request as it was sent"),
        element("pre", null, laidOut(result.request)));
    }

    return function TestPanel() {
      const [url, setUrl] = useState("");
      const [isBusy, setBusy] = useState(false);
      const [outcome, setOutcome] = useState(null);
      const submit = async (event) => {
        event.preventDefault();
        setBusy(true);
        setOutcome(null);
        setOutcome(await send(system, { ...place, callback, url: url.trim() }));
        setBusy(false);
      };
      return element("section", { className: "callback-test" },
        element("h5", null, `Send a test callback: ${callback}`),
        element("p", null, "The documented example is sent once to your receiver, signed with your secret. Its ",
          element("code", null, "webhook-id"), " begins with ", element("code", null, "msg_test_"),
          ", and it carries ", element("code", null, "ringback-test: 1"), ": answer it as always, and do not act on it."),
        element("form", { onSubmit: submit },
          element("label", null, "Your receiver’s URL, as you would give it to this API",
            element("input", {
              type: "url", required: true, value: url, placeholder: "https://www.external.org/events",
              spellCheck: false, autoComplete: "off", maxLength: 2083, onChange: (event) => setUrl(event.target.value),
            })),
          element("button", { type: "submit", disabled: isBusy }, isBusy ? "Sending…" : "Send test")),
        outcome && element(Outcome, { outcome }));
    };
  }

  // One component for each callback, kept: a new one would lose what was typed.
  const panels = new Map();

  function Panel({ system, place, callback }) {
    const name = JSON.stringify([place, callback]);
    if (!panels.has(name)) panels.set(name, panel(system, place, callback));
    return system.React.createElement(panels.get(name));
  }

  const plugin = () => ({
    wrapComponents: {
      Callbacks: (Original, system) => function CallbacksWithTests(props) {
        const { createElement: element } = system.React;
        const path = props.specPath?.toJS?.() ?? [];
        const [, operationPath, method] = path;
        const names = props.callbacks?.keySeq?.().toJS?.() ?? [];
        return element("div", null, element(Original, props),
          ...names.filter((name) => !name.startsWith("x-")).map((name) =>
            element(Panel, { key: name, system, place: { path: operationPath, method }, callback: name })));
      },
    },
  });

  window.SwaggerUIBundle = new Proxy(window.SwaggerUIBundle, {
    apply: (target, self, [settings, ...rest]) =>
      Reflect.apply(target, self, [{ ...settings, plugins: [...(settings.plugins ?? []), plugin] }, ...rest]),
  });
})();
