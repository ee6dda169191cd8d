// What the list of jobs is narrowed down to: state, kind, words, tags, a group. It stands in the address, so that it
// survives a reload and Back.
(() => {
  "use strict";
  const { el, segments, say, params: here, remember } = window.studio;
  const PAUSE = 250; // milliseconds after the last key
  const STATES = {
    all: { title: say("All"), states: [] },
    active: { title: say("Active"), states: ["starting", "running", "stopping"] },
    queued: { title: say("Queued"), states: ["queued"] },
    ended: { title: say("Ended"), states: ["succeeded", "failed", "stopped", "lost"] },
  };
  const ORDERS = { turn: say("By turn"), newest: say("Newest first"), oldest: say("Oldest first"), name: say("By name") };
  const HELPS = {
    turn: say("What runs, then what waits in its turn, then what ended last"),
    newest: say("By when they were submitted"),
    oldest: say("By when they were submitted"),
    name: say("By their names"),
  };
  const icon = (name) => el("span", { class: `i i-${name}`, "aria-hidden": "true" });

  // `kinds`: those of all jobs. `changed()`: the list is another one now.
  window.StudioJobFilters = class {
    constructor(kinds, changed) {
      this.changed = changed;
      this.segments = segments(say("State"), Object.fromEntries(Object.entries(STATES).map(([name, { title }]) => [name, title])), "all", (state) => this.set({ state }));
      this.kind = this.select(say("Kind"), { "": say("Any kind"), ...Object.fromEntries(kinds.map((kind) => [kind, kind])) }, (kind) => this.set({ kind }));
      this.order = this.select(say("Order"), ORDERS, (order) => this.set({ order }));
      this.search = el("input", { class: "in", type: "search", placeholder: say("Name, number, model, tag"), "aria-label": say("Search jobs"),
        title: say("Words that occur in the name, the number, the model, a tag or the sweep"),
        oninput: () => {
          clearTimeout(this.typing);
          this.typing = setTimeout(() => this.set({}, false), PAUSE);
        } });
      this.chips = el("div", { class: "row chosen", hidden: true });
      this.root = el("div", { class: "filters" },
        el("div", { class: "head" }, this.segments, el("div", { class: "row finds" }, this.kind, this.order, this.search)), this.chips);
      this.read();
    }

    select(label, choices, act) {
      return el("select", { class: "in", "aria-label": label, onchange: (event) => act(event.target.value) },
        ...Object.entries(choices).map(([value, text]) => el("option", { value, text })));
    }

    // --- the address -------------------------------------------------------------------------------------------------
    read() {
      const params = !here.tab || here.tab === "jobs" ? here : {}; // other screens have a group too
      const known = (choices, name, otherwise) => (Object.hasOwn(choices, name) ? name : otherwise);
      this.now = {
        search: params.search || "",
        state: known(STATES, params.state, "all"),
        kind: [...this.kind.options].some(({ value }) => value === params.kind) ? params.kind : "",
        order: known(ORDERS, params.order, "turn"),
        tags: (params.tag || "").split(",").filter(Boolean),
        group: params.group || "",
      };
      if (this.search.value.trim() !== this.now.search) this.search.value = this.now.search;
      this.kind.value = this.now.kind;
      this.order.value = this.now.order;
      this.order.title = HELPS[this.now.order];
      for (const item of this.segments.children) {
        const on = item.dataset.name === this.now.state;
        item.setAttribute("aria-checked", on);
        item.tabIndex = on ? 0 : -1;
      }
      this.drawChips();
    }

    // `step`: Back takes it away again.
    set(changes, step = true) {
      clearTimeout(this.typing); // what was typed last comes along
      const next = { ...this.now, search: this.search.value.trim(), ...changes };
      remember({ tab: "jobs", search: next.search, tag: next.tags.join(","), group: next.group, kind: next.kind,
        state: next.state === "all" ? "" : next.state, order: next.order === "turn" ? "" : next.order }, step);
      this.read();
      this.changed();
    }

    clear() {
      this.search.value = "";
      this.set({ search: "", state: "all", kind: "", tags: [], group: "" });
    }

    // The address was changed elsewhere. True if it is another list now.
    moved() {
      const before = JSON.stringify(this.now);
      this.read();
      return JSON.stringify(this.now) !== before;
    }

    addTag(tag) {
      if (!this.now.tags.includes(tag)) this.set({ tags: [...this.now.tags, tag] });
    }

    // --- what is asked -----------------------------------------------------------------------------------------------
    get narrowed() {
      const { search, state, kind, tags, group } = this.now;
      return Boolean(search || state !== "all" || kind || tags.length || group);
    }

    // A search shows the jobs that were meant, not the sweeps in which they are.
    get folds() {
      return !this.now.search && !this.now.tags.length;
    }

    query() {
      const { search, state, kind, order, tags, group } = this.now;
      const found = new URLSearchParams({ order });
      const add = (name, values) => values.filter(Boolean).forEach((value) => found.append(name, value));
      add("search", [search]);
      add("group", [group]);
      add("kind", [kind]);
      add("tag", tags);
      add("state", STATES[state].states);
      return found;
    }

    // --- drawing -----------------------------------------------------------------------------------------------------
    count(states) {
      for (const item of this.segments.children) {
        const { title, states: those } = STATES[item.dataset.name];
        const number = Object.entries(states).reduce((sum, [state, n]) => sum + (!those.length || those.includes(state) ? n : 0), 0);
        item.textContent = `${title} ${number.toLocaleString("en")}`;
      }
    }

    drawChips() {
      const { group, tags } = this.now;
      const chip = (text, changes) => el("span", { class: "chip" }, el("span", { text }),
        el("button", { type: "button", "aria-label": say("Without {filter}", { filter: text }), title: say("Show the others too"), onclick: () => this.set(changes) }, icon("bad")));
      const found = tags.map((tag) => chip(tag, { tags: tags.filter((one) => one !== tag) }));
      if (group) found.unshift(chip(group, { group: "" }));
      this.chips.hidden = !found.length;
      this.chips.replaceChildren(...(found.length ? [el("span", { class: "small muted", text: say("Only:") }), ...found] : []));
    }
  };
})();
