// Side by side: the same prompt and seed in two to four lanes, written one after another, replayed in step.
(() => {
  "use strict";
  const { el, call, say } = window.studio;
  const LETTERS = "ABCD";
  const KEPT = "studio.lanes";
  const STILL = matchMedia("(prefers-reduced-motion: reduce)");
  const HONEST = say("Lanes are written one after another, each with the model server to itself, so their times can be compared; in step you see a replay.");

  window.studio.components.lanes = (element, props, watch) => {
    const root = element.querySelector(".lanes") || element;
    const panel = new Lanes(root, props.samplers);
    const take = () => panel.take(props.value || {});
    watch("value", take);
    if ((props.value || {}).requests) take();
    else if (window.studio.params.lanes) panel.follow(window.studio.params.lanes.split(","), true);
    const opened = (event) => event.detail.lanes && panel.follow(event.detail.lanes.split(","), true);
    window.addEventListener("studio:open", opened);
    window.studio.whenGone(root, () => {
      window.removeEventListener("studio:open", opened);
      panel.leave();
    });
  };

  class Lanes {
    constructor(root, samplers) {
      Object.assign(this, { root, catalogue: { samplers, models: [] }, lanes: [], asked: null, views: [], leaving: [] });
      this.clock = new window.StudioLanesClock(() => this.views.map((view) => view.film), () => this.draw());
      this.build();
    }

    // --- parts -----------------------------------------------------------------------------------------------
    build() {
      const button = (text, act, more = {}) => el("button", { class: "btn small", type: "button", text, onclick: act, ...more });
      this.forms = el("div", { class: "lane-forms" });
      this.add = button(say("Add a lane"), () => this.addLane());
      this.run = button(say("Run side by side"), () => this.start(), { id: "lanes-run" });
      this.share = button(say("Export as HTML"), () => this.export(), { hidden: true, "data-server": true, title: say("One file in which all lanes play by themselves, without a server") });
      this.halt = button(say("Stop"), () => this.stop(), { hidden: true });
      this.problem = el("div", { class: "lanes-message", "aria-live": "polite" });
      this.polite = el("p", { class: "sr", role: "status" });
      this.board = el("div", { class: "lane-grid" });
      this.popover = new window.StudioPopover();
      this.stage = el("div", { class: "stage-box" }, this.board, this.popover.tip);
      this.transport = new window.StudioLanesTransport(this.clock);
      this.replay = el("div", { class: "replay", hidden: true }, this.transport.bar, this.stage, this.popover.dock,
        el("p", { class: "small muted", text: HONEST }));
      this.details = el("details", { ontoggle: () => this.details.open && !this.asked && this.open() },
        el("summary", {}, el("h2", {}, say("Side by side"), " ", el("span", { class: "muted plain", text: say("the same prompt and seed, two to four models or settings") }))),
        this.forms, el("div", { class: "row" }, this.run, this.halt, this.add, this.share), this.problem, this.replay, this.polite);
      this.root.replaceChildren(this.details);
      this.listen();
    }

    listen() {
      const cell = (event) => event.target.closest("[data-i]");
      this.board.addEventListener("pointerover", (event) => this.point(cell(event)));
      this.board.addEventListener("pointerleave", () => this.point(null));
      this.board.addEventListener("focusin", (event) => this.point(cell(event)));
      this.board.addEventListener("focusout", () => this.point(null));
      this.root.addEventListener("keydown", (event) => this.key(event));
      this.escape = (event) => event.key === "Escape" && this.point(null);
      document.addEventListener("keydown", this.escape);
    }

    // --- settings --------------------------------------------------------------------------------------------
    // The forms are drawn when somebody looks for them.
    async open() {
      this.asked = [];
      const { models } = await call("GET", "/api/models").catch(() => ({ models: [] }));
      this.catalogue.models = models.filter((view) => (view.is_dllm || view.is_causal) && !view.problem);
      this.lanes = this.kept();
      this.drawForms();
    }

    // The lanes of the last visit, as far as their models are still there; else the first model's two samplers.
    kept() {
      const here = (lane) => this.catalogue.models.some((view) => view.name === lane.model && view.samplers.includes(lane.sampler));
      const kept = JSON.parse(localStorage.getItem(KEPT) || "[]").filter(here);
      if (kept.length >= 2) return kept.slice(0, LETTERS.length);
      const [first] = this.catalogue.models;
      if (!first) return [];
      const own = first.sampler.name || first.samplers[0];
      const other = first.samplers.includes("fast_dllm") ? "fast_dllm" : first.samplers.find((name) => name !== own) || own;
      return [own, other].map((sampler) => ({ model: first.name, sampler, settings: sampler === "fast_dllm" ? { threshold: 0.9 } : {} }));
    }

    drawForms() {
      localStorage.setItem(KEPT, JSON.stringify(this.lanes));
      this.asked = this.lanes.map((lane, i) => new window.StudioLaneForm(LETTERS[i], lane, this.catalogue, {
        changed: () => localStorage.setItem(KEPT, JSON.stringify(this.lanes)),
        copy: () => this.put(i, structuredClone(this.lanes[0])),
        panel: () => document.querySelector("#play-lanes-panel").click(),
        remove: this.lanes.length > 2 ? () => this.put(i, null) : null,
      }));
      this.forms.replaceChildren(...(this.asked.length ? this.asked.map((form) => form.box)
        : [el("p", { class: "muted", text: say("No model that can write yet. Make one in the Convert tab.") })]));
      this.add.disabled = this.lanes.length >= LETTERS.length;
      this.run.disabled = this.lanes.length < 2;
    }

    put(at, lane) {
      this.lanes.splice(at, 1, ...(lane ? [lane] : []));
      this.drawForms();
    }

    addLane() {
      this.lanes.push(structuredClone(this.lanes[0]));
      this.drawForms();
    }

    // --- a run -----------------------------------------------------------------------------------------------
    start() {
      window.studio.lanes = () => JSON.stringify(this.asked.map((form) => form.ask()));
      this.problem.replaceChildren();
      document.querySelector("#play-lanes-go").click(); // the page's server adds prompt and seed
    }

    // What the page's server said: lanes that have begun, what is wrong, or the panel's settings for lane A.
    take({ requests, problem, panel }) {
      if (panel) return this.put(0, panel);
      if (problem) this.problem.replaceChildren(el("div", { class: "note bad", role: "alert" },
        el("span", { class: "i i-warn", "aria-hidden": "true" }), el("span", { text: problem })));
      if (requests) this.follow(requests);
    }

    follow(requests, again = false) {
      this.unfollow();
      this.details.open = true;
      this.views = requests.slice(0, LETTERS.length).map((request, i) => new window.StudioLaneView(LETTERS[i], request));
      this.board.replaceChildren(...this.views.map((view) => view.box));
      this.replay.hidden = false;
      this.ended = again;
      this.clock.follow();
      window.studio.remember({ lanes: requests.join(",") });
      this.leaving = this.views.map((view) => window.studio.subscribe(`sample:${view.request}`, (message) => {
        view.receive(message);
        this.warn(view);
        this.schedule();
      }));
    }

    // What is known to go wrong with a lane's settings. It tells them itself, so a reload knows them too.
    async warn(view) {
      if (!view.film.start || view.warned) return;
      view.warned = true;
      const { model, sampler } = view.film.start;
      const known = call("POST", "/api/sample/cautions", { model, sampler });
      view.warn((await known.catch(() => ({ cautions: [] }))).cautions); // its model may be gone
    }

    // All lanes in one file.
    async export() {
      const requests = this.views.map((view) => view.request).join(",");
      await window.studio.download(`/api/lanes/${requests}/export.html`, "lanes.html");
    }

    unfollow() {
      this.clock.pause();
      this.point(null);
      this.leaving.forEach((leave) => leave());
      this.leaving = [];
    }

    stop() {
      for (const view of this.views.filter((one) => !one.over)) {
        call("POST", `/api/samples/${view.request}/cancel`).catch((error) => window.studio.toast(error.message, "bad"));
      }
    }

    schedule() {
      this.drawing ||= requestAnimationFrame(() => {
        this.drawing = 0;
        this.draw();
        if (!this.ended && this.views.every((view) => view.over)) this.finish();
      });
    }

    // Whoever watched them come, one after another, now sees them in step.
    finish() {
      this.ended = true;
      this.polite.textContent = this.views.map((view) => `${view.letter}: ${say("{n} {n:forward|forwards}", { n: view.highest().nfe })}`).join(", ");
      if (!STILL.matches) this.clock.play();
    }

    // --- drawing ---------------------------------------------------------------------------------------------
    draw() {
      for (const view of this.views) view.draw(this.clock.frame(view.film));
      window.studioCompareLanes(this.views);
      this.share.hidden = !this.views.length || !this.views.every((view) => view.film.start && view.film.done);
      this.halt.hidden = this.views.every((view) => view.over);
      this.transport.draw();
      this.root.dataset.state = !this.views.length ? "empty" : this.views.every((view) => view.over) ? "done" : "live";
      if (this.pointed) this.point(this.pointed);
    }

    point(node) {
      if (this.pointed) this.pointed.classList.remove("hover");
      this.pointed = null;
      const view = node && this.views.find((one) => one.box.contains(node));
      const i = view ? Number(node.dataset.i) : null;
      const state = view ? view.film.at(i, view.frame) : null;
      if (!state || view.film.isMasked(state) || state.event === "given") return this.popover.hide();
      this.pointed = node;
      node.classList.add("hover");
      this.popover.show(node, i, view.film.text(i, state), state);
    }

    key(event) {
      if (this.replay.hidden || event.target.closest("input, select, textarea, button, summary, [role=radiogroup]")) return;
      const act = { " ": () => this.transport.toggle(), ArrowRight: () => this.clock.step(1), ArrowLeft: () => this.clock.step(-1),
        Home: () => this.clock.go(0), End: () => this.clock.go(this.clock.end) }[event.key];
      if (!act) return;
      act();
      event.preventDefault();
    }

    leave() {
      document.removeEventListener("keydown", this.escape);
      this.unfollow();
    }
  }
})();
