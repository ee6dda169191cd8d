// A question or a task over the page: a heading, what it is about, and buttons. Escape closes it.
(() => {
  "use strict";
  const { el, say } = window.studio;
  let count = 0;

  // Returns {root, body, row, close, closed}: `body` and `row` (of buttons) are filled by the caller; `closed` is a
  // promise. `busy(true)` keeps it open while something goes on in it.
  function open(title) {
    const before = document.activeElement;
    const id = `dialog-${(count += 1)}`;
    const body = el("div", { class: "body" });
    const row = el("div", { class: "row acts" });
    const shut = el("button", { class: "btn ghost sq", type: "button", "aria-label": say("Close"), title: say("Close"), onclick: () => root.close() },
      el("span", { class: "i i-bad", "aria-hidden": "true" }));
    const root = el("dialog", { class: "studio-dialog", "aria-labelledby": id }, el("div", { class: "head" }, el("h2", { id, text: title }), shut), body, row);
    let working = false;
    root.addEventListener("cancel", (event) => working && event.preventDefault());
    const stay = (event) => working && event.key === "Escape" && event.preventDefault(); // a second one is no `cancel`
    document.addEventListener("keydown", stay, true);
    const closed = new Promise((done) => root.addEventListener("close", () => {
      root.remove();
      document.removeEventListener("keydown", stay, true);
      if (before?.isConnected) before.focus();
      done();
    }));
    document.body.append(root);
    root.showModal();
    const busy = (on) => {
      working = on;
      shut.disabled = on;
    };
    return { root, body, row, closed, busy, close: () => root.close() };
  }

  window.studio.dialog = { open };
})();
