// One job as a row of the list: its state, name and tags, how far it is, where and when, and what can be done with it.
(() => {
  "use strict";
  const { el, say } = window.studio;
  const MORE = "more";

  // `filters`: to narrow the list down by a tag or a group; `tick(key, text)`: the box that selects the row.
  function fill(row, job, { filters, tick, member }) {
    const words = window.studio.jobs;
    const reason = words.ENDED.has(job.state) && job.state !== "succeeded" ? words.why(job) : "";
    const cells = [
      tick(job.id, words.number(job)),
      el("td", { class: "st" }, words.badge(job.state)),
      el("td", { class: "n", colspan: reason ? 2 : null }, words.link(job, words.name(job)), under(job, filters, member),
        reason ? el("span", { class: "why", text: reason }) : null),
      reason ? null : el("td", { class: "p" }, progress(job)),
      el("td", { class: "d num", text: words.devices(job) }),
      el("td", { class: "s num" }, job.state === "queued" ? "" : words.clock(job.started_at || job.created_at), el("span", { class: "sub ran", "data-label": say("ran for"), text: words.duration(job) })),
      el("td", { class: "a" }, actions(job)),
    ];
    row.className = [job.kind === "serve" && "quiet", member && "member"].filter(Boolean).join(" ");
    row.dataset.job = job.id;
    row.dataset.state = job.state;
    row.draggable = job.state === "queued";
    row.replaceChildren(...cells.filter(Boolean));
  }

  // The line below the name: number, model, what it belongs to, tags.
  function under(job, filters, member) {
    const words = window.studio.jobs;
    const parts = [el("span", { class: "num", text: words.number(job) })];
    if (job.priority) parts.push(el("span", { class: "num", text: say("priority {n}", { n: job.priority }) }));
    if (job.group && !member) parts.push(el("button", { class: "link", type: "button", text: job.group, title: say("Show only what belongs to it"), onclick: () => filters.set({ group: job.group, search: "", tags: [] }) }));
    if (job.place) parts.push(el("span", { text: job.place }));
    if (job.model) parts.push(el("span", { text: job.model, title: say("Its model") }));
    for (const tag of job.tags || []) {
      parts.push(el("button", { class: "chip", type: "button", text: tag, title: say("Show only jobs with this tag"), onclick: () => filters.addTag(tag) }));
    }
    return el("span", { class: "sub" }, ...parts);
  }

  function progress(job) {
    const words = window.studio.jobs;
    const moving = job.state === "running" && job.kind !== "serve" && words.share(job) !== null;
    if (!moving) return el("span", { class: "muted", text: words.standing(job) });
    const phase = job.kind === "train" && job.phase === "training" ? "" : words.phase(job);
    return el("div", { class: "pb" }, words.meter(job, say("Progress of {job}", { job: words.number(job) })),
      el("span", { class: "num", text: [words.percent(job), words.left(job) || phase].filter(Boolean).join(", ") }));
  }

  function actions(job) {
    const words = window.studio.jobs;
    const row = el("div", { class: "row" });
    const about = (text) => ({ "aria-label": `${text} ${words.number(job)}` });
    if (job.state === "queued") row.append(...window.studio.queue.buttons(job, about), words.button(say("Cancel"), () => words.stop(job), about(say("Cancel"))));
    else if (job.state === "stopping") row.append(el("button", { class: "btn", type: "button", disabled: true, text: say("Stopping") }));
    else if (words.ACTIVE.has(job.state)) row.append(words.button(say("Stop"), () => words.stop(job), about(say("Stop"))));
    else {
      const again = words.again(job);
      if (again) row.append(words.button(again, () => words.resume(job), about(again)));
      else if (job.state === "succeeded") row.append(words.button(say("Open"), () => words.show(job.id), about(say("Open"))));
      row.append(words.button(say("Delete"), () => words.confirm(row, job.tags.includes("keep") ? say("It has the tag keep. Delete it and its folder?") : say("Delete it and its folder?"), say("Delete"), () => words.remove(job)),
        { ...about(say("Delete")), class: "ghost" }));
    }
    if (!words.ENDED.has(job.state)) row.append(window.studio.bells.button(job));
    row.append(el("button", { class: "btn ghost sq", type: "button", "data-more": job.id, "aria-haspopup": "dialog", title: say("Tags and priority"),
      "aria-label": say("More about {job}", { job: words.number(job) }), onclick: () => window.studio.jobMore.open(job) }, words.icon(MORE)));
    return row;
  }

  window.studio.jobRow = { fill };
})();
