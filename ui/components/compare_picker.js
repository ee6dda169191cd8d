// Which runs are compared: a search over all of them, pipelines and sweeps included.
(() => {
  "use strict";
  const { el, call, say } = window.studio;
  const looks = window.StudioCompareLooks;
  const KINDS = ["train", "convert", "prepare", "sample"]; // not the studio's own processes
  const LISTED = 20;
  const GROUPS = 5;
  const PAUSE = 200; // milliseconds after a key

  class Picker {
    // `chosen()`: ids that are there already; `add(id)`, `addGroup(id)`.
    constructor({ chosen, add, addGroup }) {
      Object.assign(this, { chosen, add, addGroup, options: [], at: -1, timer: 0, asked: 0 });
      this.input = el("input", { class: "in", type: "search", role: "combobox", "aria-expanded": "false", "aria-controls": "compare-found", "aria-autocomplete": "list",
        autocomplete: "off", placeholder: say("Add a run, a sweep or a pipeline"), "aria-label": say("Add a run, a sweep or a pipeline"),
        oninput: () => this.soon(), onfocus: () => this.soon(0), onkeydown: (event) => this.key(event), onblur: () => this.close() });
      this.list = el("ul", { id: "compare-found", role: "listbox", "aria-label": say("Found"), hidden: true });
      this.said = el("span", { class: "sr", role: "status" });
      this.root = el("div", { class: "picker" }, this.input, this.list, this.said);
    }

    soon(pause = PAUSE) {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.ask(), pause);
    }

    async ask() {
      const asked = (this.asked += 1);
      const text = this.input.value.trim();
      const query = new URLSearchParams([["limit", LISTED + this.chosen().length], ...KINDS.map((kind) => ["kind", kind])]);
      if (text) query.set("search", text);
      try {
        const [{ jobs }, { groups }] = await Promise.all([call("GET", `/api/jobs?${query}`), call("GET", "/api/groups?limit=1000")]);
        if (asked === this.asked) this.offer(text, jobs, groups);
      } catch (error) {
        if (asked === this.asked) this.open([el("li", { class: "none", role: "option", "aria-disabled": "true", text: error.message })], 0);
      }
    }

    offer(text, jobs, groups) {
      const there = new Set(this.chosen());
      const sets = groups.filter(({ id, name }) => `${id} ${looks.number(id)} ${name}`.toLowerCase().includes(text.toLowerCase())).slice(0, GROUPS);
      const words = window.studio.jobs;
      const options = [
        ...sets.map((group) => this.option(() => this.addGroup(group.id), looks.number(group.id), group.name,
          say("{n} {n:run|runs}", { n: Object.values(group.counts).reduce((sum, n) => sum + n, 0) }))),
        ...jobs.filter(({ id }) => !there.has(id)).slice(0, LISTED).map((job) => this.option(() => this.add(job.id), looks.number(job.id), job.name, words.badge(job.state), words.clock(job.created_at))),
      ];
      this.open(options.length ? options : [el("li", { class: "none", role: "option", "aria-disabled": "true", text: text ? say("Nothing matches.") : say("No runs yet.") })], options.length);
    }

    option(take, number, name, ...about) {
      const item = el("li", { role: "option", id: `compare-option-${(this.count = (this.count || 0) + 1)}`, "aria-selected": "false",
        onmousedown: (event) => event.preventDefault(), onclick: () => (take(), this.soon(0)) }, el("b", { class: "num", text: number }), el("span", { class: "name", text: name }), el("span", { class: "small muted about" }, ...about));
      item.take = take;
      return item;
    }

    open(items, count) {
      if (document.activeElement !== this.input) return;
      this.options = items.filter((item) => item.take);
      this.list.replaceChildren(...items);
      this.list.hidden = false;
      this.input.setAttribute("aria-expanded", "true");
      this.said.textContent = count ? say("{n} found", { n: count }) : items[0].textContent;
      this.mark(-1);
    }

    close() {
      clearTimeout(this.timer);
      this.asked += 1;
      this.list.hidden = true;
      this.input.setAttribute("aria-expanded", "false");
      this.mark(-1);
    }

    mark(at) {
      this.at = at;
      this.options.forEach((item, i) => item.setAttribute("aria-selected", i === at));
      const item = this.options[at];
      if (!item) return this.input.removeAttribute("aria-activedescendant");
      this.input.setAttribute("aria-activedescendant", item.id);
      item.scrollIntoView({ block: "nearest" });
    }

    key(event) {
      const move = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (event.key === "Escape") return this.close();
      if (move && this.list.hidden) this.soon(0);
      else if (move) this.mark(this.at < 0 && move < 0 ? this.options.length - 1 : (this.at + move + this.options.length) % (this.options.length || 1));
      else if (event.key === "Enter" && !this.list.hidden && this.options.length) {
        this.options[Math.max(0, this.at)].take();
        this.soon(0);
      } else return;
      event.preventDefault();
    }
  }

  window.StudioComparePicker = Picker;
})();
