// Runs side by side: ?runs=ID,ID, or all of a pipeline or sweep: ?group=ID. The figures come from the API; what goes on
// is asked for again when the stream tells that a run has moved.
window.studio.components.compare = (element) => {
  "use strict";
  const { el, call, subscribe, whenGone, params, remember, open, say } = window.studio;
  const looks = window.StudioCompareLooks;
  const words = window.studio.jobs;
  const root = element.querySelector(".compare") || element;
  const AGAIN = 4000; // milliseconds between two looks at the table
  let wish = { runs: [], group: "" }; // what the address names
  let found = null; // the server's Comparison of it
  let plotted = []; // ids of those with curves
  let moved = false; // whether any of them may have more to show
  let drawing = 0;
  const states = new Map(); // id -> the state that the stream told last
  const slots = new Map(); // id -> number of its look
  const off = new Set(); // ids whose curves are hidden
  let timer = 0;

  // --- the parts ---------------------------------------------------------------------------------------------------
  const light = (id) => {
    curves.light(id);
    axes.show(id);
  };
  const points = new window.StudioComparePoints(draw, (error) => fail(error, false));
  const picker = new window.StudioComparePicker({ chosen: ids, add: (id) => go({ runs: [...ids(), id] }), addGroup: addGroup });
  const runs = new window.StudioCompareRuns({ hide, remove, light: (id) => light(id) });
  const curves = new window.StudioCompareCurves({
    choose: (names) => (remember({ figures: names.join(",") }), draw()),
    closer: async (ranges) => Object.fromEntries(await Promise.all(Object.entries(ranges).map(async ([id, [first, last]]) => [id, (await points.closer(id, first, last)) || {}]))),
  });
  const axes = new window.StudioCompareAxes({ choose: () => draw(), light: (id) => curves.light(id) });
  const table = new window.StudioCompareTable({ by: (field) => (remember({ by: field }), draw()), remove, light: (id) => light(id), sorted: () => draw() });
  const trouble = el("div", { class: "note bad", role: "alert", hidden: true });
  const gone = el("div", { class: "note", role: "status", hidden: true });
  const common = el("div", { class: "note info", role: "status", hidden: true });
  const about = el("span", { class: "muted" });
  const every = el("button", { class: "btn small", type: "button", hidden: true, text: say("Clear"), onclick: () => go({ runs: [] }) });
  const waiting = el("div", { class: "panel", hidden: true }, ...["62%", "100%", "84%", "40%"].map((width) => el("div", { class: "sk", style: `width:${width}` })));
  const newest = words.button(say("Compare the newest trainings"), compareNewest, { class: "primary" });
  const empty = el("div", { class: "empty", hidden: true }, el("h3", { text: say("No runs chosen yet") }),
    el("p", { class: "muted", text: say("Choose two or more above. Their curves are laid over each other, and a table says in which settings they differ. A sweep brings all its runs.") }),
    el("div", { class: "row" }, newest, el("button", { class: "btn", type: "button", text: say("New job"), onclick: () => open("train") })));
  root.replaceChildren(
    el("div", { class: "head title" }, el("h1", { text: say("Compare") }), about),
    el("section", { class: "panel", "aria-label": say("Runs") }, el("div", { class: "head" }, el("h2", { text: say("Runs") }), every), picker.root, runs.root),
    trouble, gone, common, empty, waiting, curves.root, axes.root, table.root);

  // --- which runs --------------------------------------------------------------------------------------------------
  function ids() {
    return wish.group && found ? found.rows.map((row) => row.job) : wish.runs;
  }

  // Other runs, as a step in the browser's history.
  function go({ runs: chosen, group = "" }) {
    remember({ tab: "compare", runs: [...new Set(chosen)].join(","), group, run: null }, true);
    follow();
  }

  async function addGroup(group) {
    if (!ids().length) return go({ runs: [], group });
    try {
      const { rows } = await call("GET", `/api/compare?group=${encodeURIComponent(group)}`);
      go({ runs: [...ids(), ...rows.map((row) => row.job)] });
    } catch (error) {
      fail(error, false);
    }
  }

  function remove(id) {
    go({ runs: ids().filter((one) => one !== id) });
  }

  function hide(id) {
    if (!off.delete(id)) off.add(id);
    draw();
  }

  async function compareNewest() {
    try {
      const { jobs } = await call("GET", "/api/jobs?kind=train&limit=2");
      if (jobs.length) go({ runs: jobs.map((job) => job.id).reverse() });
      else window.studio.toast(say("There is no training yet."));
    } catch (error) {
      window.studio.toast(error.message, "bad");
    }
  }

  // What the address names; the same as before is left as it is.
  function follow() {
    const next = { runs: [...new Set((params.runs || "").split(",").filter(Boolean))], group: params.runs ? "" : params.group || "" };
    if (JSON.stringify(next) === JSON.stringify(wish) && found) return;
    if (next.group !== wish.group) found = null; // until then the old ones stand there
    wish = next;
    load();
  }

  // --- what comes in -----------------------------------------------------------------------------------------------
  async function load() {
    clearTimeout(timer);
    timer = 0;
    moved = false;
    const asked = wish;
    trouble.hidden = true;
    if (!asked.runs.length && !asked.group) {
      found = null;
      return clear();
    }
    empty.hidden = true;
    const slow = setTimeout(() => (waiting.hidden = Boolean(found)), 400);
    try {
      const query = asked.group ? { group: asked.group } : { runs: asked.runs.join(",") };
      const reply = await call("GET", `/api/compare?${new URLSearchParams(query)}`);
      if (asked !== wish) return;
      const held = (row, field) => looks.value(row.settings[field]);
      found = { ...reply, fields: reply.fields.filter((field) => reply.rows.some((row) => held(row, field) !== held(reply.rows[0], field))) };
      for (const row of found.rows) if (!states.has(row.job)) states.set(row.job, row.state);
      plot();
      draw();
    } catch (error) {
      if (asked === wish) fail(error, true);
    } finally {
      clearTimeout(slow);
      if (asked === wish) waiting.hidden = true;
    }
  }

  function clear() {
    [curves, axes, table].forEach((part) => (part.root.hidden = true));
    [gone, common, waiting, every].forEach((part) => (part.hidden = true));
    about.textContent = "";
    runs.set([], []);
    empty.hidden = false;
  }

  // `whole`: there is nothing to show; else it stands over what is shown.
  function fail(error, whole) {
    if (whole && !found) clear();
    if (whole) empty.hidden = true;
    trouble.hidden = false;
    trouble.replaceChildren(words.icon("warn"), el("span", {}, error.message, " ", el("button", { class: "link", type: "button", text: say("Try again"), onclick: () => load() })));
  }

  // Which have curves: all that fit, else the best so far. Each keeps its look while it stays.
  function plot() {
    const measured = found.rows.filter(hasFigures);
    const kept = plotted.filter((id) => measured.some((row) => row.job === id));
    const best = found.metrics.find((name) => name.startsWith("best_")) || found.metrics[0];
    const rank = (row) => row.results[best] ?? Infinity;
    const order = measured.length > looks.MOST ? [...measured].sort((a, b) => rank(a) - rank(b)) : measured;
    const chosen = new Set([...new Set([...kept, ...order.map((row) => row.job)])].slice(0, looks.MOST));
    plotted = found.rows.map((row) => row.job).filter((id) => chosen.has(id));
    for (const id of slots.keys()) if (!chosen.has(id)) slots.delete(id);
    for (const id of plotted) {
      if (slots.has(id)) continue;
      const taken = new Set(slots.values());
      slots.set(id, [...Array(looks.MOST).keys()].find((slot) => !taken.has(slot)));
    }
    points.keep(plotted);
  }

  const hasFigures = (row) => Object.keys(row.results).some((name) => name !== "seconds");

  // News of any run here: its curves grow, and the table is asked for again, not too often.
  const leave = subscribe("jobs", (news) => {
    if (news.error || !found) return;
    const known = new Map(found.rows.map((row) => [row.job, row]));
    const here = (news.jobs || []).filter(({ id, state }) => known.has(id) && (!words.ENDED.has(state) || states.get(id) !== state));
    for (const job of here) {
      states.set(job.id, job.state);
      known.get(job.id).state = job.state;
      if (plotted.includes(job.id)) points.moved(job.id, job.step || 0);
    }
    moved = moved || here.length > 0 || (news.removed || []).some((id) => known.has(id));
    if (here.length) draw();
    if (moved && !timer) timer = setTimeout(load, AGAIN);
  });

  // What could not be asked for is asked again when the server is back.
  const back = new MutationObserver(() => !trouble.hidden && !document.documentElement.classList.contains("studio-offline") && load());
  back.observe(document.documentElement, { attributes: true, attributeFilter: ["class"] });

  // --- drawing -----------------------------------------------------------------------------------------------------
  // Much may come in one frame of the screen: it is drawn once.
  function draw() {
    drawing = drawing || requestAnimationFrame(() => {
      drawing = 0;
      if (found && element.isConnected) paint();
    });
  }

  function paint() {
    const fields = found.fields;
    const by = fields.includes(params.by) ? params.by : "";
    const values = by ? [...new Set(found.rows.map((row) => looks.value(row.settings[by])))] : [];
    const all = found.rows.map((row) => {
      const value = looks.value(row.settings[by]);
      const look = looks.lineClass(by ? values.indexOf(value) : slots.get(row.job) || 0);
      const mark = `k${slots.get(row.job)}`;
      return { id: row.job, row, label: looks.number(row.job), short: by ? looks.cut(value) : looks.short(row.job), mark, look: `${look} ${mark}`,
        metrics: points.of(row.job), off: off.has(row.job), plotted: slots.has(row.job) };
    });
    table.know(found);
    axes.set(all, fields, measure());
    for (const run of all) run.outside = !axes.holds(run.id);
    const shown = all.filter((run) => !run.outside);
    const lines = all.filter((run) => run.plotted);
    runs.set(lines, notes(all, lines));
    curves.set(lines.map((run) => ({ ...run, hidden: run.off || run.outside })), shared(lines), (params.figures || "").split(","));
    table.root.hidden = !found.rows.length;
    table.set(found, shown, by);
    every.hidden = !found.rows.length && !found.gone.length;
    about.textContent = wish.group ? looks.number(wish.group) : found.rows.length === 1 ? say("One run. Add another to compare it with.") : say("{n} {n:run|runs}", { n: found.rows.length });
    tellGone();
    tellCommon(lines);
    for (const id of plotted) points.need(id, curves.wanted());
  }

  // The result on the last axis: what the table is sorted by, where that is one.
  function measure() {
    return found.metrics.includes(table.column) ? table.column : found.metrics.find((name) => name.startsWith("best_")) || found.metrics[0] || "";
  }

  // Figures that at least two of the runs have; of one run, all.
  function shared(lines) {
    const having = (name) => lines.filter(({ row }) => name in row.results).length;
    return found.curves.filter((name) => having(name) >= Math.min(2, lines.length));
  }

  function notes(all, lines) {
    const bare = all.filter(({ row }) => !hasFigures(row));
    const over = all.length - lines.length - bare.filter((run) => !run.plotted).length;
    return [
      bare.length && lines.length && say("Without figures, so in the table only: {runs}.", { runs: bare.map((run) => run.label).join(", ") }),
      over > 0 && say("Curves of {shown} runs, the best when the page was opened; the table has all {total}.", { shown: lines.length, total: all.length }),
    ].filter(Boolean);
  }

  function tellGone() {
    const those = found.gone.join(", ");
    gone.hidden = !those;
    if (gone.hidden || gone.dataset.told === those) return; // with each news it would lose the focus, and be read out again
    gone.dataset.told = those;
    gone.replaceChildren(words.icon("warn"), el("span", {}, say("Not here any more, or never was: {runs}.", { runs: those }), " ",
      el("button", { class: "link", type: "button", text: say("Take it out"), onclick: () => go({ runs: wish.runs.filter((id) => !found.gone.includes(id)) }) })));
  }

  function tellCommon(lines) {
    const text = found.rows.length > 1 && lines.length > 1 && !shared(lines).length ? say("These runs have no figure in common, so there are no curves to lay over each other.")
      : found.rows.length && !lines.length ? say("None of these runs has figures yet.") : "";
    common.hidden = !text;
    if (common.textContent !== text) common.replaceChildren(words.icon("info"), el("span", { text }));
  }

  window.addEventListener("studio:open", follow);
  clear();
  follow();
  whenGone(root, () => {
    leave();
    clearTimeout(timer);
    points.keep([]);
    back.disconnect();
    window.removeEventListener("studio:open", follow);
  });
};
