// A pipeline or sweep as one row of the list: how far its jobs are, the best of them, and what is done to all at once.
(() => {
  "use strict";
  const { el, call, toast, open, remember, format, say } = window.studio;
  const NAMES = { validation_loss: say("validation loss"), loss: say("loss") };
  const AGAIN = ["failed", "stopped", "lost"];

  const sum = (group, states) => Object.entries(group.counts).reduce((n, [state, count]) => n + (states.has(state) ? count : 0), 0);
  const size = (group) => Object.values(group.counts).reduce((n, count) => n + count, 0);
  const name = (group) => group.name || group.id;

  async function act(method, path, said) {
    try {
      await call(method, path);
      if (said) toast(said);
      return true;
    } catch (error) {
      toast(error.message, "bad");
      return false;
    }
  }

  const COUNTED = [
    [["succeeded"], (n) => say("{n} done", { n })],
    [["starting", "running", "stopping"], (n) => say("{n} running", { n })],
    [["queued"], (n) => say("{n} queued", { n })],
    [["failed"], (n) => say("{n} failed", { n })],
    [["stopped"], (n) => say("{n} stopped", { n })],
    [["lost"], (n) => say("{n} lost", { n })],
  ];

  // "8 done, 1 running, 3 queued, 1 failed"
  function counts(group) {
    const found = COUNTED.map(([states, text]) => [sum(group, new Set(states)), text]);
    return found.filter(([n]) => n).map(([n, text]) => text(n)).join(", ");
  }

  // `opened`: whether its jobs are shown below; `toggle()` shows or hides them.
  function fill(row, group, { tick, opened, toggle }) {
    const words = window.studio.jobs;
    const done = sum(group, words.ENDED);
    const total = size(group);
    const unfold = el("button", { class: "unfold", type: "button", "aria-expanded": String(opened), onclick: toggle },
      words.icon("down"), el("span", { text: name(group) }));
    const text = say("{done} of {total} ended", { done, total });
    row.className = "group";
    row.dataset.group = group.id;
    row.dataset.state = group.state;
    row.replaceChildren(
      tick(group.id, name(group)),
      el("td", { class: "st" }, words.badge(group.state)),
      el("td", { class: "n" }, unfold, el("span", { class: "sub" }, el("span", { class: "num", text: group.id.replace("-", " ") }), el("span", { text: say("{n} {n:job|jobs}", { n: total }) }))),
      el("td", { class: "p", colspan: 2 },
        el("div", { class: "pb" }, words.meter({ step: done, total }, text), el("span", { class: "num", text: counts(group) })), best(group)),
      el("td", { class: "s num", text: words.clock(group.created_at) }),
      el("td", { class: "a" }, actions(group)));
  }

  function best(group) {
    if (!group.best) return null;
    const { metric, value, job } = group.best;
    return el("span", { class: "sub" }, say("Best {metric}: {value}", { metric: NAMES[metric] || metric, value: format.number(value) }), " ",
      window.studio.jobs.link({ id: job }, job.replace("-", " ")));
  }

  // Opens the comparison of its jobs; with a key held down it is the browser's own.
  function compareLink(group, look = "btn") {
    return el("a", { class: look, href: `?tab=compare&group=${encodeURIComponent(group.id)}`, text: say("Compare"), "aria-label": `${say("Compare")} ${name(group)}`, onclick: (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      remember({ tab: "compare", group: group.id, runs: null }, true);
      open("compare", { group: group.id, runs: null });
    } });
  }

  function question(group) {
    const values = { n: size(group), kept: group.kept };
    return group.kept ? say("{kept} of its {n} {n:job|jobs} {kept:has|have} the tag keep. Delete all of them and their folders?", values)
      : say("Delete {n} {n:job and its folder|jobs and their folders}?", values);
  }

  function actions(group) {
    const words = window.studio.jobs;
    const row = el("div", { class: "row" });
    const about = (text) => ({ "aria-label": `${text} ${name(group)}` });
    const unended = size(group) - sum(group, words.ENDED);
    const failed = sum(group, new Set(AGAIN));
    const path = `/api/groups/${encodeURIComponent(group.id)}`;
    if (unended) {
      row.append(words.button(say("Stop all"), () => words.confirm(row, say("Stop all that have not ended ({n})? What runs saves its work.", { n: unended }), say("Stop all"), () => act("POST", `${path}/stop`)), about(say("Stop all"))));
    }
    if (failed) row.append(words.button(say("Rerun failed"), () => act("POST", `${path}/rerun`), { ...about(say("Rerun failed")), title: say("Queues again what failed, was stopped or lost; each goes on from its last checkpoint") }));
    row.append(compareLink(group));
    if (!unended) {
      row.append(words.button(say("Delete"), () => words.confirm(row, question(group), say("Delete"),
        () => act("DELETE", path, say("{job} was deleted.", { job: name(group) }))), { ...about(say("Delete")), class: "ghost" }));
    }
    return row;
  }

  window.studio.groupRow = { fill, size, name, compareLink };
})();
