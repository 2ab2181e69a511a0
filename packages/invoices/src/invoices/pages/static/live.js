// Shows what has happened to the invoice without being asked. Without this script the page is the same.
"use strict";

(() => {
  const bill = () => document.getElementById("bill");
  let news = null;

  // The page says in which state it shows the invoice, so that nothing is missed in between.
  const listen = () => {
    if (news || document.hidden || !bill()) return;
    news = new EventSource(bill().dataset.news);
    news.addEventListener("changed", show);
  };

  const stop = () => {
    if (news) news.close();
    news = null;
  };

  const show = async () => {
    stop();
    let fresh;
    try {
      const answer = await fetch(location.pathname);
      if (!answer.ok) return;
      fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    } catch {
      return; // the page stays as it is, and can be loaded again
    }
    if (!fresh.getElementById("bill")) return;
    const hadFocus = bill().contains(document.activeElement);
    document.title = fresh.title;
    bill().replaceWith(fresh.getElementById("bill"));
    document.querySelector(".foot").replaceWith(fresh.querySelector(".foot"));
    const heading = bill().querySelector("h1");
    document.getElementById("news").textContent = heading.textContent;
    if (hadFocus) {
      heading.tabIndex = -1;
      heading.focus();
    }
    listen();
  };

  document.addEventListener("visibilitychange", () => (document.hidden ? stop() : listen()));
  addEventListener("pagehide", stop);
  addEventListener("pageshow", listen);
})();
