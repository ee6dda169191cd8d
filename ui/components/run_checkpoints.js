// The checkpoints of a training: how good each was, and what can be done with it.
(() => {
  "use strict";
  const { el, call, format, open, say } = window.studio;
  const icon = (name) => el("span", { class: `i i-${name}`, "aria-hidden": "true" });

  // The newest figure on the rows held out that is no younger than a step.
  function lossAt(metrics, step) {
    return ((metrics.validation_loss || []).filter((point) => point[0] <= step).pop() || [])[1];
  }

  function state(item, last) {
    if (!item.whole) return el("span", { class: "badge lost", title: say("It was being written when the run was ended, or still is") }, icon("warn"), say("incomplete"));
    return last ? el("span", { class: "badge plain", text: say("last") }) : null;
  }

  // A checkpoint of an older version, of an adapter or in parts is there to be resumed from only.
  function acts(job, item) {
    if (!item.usable) return item.whole ? el("span", { class: "small muted", text: say("to resume from only") }) : null;
    const model = `run:${job.id}/checkpoint-${item.step}`;
    const about = (text) => say("{what}, step {n}", { what: text, n: item.step.toLocaleString("en") });
    return el("span", { class: "row" },
      el("button", { class: "btn small", type: "button", text: say("Try"), title: say("Opens the playground with this checkpoint"), "aria-label": about(say("Try")),
        onclick: () => open("playground", { model, run: null }) }),
      el("button", { class: "btn small", type: "button", text: say("Train from it"), title: say("Fills the Train form: a new run that begins with these weights"), "aria-label": about(say("Train from it")),
        onclick: () => open("train", { model, run: null }) }));
  }

  async function checkpoints(panel, job, metrics) {
    const head = (more) => el("div", { class: "head" }, el("h2", { text: say("Checkpoints") }), el("span", { class: "small muted", text: more }));
    if (panel.dataset.run !== job.id) panel.replaceChildren(head("")); // there may be those of the last run
    panel.dataset.run = job.id;
    let found;
    try {
      found = (await call("GET", `/api/jobs/${job.id}/checkpoints`)).checkpoints;
    } catch {
      return; // the note over the page says that the server is away
    }
    if (panel.dataset.run !== job.id) return; // another one is shown meanwhile
    const newest = found.filter((item) => item.whole).pop();
    const rows = found.reverse().map((item) => el("tr", {},
      el("td", { class: "num", text: item.step.toLocaleString("en") }),
      el("td", { class: "num r", text: format.number(lossAt(metrics, item.step)) }),
      el("td", { class: "num r", text: format.bytes(item.size_bytes) }),
      el("td", { class: "num r muted", text: window.studio.jobs.clock(item.created_at) }),
      el("td", {}, state(item, item === newest)),
      el("td", {}, acts(job, item))));
    const keeps = ((job.spec || {}).report || {}).keep_checkpoints;
    const heads = [[say("step"), ""], [say("validation loss"), "r"], [say("size"), "r"], [say("written"), "r"]];
    const plain = [say("state"), say("actions")].map((text) => el("th", { scope: "col" }, el("span", { class: "sr", text })));
    panel.replaceChildren(head(keeps ? say("keeps the last {n}", { n: keeps }) : ""),
      rows.length ? el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": say("Checkpoints") },
        el("table", { class: "plain" }, el("thead", {}, el("tr", {}, ...heads.map(([text, look]) => el("th", { scope: "col", class: look, text })), ...plain)), el("tbody", {}, ...rows)))
        : el("p", { class: "muted", text: say("None yet. A run that stops or fails goes on from the last one.") }));
  }

  window.StudioRunCheckpoints = { checkpoints };
})();
