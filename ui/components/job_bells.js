// Told when a job ends: a browser notification where somebody asked for one, and in the page's title how many ended
// since somebody looked.
(() => {
  "use strict";
  const { el, call, toast, subscribe, say } = window.studio;
  const KEY = "studio.bells";
  const states = new Map(); // id -> state, as of the last news
  let unseen = 0;

  // --- what was asked for: {all, jobs: [ids]}, kept in this browser ---------------------------------------------------
  let asked = { all: false, jobs: [] };
  function load() {
    try {
      const { all, jobs } = JSON.parse(localStorage.getItem(KEY) || "{}");
      asked = { all: all === true, jobs: Array.isArray(jobs) ? jobs : [] };
    } catch {
      // a browser that keeps nothing: what was asked for lasts until the page is left
    }
  }
  function keep() {
    try {
      localStorage.setItem(KEY, JSON.stringify(asked));
    } catch {
      // as above
    }
    draw();
  }
  window.addEventListener("storage", (event) => { // another tab of this browser
    if (event.key !== KEY) return;
    load();
    draw();
  });

  const wanted = (id) => asked.all || asked.jobs.includes(id);

  // The browser is asked on a click only. True if it lets us.
  async function allowed() {
    if (!("Notification" in window)) {
      toast(say("This browser shows no notifications for this page: it wants https, or the address localhost."), "bad");
      return false;
    }
    const answer = Notification.permission === "default" ? await Notification.requestPermission() : Notification.permission;
    if (answer === "denied") toast(say("Notifications are blocked for this page. The browser's settings for this site can allow them."), "bad");
    else if (answer !== "granted") toast(say("The browser was not allowed to show notifications."), "bad");
    return answer === "granted";
  }

  async function toggle(id) {
    load();
    if (asked.jobs.includes(id)) asked.jobs = asked.jobs.filter((one) => one !== id);
    else if (await allowed()) asked.jobs = [...asked.jobs, id];
    keep();
  }

  async function toggleAll() {
    load();
    asked.all = !asked.all && (await allowed());
    keep();
  }

  // --- buttons -------------------------------------------------------------------------------------------------------
  // Each names its job, or none. Those of a row come and go with every news: only what is in the page is drawn again.
  const pressed = (id) => String(id ? asked.jobs.includes(id) : asked.all);
  function draw() {
    for (const node of document.querySelectorAll("[data-bell]")) node.setAttribute("aria-pressed", pressed(node.dataset.bell));
  }

  function button(job) {
    const label = say("Tell me when {job} ends", { job: window.studio.jobs.number(job) });
    return el("button", { class: "btn ghost sq bell", type: "button", "data-bell": job.id, "aria-pressed": pressed(job.id), "aria-label": label, title: label, onclick: () => toggle(job.id) },
      window.studio.jobs.icon("bell"));
  }

  function allButton() {
    return el("button", { class: "btn bell", type: "button", "data-bell": "", "aria-pressed": pressed(""),
      title: say("A notification of the browser whenever a job ends while this page is open, also in the background"), onclick: toggleAll },
    window.studio.jobs.icon("bell"), say("Tell me when jobs end"));
  }

  // --- ends ----------------------------------------------------------------------------------------------------------
  function ended(job) {
    const { OWN } = window.studio.jobs;
    const told = wanted(job.id) && !OWN.has(job.kind);
    if (asked.jobs.includes(job.id)) {
      asked.jobs = asked.jobs.filter((id) => id !== job.id);
      keep();
    }
    if (OWN.has(job.kind)) return;
    if (document.hidden) {
      unseen += 1;
      title();
    }
    if (told) notify(job);
  }

  const HEADS = {
    succeeded: (name) => say("{name} succeeded", { name }),
    failed: (name) => say("{name} failed", { name }),
    stopped: (name) => say("{name} was stopped", { name }),
    lost: (name) => say("{name} was lost", { name }),
  };

  function notify(job) {
    const words = window.studio.jobs;
    if (!("Notification" in window) || Notification.permission !== "granted") return;
    const about = job.state === "succeeded" ? words.result(job) : words.why(job);
    try {
      // Of several tabs each says it; the same tag makes one of them.
      const note = new Notification(HEADS[job.state](words.name(job)), { body: [words.number(job), about].filter(Boolean).join(": "), tag: `studio-${job.id}-${job.attempt}` });
      note.onclick = () => {
        window.focus();
        words.show(job.id);
        note.close();
      };
    } catch {
      toast(HEADS[job.state](words.name(job))); // Android lets only service workers notify
    }
  }

  function title() {
    const plain = document.title.replace(/^\(\d+\) /, "");
    document.title = unseen ? `(${unseen}) ${plain}` : plain;
  }

  function looked() {
    if (document.hidden || !unseen) return;
    unseen = 0;
    title();
  }

  // --- news ----------------------------------------------------------------------------------------------------------
  function hear(news) {
    if (news.error) return;
    const { ENDED } = window.studio.jobs;
    const goes = (id) => states.has(id) && !ENDED.has(states.get(id));
    const told = (job) => {
      if (goes(job.id) && ENDED.has(job.state)) ended(job);
      states.set(job.id, job.state);
    };
    for (const job of news.jobs || []) told(job);
    // Deleted, or too far back for the stream's list: it ended, or many others go before it.
    const left = news.reset ? [...states.keys()].filter((id) => !news.jobs.some((job) => job.id === id)) : news.removed || [];
    for (const id of left) {
      if (goes(id)) call("GET", `/api/jobs/${id}`).then((job) => ENDED.has(job.state) && ended(job)).catch(() => null); // it was deleted
      states.delete(id);
    }
  }

  function start() {
    load();
    subscribe("jobs", hear);
    document.addEventListener("visibilitychange", looked);
    window.addEventListener("focus", looked);
  }

  window.studio.bells = { start, button, allButton };
})();
