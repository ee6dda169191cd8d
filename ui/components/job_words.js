// What a job's states are called and how they look, and what can be done with a job. Shared by list and detail.
(() => {
  "use strict";
  const { el, call, toast, format, open, say, told, language } = window.studio;

  // state -> [look of the badge, icon, word]
  const LOOKS = {
    queued: ["", "queue", say("queued")],
    starting: ["run", "start", say("starting")],
    running: ["run", "play", say("running")],
    stopping: ["run", "stop", say("stopping")],
    succeeded: ["ok", "ok", say("succeeded")],
    failed: ["fail", "bad", say("failed")],
    stopped: ["", "stop", say("stopped")],
    lost: ["lost", "lost", say("lost")],
  };
  const ACTIVE = new Set(["starting", "running", "stopping"]);
  const ENDED = new Set(["succeeded", "failed", "stopped", "lost"]);
  const OWN = new Set(["serve", "inspect"]); // kinds that are the studio's own processes: nobody submitted them

  const icon = (name) => el("span", { class: `i i-${name}`, "aria-hidden": "true" });

  function badge(state) {
    const [look, name, word] = LOOKS[state] || ["", "queue", state];
    return el("span", { class: `badge ${look}`, "data-state": state }, icon(name), word);
  }

  // "train-0142" -> "train 0142", and which attempt if it is not the first.
  function number(job) {
    return job.id.replace("-", " ") + (job.attempt > 1 ? say(", attempt {n}", { n: job.attempt }) : "");
  }

  // A model server is the playground's business: it gets a plain name.
  function name(job) {
    return job.kind === "serve" ? say("Model server of the playground") : job.name || job.id;
  }

  function share(job) {
    return job.total ? Math.max(0, Math.min(1, (job.step || 0) / job.total)) : null;
  }

  function percent(job) {
    const part = share(job);
    return part === null ? "" : `${Math.floor(100 * part + 1e-9)} %`;
  }

  function left(job) {
    return job.state === "running" && job.seconds_left > 0.5 ? say("{time} left", { time: format.seconds(Math.max(1, Math.round(job.seconds_left))).replace(".0 s", " s") }) : "";
  }

  // How long it ran, or has been running.
  function duration(job) {
    if (!job.started_at || job.state === "queued") return "";
    const seconds = Math.max(0, (job.ended_at || Date.now() / 1000) - job.started_at);
    return format.seconds(seconds < 1 ? seconds : Math.round(seconds)).replace(".0 s", " s");
  }

  // "03:12" today, "yesterday 22:47", "14 Mar 09:05" before.
  function clock(time) {
    if (!time) return "";
    const then = new Date(1000 * time);
    const hour = then.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
    const today = new Date().setHours(0, 0, 0, 0);
    if (then >= today) return hour;
    if (then >= today - 86400000) return say("yesterday {time}", { time: hour });
    const year = then.getFullYear() === new Date().getFullYear() ? undefined : "numeric";
    return `${then.toLocaleDateString(language === "en" ? "en-GB" : language, { day: "numeric", month: "short", year })} ${hour}`;
  }

  // Cause and remedy in one go. A reason may come without its full stop.
  function why(job) {
    const halted = job.state === "stopped" || job.state === "lost";
    const at = halted && job.kind === "train" && job.step ? say("It came to step {n} of {total}", { n: job.step.toLocaleString("en"), total: job.total.toLocaleString("en") }) : "";
    return [job.reason, at, job.remedy].filter(Boolean).map((text) => told(text.trim().replace(/([^.!?:])$/, "$1."))).join(" ");
  }

  // What its program does now.
  const phase = (job) => lower(told(job.phase || ""));

  // One line on how far it is, for jobs without a bar.
  function standing(job) {
    if (job.state === "queued") return lower(told(job.waiting || "") || say("waits for its turn"));
    if (job.waiting) return lower(told(job.waiting));
    if (job.state === "stopping") return say("saving, then it ends");
    if (job.state === "starting") return phase(job) || say("starting the program");
    if (job.kind === "serve" && job.state === "running") return phase(job) || say("ready");
    if (job.state === "succeeded") return result(job);
    return phase(job) || (job.state === "running" ? say("preparing") : "");
  }

  // ["cpu:0", "cpu:1"] -> "CPU slots 1, 2"
  function devices(job) {
    const ids = (job.devices || []).length || job.state === "queued" ? job.devices || [] : job.ran_on || []; // ended: where it ran
    const of = (kind) => ids.filter((id) => id.startsWith(kind)).map((id) => Number(id.split(":")[1]));
    const [gpus, slots] = [of("cuda"), of("cpu").map((n) => n + 1)];
    return [gpus.length && `GPU ${gpus.join(", ")}`, slots.length && (slots.length > 1 ? say("CPU slots {list}", { list: slots.join(", ") }) : say("CPU slot {list}", { list: slots[0] }))].filter(Boolean).join(", ");
  }

  function result(job) {
    const metrics = job.metrics || {};
    const parts = [];
    if (job.kind === "train" && job.step) parts.push(say("{n} {n:step|steps}", { n: format.number(job.step) }));
    if (Number.isFinite(metrics.validation_loss)) parts.push(say("validation loss {n}", { n: format.number(metrics.validation_loss) }));
    return parts.join(", ");
  }

  function lower(text) {
    return /^[A-Z][a-z]/.test(text) ? text.charAt(0).toLowerCase() + text.slice(1) : text;
  }

  function meter(job, label) {
    const part = share(job);
    return el("div", { class: "meter", role: "progressbar", "aria-valuemin": 0, "aria-valuemax": 100, "aria-label": label,
      "aria-valuenow": Math.floor(100 * part) }, el("i", { style: `width:${100 * part}%` }));
  }

  // --- what can be done ------------------------------------------------------------------------------------------
  async function act(method, path, said) {
    try {
      const reply = await call(method, path);
      if (said) toast(said);
      return reply;
    } catch (error) {
      toast(error.message, "bad");
      return null;
    }
  }

  const stop = (job) => act("POST", `/api/jobs/${job.id}/stop`);
  const resume = (job) => act("POST", `/api/jobs/${job.id}/resume`);
  const remove = (job) => act("DELETE", `/api/jobs/${job.id}`, say("{job} was deleted.", { job: number(job) }));

  // "Resume" where there is something to go on from.
  function again(job) {
    if (!job.resumable) return null;
    return job.state === "failed" ? say("Retry") : say("Resume");
  }

  // A button that works once at a time, so that two clicks are one.
  function button(text, action, attributes = {}, sign = null) {
    const node = el("button", { type: "button", "data-server": "", ...attributes, class: `btn ${attributes.class || ""}`, onclick: async () => {
      node.disabled = true;
      await action();
      node.disabled = false;
    } }, sign && icon(sign), text);
    return node;
  }

  // Asks in the page before something is lost: the row of buttons becomes the question.
  function confirm(row, question, yes, action) {
    const before = [...row.childNodes];
    const back = () => {
      delete row.dataset.asking;
      row.replaceChildren(...before);
    };
    row.dataset.asking = "1";
    const keep = el("button", { class: "btn", type: "button", text: say("Keep"), onclick: back });
    row.replaceChildren(el("span", { class: "ask", role: "alert", text: question }),
      button(yes, async () => {
        if (!(await action())) back();
      }, { class: "danger" }), keep);
    row.addEventListener("keydown", (event) => event.key === "Escape" && row.dataset.asking && back());
    keep.focus();
  }

  // Starts the small training that needs nothing set up.
  async function demo() {
    try {
      const recipe = await call("GET", "/api/recipes/sudoku-4x4");
      const request = `demo-${Date.now()}-${Math.random().toString(36).slice(2)}`;
      const job = await call("POST", "/api/jobs", { spec: recipe.spec, request_id: request });
      show(job.id);
    } catch (error) {
      toast(error.message, "bad");
    }
  }

  // Opens a run's page, or the list (null), as a step in the browser's history.
  function show(id) {
    window.studio.remember({ tab: "jobs", run: id, sample: null }, true);
    open("jobs", { run: id });
    window.scrollTo(0, 0);
  }

  // A job's name that opens its page.
  function link(job, text) {
    return el("a", { class: "nm", href: `?tab=jobs&run=${encodeURIComponent(job.id)}`, text, onclick: (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return; // a new window is the browser's business
      event.preventDefault();
      show(job.id);
    } });
  }

  window.studio.jobs = {
    ACTIVE, ENDED, OWN, icon, badge, number, name, share, percent, left, duration, clock, why, phase, standing, devices, lower, meter,
    stop, resume, remove, again, button, confirm, demo, show, link, result,
  };
})();
