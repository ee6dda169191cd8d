// The checkpoints of a training: how good each was, and what can be done with it.
(() => {
  "use strict";
  const { el, call, format, open, toast, say } = window.studio;
  const icon = (name) => el("span", { class: `i i-${name}`, "aria-hidden": "true" });

  // The newest figure on the rows held out that is no younger than a step.
  function lossAt(metrics, step) {
    return ((metrics.validation_loss || []).filter((point) => point[0] <= step).pop() || [])[1];
  }

  function state(item, last) {
    if (!item.whole) return el("span", { class: "badge lost", title: say("It was being written when the run was ended, or still is") }, icon("warn"), say("incomplete"));
    return last ? el("span", { class: "badge plain", text: say("last") }) : null;
  }

  // What somebody would miss: the server asks for the same word (backend/services/checkpoint_removal.py).
  function question(item, last, best) {
    const values = { step: item.step.toLocaleString("en"), size: format.bytes(item.size_bytes) };
    if (last) return say("Step {step} is the last checkpoint: without it the run goes on from an earlier one, or anew. Delete it all the same ({size})?", values);
    if (best) return say("Step {step} has the lowest validation loss of these. Delete it all the same ({size})?", values);
    return say("Delete the checkpoint of step {step} ({size}) for good?", values);
  }

  function removal(row, job, item, ask, again) {
    const about = say("{what}, step {n}", { what: say("Delete"), n: item.step.toLocaleString("en") });
    return window.studio.jobs.button(say("Delete"), () => window.studio.jobs.confirm(row, ask, say("Delete"), async () => {
      try {
        await call("DELETE", `/api/jobs/${job.id}/checkpoints/${item.step}?sure=true`);
      } catch (error) {
        toast(error.message, "bad");
        return false;
      }
      again();
      return true;
    }), { class: "small ghost", "aria-label": about, title: say("Frees its disk space; the other checkpoints stay") });
  }

  // A checkpoint of an older version, of an adapter or in parts is there to be resumed from only.
  function acts(job, item) {
    if (!item.usable) return item.whole ? [el("span", { class: "small muted", text: say("to resume from only") })] : [];
    const model = `run:${job.id}/checkpoint-${item.step}`;
    const about = (text) => say("{what}, step {n}", { what: text, n: item.step.toLocaleString("en") });
    return [
      el("button", { class: "btn small", type: "button", text: say("Try"), title: say("Opens the playground with this checkpoint"), "aria-label": about(say("Try")),
        onclick: () => open("playground", { model, run: null }) }),
      el("button", { class: "btn small", type: "button", text: say("Train from it"), title: say("Fills the Train form: a new run that begins with these weights"), "aria-label": about(say("Train from it")),
        onclick: () => open("train", { model, run: null }) })];
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
    const known = found.filter((item) => item.whole && lossAt(metrics, item.step) !== undefined);
    const best = known.length > 1 ? known.reduce((a, b) => (lossAt(metrics, b.step) < lossAt(metrics, a.step) ? b : a)) : null;
    const goes = !window.studio.jobs.ENDED.has(job.state);
    const offered = (item) => {
      const row = el("span", { class: "row" }, ...acts(job, item));
      if (!goes || (item.whole && item !== newest)) row.append(removal(row, job, item, question(item, item === newest, item === best), () => checkpoints(panel, job, metrics)));
      return row;
    };
    const rows = found.reverse().map((item) => el("tr", {},
      el("td", { class: "num", text: item.step.toLocaleString("en") }),
      el("td", { class: "num r", text: format.number(lossAt(metrics, item.step)) }),
      el("td", { class: "num r", text: format.bytes(item.size_bytes) }),
      el("td", { class: "num r muted", text: window.studio.jobs.clock(item.created_at) }),
      el("td", {}, state(item, item === newest)),
      el("td", {}, offered(item))));
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
