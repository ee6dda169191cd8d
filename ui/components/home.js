// The first screen: what runs, waits, and ended since the last visit; devices, disk, and what to do next.
window.studio.components.home = (element) => {
  "use strict";
  const { el, subscribe, whenGone, call, calm, open, format, say } = window.studio;
  const words = window.studio.jobs;
  const root = element.querySelector(".home") || element;
  const SHOWN = 6; // rows of a list
  const jobs = new Map();
  let devices = [];
  let groups = [];
  let models = new Set(); // names of those that can be tried
  let timer = 0;
  let asked = null; // what stood when the server was asked last
  const since = lastVisit();

  // --- the last visit ----------------------------------------------------------------------------------------------
  // A visit ends when no page of this browser was open for half an hour, so that a reload forgets nothing.
  function lastVisit() {
    const [seen, before] = stored();
    const now = Date.now() / 1000;
    return seen && now - seen < 1800 ? before : seen || now - 86400;
  }

  function stored() {
    try {
      return JSON.parse(localStorage.getItem("studio.visit") || "[0, 0]");
    } catch {
      return [0, 0]; // a browser that keeps nothing
    }
  }

  function remember() {
    try {
      localStorage.setItem("studio.visit", JSON.stringify([Date.now() / 1000, since]));
    } catch {
      // then every visit is the first
    }
  }

  // --- the parts ---------------------------------------------------------------------------------------------------
  const parts = {};
  function panel(name, title, ...more) {
    const list = el("ul");
    parts[name] = { list, root: el("section", { class: "panel", hidden: true, "aria-label": title },
      el("div", { class: "head" }, el("h2", { text: title }), ...more), list) };
    return parts[name].root;
  }
  const button = (text, act, look = "") => el("button", { class: `btn ${look}`, type: "button", text, onclick: act });
  const empty = el("div", { class: "empty", hidden: true },
    el("h3", { text: say("Nothing has run here yet") }),
    el("p", { class: "muted", text: say("All of this works at once, without anything set up. The sudoku training takes a minute or two.") }),
    el("div", { class: "next" },
      words.button(say("Train the sudoku demo"), words.demo, { class: "primary" }),
      button(say("Play with a bundled model"), () => open("playground")),
      button(say("Look at the data"), () => open("data")),
      button(say("Convert a causal model"), () => open("convert"))));
  const disk = el("dl");
  const measured = el("p", { class: "small muted num" });
  const storage = el("section", { class: "panel", hidden: true, "aria-label": say("Disk") },
    el("div", { class: "head" }, el("h2", { text: say("Disk") }),
      el("button", { class: "btn small", type: "button", text: say("Clean up"), title: say("Delete old runs, or only their checkpoints"), onclick: () => window.studio.cleanup.open(() => askDisk(true)) })), disk, measured);
  const columns = el("div", { class: "two" },
    el("div", {}, panel("running", say("Running")), panel("waiting", say("Waiting")), panel("ended", say("Ended since your last visit")), panel("latest", say("Latest runs"))),
    el("div", {}, panel("devices", say("Devices")), panel("groups", say("Pipelines and sweeps under way")), panel("models", say("Your newest models")), storage));
  root.replaceChildren(
    el("div", { class: "head" }, el("h1", { text: say("Home") }), button(say("New job"), () => open("train"), "primary")),
    empty,
    columns);

  function fill(name, found, row) {
    const { list, root: place } = parts[name];
    place.hidden = !found.length;
    const focus = [...list.querySelectorAll("a, button")].indexOf(document.activeElement);
    list.replaceChildren(...found.slice(0, SHOWN).map(row));
    if (found.length > SHOWN) {
      list.append(el("li", { class: "plain" }, el("a", { href: "?tab=jobs", text: say("and {n} more", { n: found.length - SHOWN }), onclick: (event) => {
        event.preventDefault();
        words.show(null);
      } })));
    }
    if (focus >= 0) (list.querySelectorAll("a, button")[focus] || list.querySelector("a, button"))?.focus();
  }

  const titled = (job, about) => el("div", {}, words.link(job, words.name(job)), el("span", { class: "about num", text: about }));

  function running(job) {
    const bar = words.share(job) === null ? null : words.meter(job, say("Progress of {job}", { job: words.number(job) }));
    const far = bar ? [words.percent(job), words.left(job) || words.phase(job)].filter(Boolean).join(", ") : words.standing(job);
    return el("li", {}, words.badge(job.state), titled(job, [words.number(job), words.devices(job)].filter(Boolean).join(", ")), el("span", { class: "num", text: far }), bar);
  }
  const waiting = (job) => el("li", {}, words.badge(job.state), titled(job, words.standing(job)));
  const ended = (job) => el("li", {}, words.badge(job.state), titled(job, job.state === "succeeded" ? words.result(job) : words.why(job)),
    el("span", { class: "muted num", text: words.clock(job.ended_at) }));
  const model = (job) => el("li", { class: "plain" }, titled(job, words.number(job)),
    el("button", { class: "btn small", type: "button", text: say("Try"), "aria-label": say("Try {model}", { model: words.number(job) }),
      onclick: () => open("playground", { model: `run:${job.id}`, run: null }) }));

  function device(one) {
    const job = [...jobs.values()].find((each) => (each.devices || []).includes(one.id));
    return el("li", { class: "plain" }, el("span", { text: one.kind === "cuda" ? one.label : words.devices({ devices: [one.id] }) }), job ? words.link(job, words.number(job)) : el("span", { class: "muted", text: say("free") }));
  }

  function group(one) {
    const total = Object.values(one.counts).reduce((sum, n) => sum + n, 0);
    const done = Object.entries(one.counts).filter(([state]) => words.ENDED.has(state)).reduce((sum, [, n]) => sum + n, 0);
    const label = say("{done} of {total} ended", { done, total });
    return el("li", { class: "plain" }, groupLink(one), el("span", { class: "row" }, el("span", { class: "num muted", text: label }), window.studio.groupRow.compareLink(one, null)),
      words.meter({ step: done, total }, label));
  }

  function groupLink(one) {
    return el("a", { href: `?tab=jobs&group=${encodeURIComponent(one.id)}`, text: one.name || one.id, onclick: (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return; // a new window is the browser's business
      event.preventDefault();
      window.studio.remember({ tab: "jobs", group: one.id, run: null }, true);
      open("jobs", { group: one.id, run: null });
    } });
  }

  // --- drawing -----------------------------------------------------------------------------------------------------
  function draw() {
    const all = [...jobs.values()].filter((job) => !words.OWN.has(job.kind)); // those are seen at the devices only
    const byEnd = (a, b) => (b.ended_at || 0) - (a.ended_at || 0);
    empty.hidden = all.length > 0;
    fill("running", all.filter((job) => words.ACTIVE.has(job.state)), running);
    fill("waiting", all.filter((job) => job.state === "queued").sort((a, b) => (a.queue_position || 0) - (b.queue_position || 0)), waiting);
    const over = all.filter((job) => words.ENDED.has(job.state)).sort(byEnd);
    fill("ended", over.filter((job) => job.ended_at > since), ended);
    const news = ["running", "waiting", "ended"].some((name) => !parts[name].root.hidden);
    fill("latest", news ? [] : over.slice(0, SHOWN), ended); // no news: what there was before
    columns.classList.toggle("bare", !all.length);
    fill("models", all.filter((job) => models.has(`run:${job.id}`)).sort(byEnd).slice(0, 3), model);
    fill("devices", devices, device);
    fill("groups", groups.filter((one) => one.state === "running" || one.state === "queued"), group);
  }

  // What the stream does not carry is asked for again when a job came, went, or is in another state: two seconds
  // later, and only while somebody can see it.
  const standing = () => [...jobs.values()].map((job) => [job.id, job.state, (job.devices || []).join()].join()).join(" ");
  function askSoon() {
    if (!timer && !document.hidden && standing() !== asked) timer = setTimeout(ask, 2000);
  }

  function ask() {
    timer = 0;
    asked = standing();
    const given = (path, take) => call("GET", path).then(take).catch(() => null); // the amber note says it already
    given("/api/devices", (reply) => (devices = reply.devices)).then(() => given("/api/groups?limit=50", (reply) => (groups = reply.groups)))
      .then(() => given("/api/models", (reply) => (models = new Set(reply.models.filter((one) => one.is_dllm && !one.problem).map((one) => one.name)))))
      .then(() => calm(draw));
  }

  function askDisk(fresh = false) {
    call("GET", `/api/disk?fresh=${fresh}`).then((found) => {
      const rows = [[say("Runs"), found.runs], [say("Prepared data"), found.prepared], [say("Free"), found.free]];
      measured.textContent = found.age < 60 ? "" : say("measured {time} ago", { time: format.seconds(found.age) });
      disk.replaceChildren(...rows.flatMap(([name, bytes]) => [el("dt", { text: name }), el("dd", { class: "num", text: format.bytes(bytes) })]));
      storage.hidden = false;
    }).catch(() => null);
  }

  const leave = subscribe("jobs", (news) => {
    if (news.error) return;
    if (news.reset) jobs.clear();
    for (const job of news.jobs || []) jobs.set(job.id, job);
    for (const id of news.removed || []) jobs.delete(id);
    draw();
    if (asked === null) ask();
    else askSoon();
  });
  document.addEventListener("visibilitychange", askSoon);
  askDisk();
  remember();
  const tick = setInterval(remember, 60000);
  whenGone(root, () => {
    leave();
    clearInterval(tick);
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", askSoon);
  });
};
