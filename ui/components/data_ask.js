// Questions about data: asked again until they are answered; the newest question of a panel wins.
(() => {
  "use strict";
  const { el, call, say } = window.studio;
  const PAUSE = 600; // ms between two times of asking

  const note = (kind, text) => el("div", { class: `note ${kind}` },
    el("span", { class: `i i-${{ bad: "bad", good: "ok", info: "info" }[kind] || "warn"}`, "aria-hidden": "true" }), el("span", { text }));

  // How far an answer is that has not come yet.
  function progress({ state, rows, phase }) {
    if (state === "running") return say("reading, {n} {n:row|rows} so far", { n: (rows || 0).toLocaleString("en") });
    return phase ? say("starting: {phase}", { phase }) : say("starting");
  }

  // A panel with a title, a place for a badge and one for its content; `ask` shows how far an answer is.
  function panel(title, id) {
    const badge = el("span", { role: "status" });
    const body = el("div", { class: "body", id });
    const root = el("section", { class: "panel", "aria-label": title },
      el("div", { class: "head" }, el("h2", { text: title }), badge), body);
    let newest = 0;

    async function ask(op, words, alive, waiting) {
      const mine = ++newest;
      root.setAttribute("aria-busy", "true");
      try {
        for (;;) {
          const reply = await call("POST", `/api/data/${op}`, words);
          if (mine !== newest || !alive()) return null;
          if (reply.state !== "starting" && reply.state !== "running") return reply;
          waiting(progress(reply));
          await new Promise((go) => setTimeout(go, PAUSE));
          if (mine !== newest || !alive()) return null;
        }
      } catch (error) {
        if (mine !== newest) return null;
        body.replaceChildren(note("bad", error.message));
        badge.replaceChildren();
        return null;
      } finally {
        if (mine === newest) root.removeAttribute("aria-busy");
      }
    }
    const wait = (text) => badge.replaceChildren(el("span", { class: "small muted", text }));
    return { root, body, badge, ask, wait };
  }

  const badge = (kind, icon, text) => el("span", { class: `badge ${kind}` }, el("span", { class: `i i-${icon}`, "aria-hidden": "true" }), text);
  const percent = (share) => `${(100 * share).toFixed(share && share < 0.1 ? 1 : 0)} %`;

  // A problem without the place that it begins with, where that is said already.
  const unplaced = (text, place) => (text.startsWith(`${place}: `) ? text.slice(place.length + 2) : text);

  // A token's letters so that a line never breaks within it, and its white space is seen.
  const letters = (text) => text.replace(/\n/g, "\u21b5").replace(/ /g, "\u00a0");

  window.studioData = { panel, note, badge, percent, unplaced, letters };
})();
