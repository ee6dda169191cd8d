// The Jobs screen's first page: devices on top, below them every run, newest work first.
window.studio.components.job_list = (element) => {
  "use strict";
  const { el, subscribe, whenGone, params, call, segments, say } = window.studio;
  const words = window.studio.jobs;
  const root = element.querySelector(".jobs-list") || element;
  const GROUPS = { all: say("All"), active: say("Active"), queued: say("Queued"), ended: say("Ended") };
  const jobs = new Map();
  const rows = new Map(); // id -> {node, text}
  let devices = [];
  let group = "all";
  let loaded = false;

  // --- the fixed parts -------------------------------------------------------------------------------------------
  const strip = el("section", { class: "devices", "aria-label": say("Devices") });
  const filter = segments(say("State"), GROUPS, group, (name) => {
    group = name;
    draw();
  });
  const kind = el("select", { class: "in", "aria-label": say("Kind"), onchange: () => draw() }, el("option", { value: "", text: say("Any kind") }));
  const search = el("input", { class: "in", type: "search", placeholder: say("Search name or number"), "aria-label": say("Search name or number"),
    oninput: () => draw() });
  const body = el("tbody");
  const table = el("table", { class: "jobs" },
    el("caption", { class: "sr", text: say("All runs") }),
    el("thead", {}, el("tr", {}, ...[say("State"), say("Job"), say("Progress"), say("Device"), say("Started, ran for")].map((text) => el("th", { scope: "col", text })),
      el("th", { scope: "col" }, el("span", { class: "sr", text: say("Actions") })))),
    body);
  const message = el("div", { class: "jobs-message" });
  const panel = el("section", { class: "panel", "aria-label": say("Runs") },
    el("div", { class: "head" }, filter, el("div", { class: "row finds" }, kind, search)), table, message);
  const empty = el("div", { class: "empty", hidden: true },
    el("h3", { text: say("No jobs yet") }),
    el("p", { class: "muted", text: say("A job is anything that takes time: training, conversion, sampling. The bundled sudoku run takes about a minute on a laptop.") }),
    el("div", { class: "row" }, words.button(say("Run the sudoku demo"), words.demo, { class: "primary", id: "sudoku-demo" }),
      el("button", { class: "btn", type: "button", text: say("New job"), onclick: () => window.studio.open("train") })));
  root.replaceChildren(
    el("div", { class: "head" }, el("h1", { text: say("Jobs") }),
      el("button", { class: "btn primary new-job", type: "button", text: say("New job"), onclick: () => window.studio.open("train") })),
    strip, panel, empty);

  // --- devices -----------------------------------------------------------------------------------------------------
  function drawDevices() {
    const holders = new Map();
    for (const job of jobs.values()) for (const id of job.devices || []) holders.set(id, job);
    strip.hidden = !devices.length;
    strip.replaceChildren(...devices.map((device) => {
      const job = holders.get(device.id);
      const head = el("div", { class: "nm" }, el("b", { text: short(device) }), el("span", { class: "small muted num", text: job && job.total && job.kind !== "serve" ? words.percent(job) : "" }));
      if (!job) return el("div", { class: "free" }, head, el("p", { text: say("free") }), el("p", { class: "small muted", text: say("starts the next job at once") }));
      const bar = words.share(job) !== null && job.kind !== "serve";
      return el("div", {}, head, bar ? words.meter(job, say("Progress on {device}", { device: short(device) })) : null,
        el("p", {}, words.link(job, words.number(job))),
        el("p", { class: "small muted num", text: (bar && job.state === "running" && words.left(job)) || words.standing(job) || job.state }));
    }));
  }

  const short = (device) => device.label.replace(/^(CPU slot \d+) of \d+$/, "$1");

  function askDevices() {
    call("GET", "/api/devices").then((reply) => {
      devices = reply.devices;
      drawDevices();
    }).catch(() => null); // the amber note over the page says it already
  }

  // --- rows ----------------------------------------------------------------------------------------------------------
  function fill(row, job) {
    const reason = words.ENDED.has(job.state) && job.state !== "succeeded" ? words.why(job) : "";
    const cells = [
      el("td", { class: "st" }, words.badge(job.state)),
      el("td", { class: "n", colspan: reason ? 2 : null }, words.link(job, words.name(job)),
        el("span", { class: "sub num", text: words.number(job) }), reason ? el("span", { class: "why", text: reason }) : null),
      reason ? null : el("td", { class: "p" }, progress(job)),
      el("td", { class: "d num", text: words.devices(job) }),
      el("td", { class: "s num" }, job.state === "queued" ? "" : words.clock(job.started_at || job.created_at), el("span", { class: "sub ran", text: words.duration(job) })),
      el("td", { class: "a" }, actions(job)),
    ];
    row.className = job.kind === "serve" ? "quiet" : "";
    row.dataset.job = job.id;
    row.dataset.state = job.state;
    row.draggable = job.state === "queued";
    row.replaceChildren(...cells.filter(Boolean));
  }

  function progress(job) {
    const moving = job.state === "running" && job.kind !== "serve" && words.share(job) !== null;
    if (!moving) return el("span", { class: "muted", text: words.standing(job) });
    const phase = job.kind === "train" && job.phase === "training" ? "" : words.lower(job.phase || "");
    return el("div", { class: "pb" }, words.meter(job, say("Progress of {job}", { job: words.number(job) })),
      el("span", { class: "num", text: [words.percent(job), words.left(job) || phase].filter(Boolean).join(", ") }));
  }

  function actions(job) {
    const row = el("div", { class: "row" });
    const about = (text) => ({ "aria-label": `${text} ${words.number(job)}` });
    if (job.state === "queued") row.append(...window.studio.queue.buttons(job, about), words.button(say("Cancel"), () => words.stop(job), about(say("Cancel"))));
    else if (job.state === "stopping") row.append(el("button", { class: "btn", type: "button", disabled: true, text: say("Stopping") }));
    else if (words.ACTIVE.has(job.state)) row.append(words.button(say("Stop"), () => words.stop(job), about(say("Stop"))));
    else {
      const again = words.again(job);
      if (again) row.append(words.button(again, () => words.resume(job), about(again)));
      else if (job.state === "succeeded") row.append(words.button(say("Open"), () => words.show(job.id), about(say("Open"))));
      row.append(words.button(say("Delete"), () => words.confirm(row, say("Delete it and its folder?"), say("Delete"), () => words.remove(job)),
        { ...about(say("Delete")), class: "ghost" }));
    }
    return row;
  }

  // --- the whole -----------------------------------------------------------------------------------------------------
  const inGroup = {
    all: () => true,
    active: (job) => words.ACTIVE.has(job.state),
    queued: (job) => job.state === "queued",
    ended: (job) => words.ENDED.has(job.state),
  };

  // What runs comes first, then what waits in the order of its turn, then what ended last.
  function order(a, b) {
    const rank = (job) => (words.ACTIVE.has(job.state) ? 0 : job.state === "queued" ? 1 : 2);
    if (rank(a) !== rank(b)) return rank(a) - rank(b);
    if (rank(a) === 1) return (a.queue_position || 0) - (b.queue_position || 0);
    return rank(a) === 2 ? (b.ended_at || 0) - (a.ended_at || 0) : b.created_at - a.created_at;
  }

  function draw() {
    if (!loaded) return;
    const all = [...jobs.values()].sort(order);
    for (const item of filter.children) {
      const name = item.dataset.name;
      item.textContent = `${GROUPS[name]} ${all.filter(inGroup[name]).length}`;
    }
    drawKinds(all);
    const wanted = search.value.trim().toLowerCase();
    const shown = all.filter((job) => inGroup[group](job) && (!kind.value || job.kind === kind.value) &&
      `${words.name(job)} ${words.number(job)} ${job.id}`.toLowerCase().includes(wanted));
    const nodes = shown.map((job) => {
      const text = JSON.stringify(job);
      if (!rows.has(job.id)) rows.set(job.id, { node: el("tr"), text: "" });
      const row = rows.get(job.id);
      // A row that asks something is left alone until it is answered, unless its job came to another state.
      if (row.text !== text && (!row.node.querySelector("[data-asking]") || row.node.dataset.state !== job.state)) {
        const focused = row.node.contains(document.activeElement) ? [...row.node.querySelectorAll("a, button")].indexOf(document.activeElement) : -1;
        fill(row.node, job);
        row.text = text;
        if (focused >= 0) (row.node.querySelectorAll("a, button")[focused] || row.node.querySelector("a")).focus();
      }
      return row.node;
    });
    if (nodes.length !== body.children.length || nodes.some((node, i) => body.children[i] !== node)) {
      const focused = document.activeElement; // a row that is put elsewhere loses it
      body.replaceChildren(...nodes);
      if (body.contains(focused)) focused.focus();
    }
    empty.hidden = all.length > 0;
    panel.hidden = all.length === 0;
    table.hidden = !nodes.length;
    message.replaceChildren(...(all.length && !nodes.length ? [nothing()] : []));
    drawDevices();
  }

  function drawKinds(all) {
    const kinds = [...new Set(all.map((job) => job.kind))].sort();
    if (kinds.join() === [...kind.options].slice(1).map((option) => option.value).join()) return;
    const chosen = kind.value;
    kind.replaceChildren(el("option", { value: "", text: say("Any kind") }), ...kinds.map((value) => el("option", { value, text: value })));
    kind.value = kinds.includes(chosen) ? chosen : "";
  }

  function nothing() {
    const clear = el("button", { class: "link", type: "button", text: say("Clear filters"), onclick: () => {
      search.value = "";
      kind.value = "";
      filter.firstElementChild.click();
    } });
    return el("div", { class: "note info", role: "status" }, words.icon("info"), el("span", {}, say("Nothing matches these filters."), " ", clear));
  }

  // Until the first rows are there: nothing for a moment, then lines of their height.
  const waiting = setTimeout(() => !loaded && message.replaceChildren(
    ...["62%", "100%", "84%", "40%"].map((width) => el("div", { class: "sk", style: `width:${width}` }))), 400);

  const leave = subscribe("jobs", (news) => {
    if (news.error) return message.replaceChildren(el("div", { class: "note bad", role: "alert" }, words.icon("warn"), el("span", { text: news.error })));
    if (news.reset) jobs.clear();
    for (const job of news.jobs || []) jobs.set(job.id, job);
    for (const id of news.removed || []) {
      jobs.delete(id);
      rows.delete(id);
    }
    loaded = true;
    clearTimeout(waiting);
    draw();
  });

  window.studio.queue.arrange(body, jobs);
  const tick = setInterval(() => {
    for (const [id, { node }] of rows) {
      const job = jobs.get(id);
      if (job && words.ACTIVE.has(job.state) && node.isConnected) node.querySelector(".ran").textContent = words.duration(job);
    }
  }, 1000);

  const place = () => (root.hidden = Boolean(params.run));
  window.addEventListener("studio:open", place);
  place();
  askDevices();
  whenGone(root, () => {
    leave();
    clearInterval(tick);
    window.removeEventListener("studio:open", place);
  });
};
