// One run (?run=ID): what it does, its curves, its film strip, its log, and what it was asked to do.
window.studio.components.job_detail = (element) => {
  "use strict";
  const { el, call, subscribe, whenGone, params, format, open, say, told } = window.studio;
  const words = window.studio.jobs;
  const facts = window.StudioRunFacts;
  const root = element.querySelector(".job-detail") || element;
  let id = null;
  let job = null;
  let data = null; // {metrics, levels, validation_levels, checkpoints, notes}
  const nothing = () => ({ metrics: {}, tries: {}, levels: [], validation_levels: [], checkpoints: [], notes: [] });
  let leave = () => null;

  // --- the parts, made once ----------------------------------------------------------------------------------------
  const link = new Set(); // charts that share a cursor
  const chart = (options) => new window.StudioChart({ ...options, link, onZoom: zoom });
  const charts = {
    loss: chart({ title: say("Training loss"), series: [{ name: "loss" }], controls: true }),
    validation: chart({ title: say("Validation loss"), series: [{ name: "validation_loss", dots: true }], controls: true, smooth: 0, note: say("same rows, same masks each time") }),
    accuracy: chart({ title: say("Accuracy"), series: [
      { name: "accuracy_15", label: "15 %", dots: true },
      { name: "accuracy_50", label: "50 %", look: "l2", dots: true },
      { name: "accuracy_85", label: "85 %", look: "l3", dots: true },
    ], note: say("of masked tokens, by share masked; same masks each time") }),
    ends: chart({ title: say("End-of-text in the loss"), series: [
      { name: "eos_share", label: say("ends") },
      { name: "padding_share", label: say("filling"), look: "l2" },
    ], note: say("share of the tokens that are trained") }),
    speed: chart({ title: say("Tokens per second"), series: [{ name: "tokens_per_second" }] }),
    rate: chart({ title: say("Learning rate"), series: [{ name: "learning_rate" }], height: 132 }),
    norm: chart({ title: say("Gradient norm"), series: [{ name: "grad_norm" }], height: 132, controls: true, smooth: 0, note: say("before clipping") }),
    memory: chart({ title: say("Memory, MB"), series: [{ name: "memory_mb" }], height: 132, note: say("the most so far, of a process") }),
    use: chart({ title: say("Model FLOPs use"), series: [{ name: "model_flops_use" }], height: 132, note: say("share of the GPUs' peak") }),
  };
  const levels = new window.StudioLevelMap({ link });
  const film = new window.StudioFilmStrip();
  const log = new window.StudioLog();
  const remarks = new window.StudioRunRemarks();
  const back = el("a", { class: "back", href: "?tab=jobs", text: say("All jobs"), onclick: (event) => {
    event.preventDefault();
    words.show(null);
  } });
  const head = el("section", { class: "panel runhead", "aria-label": say("Run") });
  const actions = el("div", { class: "row acts" });
  const title = el("h1");
  const state = el("span");
  const about = el("span", { class: "small muted num" });
  const reason = el("div", { class: "reason" });
  const progress = el("div", { class: "prog" });
  head.append(el("div", { class: "row names" }, title, state, about), actions, reason, progress);
  const grid = el("div", { class: "grid2 charts" }, charts.loss.root, levels.root, ...["validation", "accuracy", "ends", "speed", "rate", "norm", "memory", "use"].map((name) => charts[name].root));
  const closer = el("div", { class: "row small muted closer" });
  const notes = el("section", { class: "panel run-notes", hidden: true });
  const settings = el("section", { class: "panel settings" });
  const checkpoints = el("section", { class: "panel checkpoints" });
  const place = el("section", { class: "panel place" });
  const lineage = el("section", { class: "panel lineage", hidden: true });
  const lower = el("div", { class: "grid2" }, log.root, settings, checkpoints, lineage, place, notes);
  const missing = el("div", { class: "note bad", role: "alert", hidden: true });
  root.replaceChildren(el("div", { class: "crumb" }, back), missing, head, remarks.root, closer, grid, film.root, lower);
  const everything = [head, remarks.root, closer, grid, lower];

  // --- what comes in -----------------------------------------------------------------------------------------------
  function show(run) {
    root.hidden = !run;
    if (run === id) return;
    leave();
    leave = () => null;
    id = run;
    job = null;
    drawn = {};
    data = nothing();
    film.clear();
    remarks.clear();
    zoom(null);
    missing.hidden = true;
    everything.forEach((part) => (part.hidden = true));
    if (!run) return;
    const stops = [subscribe(`job:${run}`, receive), log.open(run)];
    leave = () => stops.forEach((stop) => stop());
  }

  function receive(news) {
    if (news.error || news.gone) return absent(news.error ? sentence(news.error) : say("{job} was deleted.", { job: id.replace("-", " ") }));
    if (news.reset) {
      data = nothing();
      film.clear();
    }
    if (news.job) job = news.job;
    for (const [name, points] of Object.entries(news.metrics || {})) data.metrics[name] = merge(data.metrics[name] || [], points, (point) => point[0]);
    for (const kind of ["levels", "validation_levels"]) if (news[kind]) data[kind] = merge(data[kind], news[kind], (level) => level.step);
    data.tries = { ...news.tries, ...data.tries };
    if (news.checkpoints) data.checkpoints = merge(data.checkpoints, news.checkpoints, (checkpoint) => checkpoint.step);
    if (news.notes) data.notes.push(...news.notes);
    if (news.job) remarks.show(job);
    if (job) draw(news);
    if (news.samples) film.add(news.samples);
  }

  function absent(text) {
    leave();
    everything.forEach((part) => (part.hidden = true));
    film.root.hidden = true;
    remarks.gone();
    missing.hidden = false;
    missing.replaceChildren(words.icon("warn"), el("span", { text }));
  }

  // New points after the old ones. A resumed run goes back: what lies behind the first new point is history.
  function merge(old, fresh, step) {
    if (!fresh.length) return old;
    const from = step(fresh[0]);
    let end = old.length;
    while (end > 0 && step(old[end - 1]) >= from) end--;
    return old.slice(0, end).concat(fresh);
  }

  // --- drawing -----------------------------------------------------------------------------------------------------
  let drawn = {};
  // Draws a part only when what it shows has changed, so that focus and open questions stay.
  function once(name, key, make) {
    const text = JSON.stringify(key);
    if (drawn[name] === text) return;
    drawn[name] = text;
    make();
  }

  function draw(news) {
    [head, remarks.root, lower].forEach((part) => (part.hidden = false));
    const training = job.kind === "train";
    closer.hidden = grid.hidden = !training || (words.ENDED.has(job.state) && !Object.keys(data.metrics).length);
    checkpoints.hidden = !training;
    drawHead();
    if (training && (news.metrics || news.checkpoints || news.reset || !drawn.charts)) drawCharts();
    if (training && (news.levels || news.validation_levels || news.reset)) levels.set(data.levels, data.validation_levels);
    once("closer", words.ACTIVE.has(job.state), drawCloser);
    once("notes", data.notes.length, () => facts.notes(notes, data.notes));
    once("spec", job.spec, () => facts.settings(settings, job));
    once("place", [job.folder, job.state, job.id], () => facts.place(place, job, data.metrics));
    if (training) once("checkpoints", [data.checkpoints, job.state, (data.metrics.validation_loss || []).length], () => window.StudioRunCheckpoints.checkpoints(checkpoints, job, data.metrics));
    once("lineage", [job.id, job.state], () => window.StudioRunLineage.lineage(lineage, job));
  }

  // One stretch of steps in all charts, [first, last]; null: all steps. It stays while the run grows, or moves along with it.
  let looked = null;
  let following = false;
  function zoom(range, along = false) {
    looked = range;
    following = along && Boolean(range);
    look(null);
    drawCloser();
    closely();
  }

  function look(details) {
    for (const one of Object.values(charts)) one.zoom(looked, details);
    levels.zoom(looked);
  }

  // As many steps as before, up to the newest.
  function follow() {
    const newest = (data.metrics.loss || []).reduce((most, [step]) => Math.max(most, step), 0);
    if (!looked || newest <= looked[1]) return;
    looked = [newest - (looked[1] - looked[0]), newest].map((step) => Math.max(0, step));
    look(charts.loss.details);
    drawCloser();
    closely();
  }

  // The points of the stretch from the server, closer together than those of the whole; at most every so often.
  let asked = 0;
  function closely() {
    if (!following) clearTimeout(asked);
    if (looked && !(following && asked)) asked = setTimeout(ask, following ? 2000 : 0);
  }

  async function ask() {
    asked = 0;
    const [run, range] = [id, looked];
    if (!range) return;
    try {
      const { metrics } = await call("GET", `/api/jobs/${run}/metrics?first=${range[0]}&last=${range[1]}`);
      if (run === id && looked && (looked === range || following)) look(metrics);
    } catch (error) {
      window.studio.toast(error.message, "bad");
    }
  }

  function drawCloser() {
    const text = (step) => step.toLocaleString("en");
    const button = (label, act, more = {}) => el("button", { class: "btn small", type: "button", text: label, onclick: act, ...more });
    const grows = looked && job && words.ACTIVE.has(job.state);
    const focused = closer.contains(document.activeElement) ? document.activeElement.textContent : null;
    closer.replaceChildren(...(!looked ? [say("To look closer, drag over a chart, or hold Shift and press the arrow keys in it. Double click or Escape shows all steps.")]
      : [el("span", { role: following ? null : "status", text: say("Steps {from} to {to}", { from: text(looked[0]), to: text(looked[1]) }) }),
        button(say("Show all steps"), () => zoom(null)),
        grows && button(say("Follow the newest"), () => zoom(looked, !following), { "aria-pressed": following, title: say("Keeps this many steps in sight while the run goes on") })].filter(Boolean)));
    if (focused) [...closer.querySelectorAll("button")].find((one) => one.textContent === focused)?.focus();
  }

  function drawCharts() {
    drawn.charts = "1";
    const saved = data.checkpoints.map((checkpoint) => checkpoint.step);
    const [, ...later] = Object.entries(data.tries).sort(([a], [b]) => a - b); // the first attempt needs no mark
    for (const one of Object.values(charts)) one.set(data.metrics, job.total || 0, saved, later);
    if (following) follow();
    for (const name of ["memory", "use"]) charts[name].root.hidden = !data.metrics.model_flops_use; // for GPUs whose peak is known
    const memory = last("memory_mb");
    charts.speed.note.textContent = [words.devices(job), memory === null ? "" : say("{size} used", { size: format.bytes(memory * 1e6) })].filter(Boolean).join(", ");
    const rate = last("learning_rate");
    charts.rate.note.textContent = rate === null ? "" : (job.spec.optimisation || {}).lr_schedule || "";
  }

  function last(name) {
    const points = data.metrics[name] || [];
    return points.length ? points[points.length - 1][1] : null;
  }

  function drawHead() {
    title.textContent = words.name(job);
    once("state", job.state, () => state.replaceChildren(words.badge(job.state)));
    const when = job.started_at ? say("started {time}", { time: words.clock(job.started_at) }) : say("asked for {time}", { time: words.clock(job.created_at) });
    const time = words.duration(job);
    const ran = !job.started_at ? "" : words.ENDED.has(job.state) ? say("ran {time}", { time }) : say("running {time}", { time });
    about.textContent = [words.number(job), words.devices(job), when, ran].filter(Boolean).join(", ");
    once("actions", [job.state, job.resumable, job.id, job.tags], drawActions);
    once("reason", [job.state, job.reason, job.remedy, job.last_lines, job.waiting], drawReason);
    drawProgress();
  }

  function drawActions() {
    const list = [];
    if (job.state === "queued") list.push(words.button(say("Cancel"), () => words.stop(job), { class: "danger" }, "stop"));
    else if (words.ACTIVE.has(job.state)) {
      const stopping = job.state === "stopping";
      const saves = job.kind === "train" && job.state !== "starting";
      list.push(stopping ? el("button", { class: "btn", type: "button", disabled: true }, words.icon("stop"), say("Stopping"))
        : words.button(saves ? say("Stop and save") : say("Stop"), () => words.stop(job), { class: "danger" }, "stop"));
    }
    const again = words.again(job);
    if (again) list.push(words.button(again, () => words.resume(job), { class: "primary" }, "play"));
    const search = ((job.spec || {}).optimisation || {}).lr_schedule === "rising"; // for a learning rate: it leaves no model
    if (job.state === "succeeded" && (job.kind === "convert" || (job.kind === "train" && !search))) {
      list.push(words.button(say("Try in playground"), () => open("playground", { model: `run:${job.id}`, run: null }), { class: "primary" }));
    }
    if (job.state === "succeeded" && job.kind === "convert") {
      list.push(words.button(say("Train from it"), () => open("train", { model: `run:${job.id}`, run: null })));
    }
    if (job.kind === "train") list.push(words.button(say("Clone"), () => open("train", { source: `run:${job.id}`, run: null }), { title: say("Fills the Train form with these settings") }));
    if (words.ENDED.has(job.state)) {
      list.push(words.button(say("Delete"), () => words.confirm(actions, question(), say("Delete"), async () => {
        const gone = await words.remove(job);
        if (gone) words.show(null);
        return gone;
      })));
    }
    if (!words.ENDED.has(job.state)) list.push(window.studio.bells.button(job));
    delete actions.dataset.asking;
    actions.replaceChildren(...list);
  }

  function question() {
    const values = { job: words.number(job) };
    return job.tags.includes("keep") ? say("{job} has the tag keep. Delete it and its folder for good?", values) : say("Delete {job} and its folder for good?", values);
  }

  function drawReason() {
    const text = words.why(job);
    const parts = [];
    if (job.state === "queued" || job.waiting) parts.push(note("info", "queue", sentence(told(job.waiting || "") || say("It waits for its turn"))));
    if (job.state === "stopping") parts.push(note("info", "stop", say("Stopping: it saves a checkpoint and ends. After 30 s it is made to.")));
    if (words.ENDED.has(job.state) && text) {
      const look = job.state === "failed" ? ["bad", "bad"] : job.state === "lost" ? ["", "lost"] : ["info", job.state === "stopped" ? "stop" : "info"];
      parts.push(note(look[0], look[1], text));
      if (job.last_lines && job.last_lines.length && job.state !== "stopped") {
        parts.push(el("details", {}, el("summary", { text: say("Last lines of the log") }), el("pre", { class: "code", tabindex: 0, text: job.last_lines.join("\n") })));
      }
    }
    reason.replaceChildren(...parts);
    reason.hidden = !parts.length;
  }

  function note(kind, icon, text) {
    return el("div", { class: `note ${kind}`, role: kind === "bad" ? "alert" : "status" }, words.icon(icon), el("span", { text }));
  }

  function drawProgress() {
    const part = words.share(job);
    progress.hidden = job.kind === "serve" || job.state === "queued" || (part === null && !job.phase);
    if (progress.hidden) return;
    const bold = (text) => el("b", { text });
    const bits = [];
    if (part !== null) bits.push(bold(words.percent(job)), say("step {n} of {total}", { n: (job.step || 0).toLocaleString("en"), total: job.total.toLocaleString("en") }));
    if (words.left(job)) bits.push(bold(words.left(job)));
    else if (words.ACTIVE.has(job.state) && job.phase) bits.push(words.phase(job));
    if (job.state === "succeeded") bits.splice(0, bits.length, bold(facts.outcome(job, data.metrics)));
    const line = el("span", { class: "num" });
    bits.forEach((bit, i) => line.append(...(i ? [", "] : []), bit));
    progress.replaceChildren(part === null ? el("span") : words.meter(job, say("Progress")), line);
  }

  function sentence(text) {
    return text.charAt(0).toUpperCase() + text.slice(1).replace(/([^.!?。])$/, "$1.");
  }

  const tick = setInterval(() => job && words.ACTIVE.has(job.state) && !root.hidden && drawHead(), 1000);
  const opened = () => show(params.tab && params.tab !== "jobs" ? null : params.run || null);
  window.addEventListener("studio:open", opened);
  opened();
  whenGone(root, () => {
    leave();
    remarks.leave();
    clearInterval(tick);
    window.removeEventListener("studio:open", opened);
  });
};
