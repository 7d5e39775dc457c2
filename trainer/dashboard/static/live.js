"use strict";
// The same page again every few seconds, put in place of the old one; focus, opened parts and scrolling stay.
(() => {
  const every = 1000 * Number(document.currentScript.dataset.every);
  const places = (root) => Array.from(root.querySelectorAll("details, .scroll, a, summary"));

  const replace = (fresh) => {
    const old = document.getElementById("live");
    const next = fresh.getElementById("live");
    if (!next || old.innerHTML === next.innerHTML) return;
    const before = places(old);
    const focus = before.indexOf(document.activeElement);
    const after = places(next);
    const opened = before.map((part) => part.open);
    const scrolled = before.map((part) => [part.scrollLeft, part.scrollTop]);
    old.replaceWith(document.adoptNode(next));
    // places go by number, which says nothing once something came or went
    if (before.length !== after.length) return;
    after.forEach((part, i) => {
      if (opened[i]) part.open = true;
      if (scrolled[i][0] || scrolled[i][1]) [part.scrollLeft, part.scrollTop] = scrolled[i];
    });
    if (focus >= 0) after[focus].focus({ preventScroll: true });
  };

  const look = async () => {
    if (!document.hidden && !String(getSelection())) {
      try {
        const answer = await fetch(location.href, { cache: "no-store" });
        if ((answer.headers.get("Content-Type") || "").startsWith("text/html"))
          replace(new DOMParser().parseFromString(await answer.text(), "text/html"));
        document.body.classList.remove("away");
      } catch {
        document.body.classList.add("away");
      }
    }
    setTimeout(look, every);
  };
  setTimeout(look, every);
})();
