// The devices of this machine as cards: which job has each, and how far that is.
(() => {
  "use strict";
  const { el, call, say } = window.studio;
  const short = (device) => (device.kind === "cuda" ? device.label : window.studio.jobs.devices({ devices: [device.id] }));

  window.StudioDeviceStrip = class {
    constructor() {
      this.devices = [];
      this.root = el("section", { class: "devices", "aria-label": say("Devices"), hidden: true });
      call("GET", "/api/devices").then((reply) => {
        this.devices = reply.devices;
        this.draw(this.jobs || []);
      }).catch(() => null); // the amber note over the page says it already
    }

    draw(jobs) {
      this.jobs = [...jobs];
      const holders = new Map();
      for (const job of this.jobs) for (const id of job.devices || []) holders.set(id, job);
      this.root.hidden = !this.devices.length;
      const focused = [...this.root.children].findIndex((card) => card.contains(document.activeElement));
      this.root.replaceChildren(...this.devices.map((device) => this.card(device, holders.get(device.id))));
      this.root.children[focused]?.querySelector("a")?.focus();
    }

    card(device, job) {
      const words = window.studio.jobs;
      const head = el("div", { class: "nm" }, el("b", { text: short(device) }), el("span", { class: "small muted num", text: job && job.total && job.kind !== "serve" ? words.percent(job) : "" }));
      if (!job) return el("div", { class: "free" }, head, el("p", { text: say("free") }), el("p", { class: "small muted", text: say("starts the next job at once") }));
      const bar = words.share(job) !== null && job.kind !== "serve";
      return el("div", {}, head, bar ? words.meter(job, say("Progress on {device}", { device: short(device) })) : null,
        el("p", {}, words.link(job, words.number(job))),
        el("p", { class: "small muted num", text: (bar && job.state === "running" && words.left(job)) || words.standing(job) || job.state }));
    }
  };
})();
