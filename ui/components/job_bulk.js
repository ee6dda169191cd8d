// What is done to all selected jobs at once: one question that says how many and what happens, and an account of each
// job to which it could not be done.
(() => {
  "use strict";
  const { el, call, toast, open, remember, say } = window.studio;
  const AT_ONCE = 50; // jobs in one call, so that progress is seen and it can be ended in between
  const COMPARED = 400; // as many as Compare takes
  const LISTED = 200; // refusals in a list
  const ended = (job) => window.studio.jobs.ENDED.has(job.state);

  // action -> its name, to which jobs it can be done, what is asked before (nothing: no question), and what is said after
  const ACTIONS = {
    stop: { name: say("Stop"), fits: (job) => !ended(job) && job.state !== "stopping",
      ask: (n) => say("Stop {n} {n:job|jobs}?", { n }), what: say("What runs saves its work and ends; what waits is taken out of the queue. All can be resumed."),
      done: (n) => say("Jobs asked to stop: {n}", { n }) },
    resume: { name: say("Resume"), fits: (job) => job.resumable,
      ask: (n) => say("Resume {n} {n:job|jobs}?", { n }), what: say("Each is queued again and goes on from its last checkpoint."),
      done: (n) => say("Jobs queued again: {n}", { n }) },
    hold: { name: say("Hold"), fits: (job) => job.state === "queued" && !job.held, done: (n) => say("Jobs held: {n}", { n }) },
    release: { name: say("Release"), fits: (job) => job.state === "queued" && job.held, done: (n) => say("Jobs released: {n}", { n }) },
    delete: { name: say("Delete"), fits: ended, danger: true,
      ask: (n) => say("Delete {n} {n:job and its folder|jobs and their folders}?", { n }), what: say("Models, checkpoints, curves and logs go for good."),
      done: (n) => say("Jobs deleted: {n}", { n }) },
  };

  window.StudioJobBulk = class {
    // `selection` of `source`; `filters`: what "all that match" means.
    constructor(selection, source, filters) {
      Object.assign(this, { selection, source, filters });
      this.count = el("b", { class: "num", role: "status" });
      this.all = el("button", { class: "link", type: "button", "data-server": "", onclick: () => selection.add(filters.query()) });
      this.none = el("button", { class: "link", type: "button", text: say("Select none"), onclick: () => selection.clear() });
      this.buttons = Object.entries(ACTIONS).map(([action, { name, danger }]) => [action, el("button", { class: `btn small ${danger ? "danger" : ""}`, type: "button", "data-server": "", "data-action": action, text: name,
        onclick: () => this.begin(action) })]);
      this.tag = el("button", { class: "btn small", type: "button", "data-server": "", text: say("Tag"), onclick: () => this.askTag() });
      this.compare = el("button", { class: "btn small", type: "button", text: say("Compare"), onclick: () => this.toCompare() });
      const acts = this.buttons.map(([, button]) => button);
      this.root = el("div", { class: "bulk", role: "region", "aria-label": say("Selected jobs"), hidden: true },
        el("div", { class: "row" }, this.count, this.all, this.none), el("div", { class: "row" }, ...acts.slice(0, -1), this.tag, this.compare, ...acts.slice(-1)));
    }

    // `matching`: how many jobs match the filters.
    draw(matching) {
      const jobs = this.selection.list();
      this.root.hidden = !jobs.length;
      this.count.textContent = say("{n} {n:job|jobs} selected", { n: jobs.length.toLocaleString("en") });
      this.all.hidden = jobs.length >= matching;
      this.all.textContent = say("Select all {n} that match", { n: matching.toLocaleString("en") });
      for (const [action, button] of this.buttons) {
        const n = jobs.filter(ACTIONS[action].fits).length;
        button.textContent = n ? `${ACTIONS[action].name} ${n.toLocaleString("en")}` : ACTIONS[action].name;
        this.able(button, n > 0, say("None of the selected jobs is in a state for this"));
      }
      this.able(this.compare, jobs.length > 1 && jobs.length <= COMPARED, say("Compare takes 2 to {most} jobs", { most: COMPARED }));
    }

    // The server's absence disables buttons too, and enables them again.
    able(button, can, why) {
      const away = button.dataset.offline !== undefined;
      if (away) button.dataset.offline = can ? "" : why;
      else [button.disabled, button.title] = [!can, can ? "" : why];
    }

    toCompare() {
      const runs = this.selection.list().map(({ id }) => id).join(",");
      remember({ tab: "compare", runs, group: null }, true);
      open("compare", { runs, group: null });
    }

    // --- asking ------------------------------------------------------------------------------------------------------
    begin(action) {
      const { fits, ask, what, name, danger } = ACTIONS[action];
      const jobs = this.selection.list();
      const fit = jobs.filter(fits);
      const ids = fit.map(({ id }) => id);
      if (!ask) return this.carryOut(window.studio.dialog.open(name), action, ids);
      const dialog = window.studio.dialog.open(ask(fit.length.toLocaleString("en")));
      const others = jobs.length - fit.length;
      dialog.body.append(el("p", { text: what }));
      if (others) dialog.body.append(el("p", { text: say("Selected jobs in another state, which stay as they are: {n}", { n: others.toLocaleString("en") }) }));
      const kept = fit.filter((job) => job.kept).length;
      if (kept && action === "delete") dialog.body.append(el("p", { class: "note" }, el("span", { class: "i i-warn", "aria-hidden": "true" }), el("span", { text: say("With the tag keep among them: {n}", { n: kept.toLocaleString("en") }) })));
      const keep = el("button", { class: "btn", type: "button", text: say("Keep"), onclick: dialog.close });
      if (action !== "delete") keep.textContent = say("Not now");
      dialog.row.append(el("button", { class: `btn ${danger ? "danger" : "primary"}`, type: "button", text: name, onclick: () => this.carryOut(dialog, action, ids) }), keep);
      keep.focus();
      return dialog.closed;
    }

    askTag() {
      const jobs = this.selection.list();
      const dialog = window.studio.dialog.open(say("Tags of the selected jobs ({n})", { n: jobs.length.toLocaleString("en") }));
      const known = el("datalist", { id: "bulk-tags" });
      const field = (label, help) => el("label", { class: "fieldset" }, el("b", { text: label }), el("input", { class: "in", list: known.id, autocomplete: "off" }), el("span", { class: "small muted", text: help }));
      const [add, remove] = [field(say("Put on"), say("One word or several, with blanks between them.")), field(say("Take off"), say("From those that have them."))];
      const words = (label) => label.querySelector("input").value.split(/[\s,]+/).filter(Boolean);
      dialog.body.append(add, remove, known);
      dialog.row.append(el("button", { class: "btn primary", type: "button", text: say("Save"), onclick: () => {
        const change = { add: words(add), remove: words(remove) };
        if (change.add.length || change.remove.length) this.carryOut(dialog, "tag", jobs.map(({ id }) => id), change);
      } }));
      add.querySelector("input").focus();
      call("GET", "/api/tags").then(({ tags }) => known.append(...Object.keys(tags).map((value) => el("option", { value })))).catch(() => null); // then a tag is typed whole
      return dialog.closed;
    }

    // --- doing -------------------------------------------------------------------------------------------------------
    async carryOut(dialog, action, ids, more = {}) {
      const [done, refused] = [[], []];
      let trouble = "";
      let halted = false;
      const bar = el("div");
      const far = el("p", { class: "num", role: "status" });
      dialog.body.replaceChildren(bar, far);
      dialog.row.replaceChildren(el("button", { class: "btn", type: "button", text: say("Not the rest"), onclick: () => (halted = true) }));
      dialog.busy(true);
      for (let at = 0; at < ids.length && !halted && !trouble; at += AT_ONCE) {
        bar.replaceChildren(window.studio.jobs.meter({ step: at, total: ids.length }, say("Progress")));
        far.textContent = say("{n} of {total}", { n: at.toLocaleString("en"), total: ids.length.toLocaleString("en") });
        try {
          const outcome = await call("POST", "/api/jobs/bulk", { action, ids: ids.slice(at, at + AT_ONCE), ...more });
          done.push(...outcome.done);
          refused.push(...outcome.refused);
        } catch (error) {
          trouble = error.message;
        }
      }
      dialog.busy(false);
      if (action === "delete") this.selection.without(done);
      this.source.soon();
      const said = this.said(action, done.length);
      const left = ids.length - done.length - refused.length;
      if (!refused.length && !trouble && !left) {
        dialog.close();
        return toast(said);
      }
      this.account(dialog, done.length ? said : "", refused, trouble, left);
    }

    said(action, n) {
      const number = n.toLocaleString("en");
      return action === "tag" ? say("Jobs with other tags now: {n}", { n: number }) : ACTIONS[action].done(number);
    }

    account(dialog, said, refused, trouble, left) {
      const note = (kind, icon, text) => el("div", { class: `note ${kind}`, role: kind === "bad" ? "alert" : "status" }, el("span", { class: `i i-${icon}`, "aria-hidden": "true" }), el("span", { text }));
      const parts = [];
      if (said) parts.push(note("info", "info", said));
      if (trouble) parts.push(note("bad", "bad", trouble));
      if (left) parts.push(el("p", { text: say("Not reached, and still selected: {n}", { n: left.toLocaleString("en") }) }));
      if (refused.length) {
        parts.push(el("p", { text: say("Not done: {n}", { n: refused.length.toLocaleString("en") }) }),
          el("ul", { class: "refused", tabindex: 0, "aria-label": say("Refusals") }, ...refused.slice(0, LISTED).map(({ id, why }) => el("li", {}, el("b", { text: `${id.replace("-", " ")}: ` }), el("span", { text: why }))),
            refused.length > LISTED ? el("li", { text: say("and {n} more", { n: refused.length - LISTED }) }) : null));
      }
      const close = el("button", { class: "btn primary", type: "button", text: say("Close"), onclick: dialog.close });
      dialog.body.replaceChildren(...parts);
      dialog.row.replaceChildren(close);
      close.focus();
    }
  };
})();
