// The Jobs screen's first page: devices on top, below them the jobs, what runs first; sweeps and pipelines folded.
window.studio.components.job_list = (element) => {
  "use strict";
  const { el, whenGone, params, calm, say } = window.studio;
  const words = window.studio.jobs;
  const root = element.querySelector(".jobs-list") || element;
  const rows = new Map(); // key (a job's id, a group's) -> {node, shown}: what it was filled with

  // --- the parts -------------------------------------------------------------------------------------------------
  const filters = new window.StudioJobFilters(root.dataset.kinds.split(","), begin);
  const source = new window.StudioJobSource(query, () => calm(draw));
  const selection = new window.StudioJobSelection(source, mark);
  const bulk = new window.StudioJobBulk(selection, source, filters);
  const strip = new window.StudioDeviceStrip();
  const tick = (key, text) => selection.tick(key, text);

  const body = el("tbody");
  const everything = el("input", { type: "checkbox", "aria-label": say("Select all shown"), title: say("Select all shown"),
    onclick: () => selectShown(everything.checked) });
  const table = el("table", { class: "jobs" },
    el("caption", { class: "sr", text: say("All runs") }),
    el("thead", {}, el("tr", {}, el("th", { class: "x" }, everything),
      ...[say("State"), say("Job"), say("Progress"), say("Device"), say("Started, ran for")].map((text) => el("th", { scope: "col", text })),
      el("th", { scope: "col" }, el("span", { class: "sr", text: say("Actions") })))),
    body);
  const message = el("div", { class: "jobs-message" });
  const further = words.button(say("Load more"), load, { class: "further" });
  const panel = el("section", { class: "panel", "aria-label": say("Runs") }, filters.root, bulk.root, table, message, further);
  const empty = el("div", { class: "empty", hidden: true },
    el("h3", { text: say("No jobs yet") }),
    el("p", { class: "muted", text: say("A job is anything that takes time: training, conversion, sampling. The bundled sudoku run takes about a minute on a laptop.") }),
    el("div", { class: "row" }, words.button(say("Run the sudoku demo"), words.demo, { class: "primary", id: "sudoku-demo" }),
      el("button", { class: "btn", type: "button", text: say("New job"), onclick: () => window.studio.open("train") })));
  root.replaceChildren(
    el("div", { class: "head" }, el("h1", { text: say("Jobs") }),
      el("div", { class: "row" }, window.studio.bells.allButton(),
        el("button", { class: "btn", type: "button", text: say("Clean up"), title: say("Delete old runs, or only their checkpoints"), onclick: () => window.studio.cleanup.open(() => source.soon()) }),
        el("button", { class: "btn primary new-job", type: "button", text: say("New job"), onclick: () => window.studio.open("train") }))),
    strip.root, panel, empty);

  // Other filters: another list. What was selected in the last one could not be seen in this one.
  function begin() {
    selection.clear();
    source.restart();
    openGroup();
  }

  function query() {
    const found = filters.query();
    if (filters.folds) found.set("fold", "true");
    return found;
  }

  // --- rows ----------------------------------------------------------------------------------------------------------
  // [key, what it shows, whether it is a group's member], in order: an unfolded group is followed by its jobs.
  function lines() {
    const found = [];
    for (const id of source.heads) {
      const job = source.job(id);
      const group = filters.folds && source.groups.get(job.group);
      if (!group) {
        found.push([id, job, false]);
        continue;
      }
      found.push([group.id, group, false]);
      for (const member of source.members.get(group.id) || []) found.push([member, source.job(member), true]);
    }
    return found;
  }

  function toggle(group) {
    if (source.members.has(group)) source.fold(group);
    else source.unfold(group).catch((error) => window.studio.toast(error.message, "bad"));
  }

  function fill(row, key, shown, member) {
    if (source.groups.get(key) === shown) {
      window.studio.groupRow.fill(row, shown, { tick, opened: source.members.has(key), toggle: () => toggle(key) });
    } else window.studio.jobRow.fill(row, shown, { filters, tick, member });
  }

  // What was shown, as text: a group also by whether it is unfolded.
  const content = (key, shown, member) => JSON.stringify([shown, member, source.members.has(key)]);

  function node(key, shown, member) {
    if (!rows.has(key)) rows.set(key, { node: el("tr"), shown: null, member: false, text: "" });
    const row = rows.get(key);
    const text = row.shown === shown && row.member === member && !source.groups.has(key) ? row.text : content(key, shown, member);
    // A row that asks something is left alone until it is answered, unless its job came to another state.
    if (row.text !== text && (!row.node.querySelector("[data-asking]") || row.node.dataset.state !== shown.state)) {
      const inside = "a, button, input";
      const focused = row.node.contains(document.activeElement) ? [...row.node.querySelectorAll(inside)].indexOf(document.activeElement) : -1;
      fill(row.node, key, shown, member);
      Object.assign(row, { shown, member, text });
      if (focused >= 0) (row.node.querySelectorAll(inside)[focused] || row.node.querySelector("a")).focus();
    }
    return row.node;
  }

  // --- the whole -----------------------------------------------------------------------------------------------------
  function draw() {
    if (!source.loaded || dragging()) return; // a row that is put elsewhere is not dragged any more
    clearTimeout(waiting);
    const nodes = lines().map((line) => node(...line));
    if (nodes.length !== body.children.length || nodes.some((one, i) => body.children[i] !== one)) {
      const focused = document.activeElement; // a row that is put elsewhere loses it
      body.replaceChildren(...nodes);
      if (body.contains(focused)) focused.focus();
      const there = new Set(nodes);
      for (const [key, { node: one }] of rows) if (!there.has(one)) rows.delete(key);
    }
    filters.count(source.states);
    const nothing = !source.total && !source.trouble;
    empty.hidden = !nothing || filters.narrowed;
    panel.hidden = !empty.hidden;
    table.hidden = !nodes.length;
    further.hidden = !source.more;
    further.textContent = say("Load more: {n} of {total} are shown", { n: source.heads.length.toLocaleString("en"), total: source.total.toLocaleString("en") });
    const told = source.trouble || (nothing && filters.narrowed ? "none" : "");
    if (message.dataset.told !== told) message.replaceChildren(...(source.trouble ? [trouble()] : told ? [noMatch()] : []));
    message.dataset.told = told; // with each news it would lose the focus, and be read out again
    if (source.more) again();
    strip.draw(source.live.values());
    mark();
  }

  // The boxes, and what can be done with those that are ticked.
  function mark() {
    const boxes = [...body.querySelectorAll("input[data-key]")];
    boxes.forEach((box) => selection.mark(box));
    const ticked = boxes.filter((box) => box.checked).length;
    everything.checked = boxes.length > 0 && ticked === boxes.length;
    everything.indeterminate = ticked > 0 && ticked < boxes.length;
    bulk.draw(matching());
  }

  function matching() {
    const states = filters.query().getAll("state");
    return Object.entries(source.states).reduce((sum, [state, n]) => sum + (!states.length || states.includes(state) ? n : 0), 0);
  }

  async function selectShown(on) {
    await Promise.all([...body.querySelectorAll("input[data-key]")].map((box) => selection.set(box.dataset.key, on)));
    mark();
  }

  async function load() {
    try {
      await source.further();
    } catch (error) {
      window.studio.toast(error.message, "bad");
    }
  }
  const watcher = new IntersectionObserver(([seen]) => seen.isIntersecting && !further.disabled && !further.hidden && further.click(), { rootMargin: "400px" });
  // It tells of changes only: asked anew, it says where the button is now.
  function again() {
    watcher.unobserve(further);
    watcher.observe(further);
  }

  const note = (kind, icon, ...parts) => el("div", { class: `note ${kind}`, role: kind === "bad" ? "alert" : "status" }, words.icon(icon), el("span", {}, ...parts));
  const link = (text, act) => el("button", { class: "link", type: "button", text, onclick: act });
  const noMatch = () => note("info", "info", say("Nothing matches these filters."), " ", link(say("Clear filters"), () => filters.clear()));
  const trouble = () => note("bad", "warn", source.trouble, " ", link(say("Try again"), () => source.ask()));

  // Until the first rows are there: nothing for a moment, then lines of their height.
  const waiting = setTimeout(() => !source.loaded && message.replaceChildren(
    ...["62%", "100%", "84%", "40%"].map((width) => el("div", { class: "sk", style: `width:${width}` }))), 400);

  // Not of the stream alone, which may come after the first rows.
  const dragging = window.studio.queue.arrange(body, { get: (id) => source.job(id) }, draw);
  selection.arrange(body);
  const timer = setInterval(() => {
    for (const [key, { node: one }] of rows) {
      const job = source.job(key);
      if (job && words.ACTIVE.has(job.state) && one.isConnected) one.querySelector(".ran").textContent = words.duration(job);
    }
  }, 1000);

  // Another address: a run's page instead of the list, or another list.
  function place() {
    root.hidden = Boolean(params.run);
    if (!root.hidden && filters.moved()) begin();
  }

  // ?group=ID shows what is in it.
  function openGroup() {
    const { group } = filters.now;
    if (group && filters.folds && !source.members.has(group)) toggle(group);
  }
  window.addEventListener("studio:open", place);
  place();
  openGroup();
  draw();
  whenGone(root, () => {
    source.close();
    watcher.disconnect();
    clearInterval(timer);
    window.removeEventListener("studio:open", place);
  });
};
