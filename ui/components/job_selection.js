// Which jobs are selected, by box, by range (Shift and a click, or Shift and the arrow keys), or all that match.
(() => {
  "use strict";
  const { el, call, toast, say } = window.studio;

  const brief = ({ id, kind, state, group, held, resumable, kept, tags }) => ({ id, kind, state, group, held: Boolean(held), resumable, kept: tags ? tags.includes("keep") : kept });

  // `source`: the list; `changed()`: it is another selection.
  window.StudioJobSelection = class {
    constructor(source, changed) {
      Object.assign(this, { source, changed });
      this.jobs = new Map(); // id -> {id, kind, state, group, held, resumable, kept}
      this.anchor = null; // where a range begins: the key of a row
    }

    get size() {
      return this.jobs.size;
    }

    // As they are now, where that is known.
    list() {
      return [...this.jobs.values()].map((job) => brief(this.source.job(job.id) || job));
    }

    clear() {
      this.jobs.clear();
      this.changed();
    }

    // What is gone cannot be selected any more.
    without(ids) {
      ids.forEach((id) => this.jobs.delete(id));
      this.changed();
    }

    // --- rows: a job, or a group, which stands for its jobs -----------------------------------------------------------
    has(key) {
      const group = this.source.groups.get(key);
      if (!group) return this.jobs.has(key);
      const chosen = this.within(key).length;
      return chosen > 0 && chosen >= window.studio.groupRow.size(group);
    }

    partly(key) {
      return this.source.groups.has(key) && !this.has(key) && this.within(key).length > 0;
    }

    within(group) {
      return [...this.jobs.values()].filter((job) => job.group === group);
    }

    async set(key, on) {
      if (!this.source.groups.has(key)) {
        const job = this.source.job(key);
        if (on && job) this.jobs.set(key, brief(job));
        else this.jobs.delete(key);
      } else if (on) await this.add(new URLSearchParams({ group: key }));
      else this.within(key).forEach(({ id }) => this.jobs.delete(id));
    }

    // All that match, whether they are on the page or not.
    async add(query) {
      try {
        const { jobs } = await call("GET", `/api/jobs/matching?${query}`);
        for (const job of jobs) this.jobs.set(job.id, job);
      } catch (error) {
        toast(error.message, "bad");
      }
      this.changed();
    }

    // --- boxes -------------------------------------------------------------------------------------------------------
    tick(key, text) {
      const box = el("input", { type: "checkbox", "aria-label": say("Select {job}", { job: text }), "data-key": key,
        title: say("Shift selects all rows between, with a click or an arrow key") });
      this.mark(box);
      return el("td", { class: "x" }, box);
    }

    mark(box) {
      box.checked = this.has(box.dataset.key);
      box.indeterminate = this.partly(box.dataset.key);
      box.closest("tr")?.classList.toggle("selected", box.checked);
    }

    // `body`: the rows of the list.
    arrange(body) {
      const boxes = () => [...body.querySelectorAll("input[data-key]")];
      body.addEventListener("click", (event) => {
        if (event.target.matches("input[data-key]")) this.choose(boxes(), event.target, event.target.checked, event.shiftKey);
      });
      body.addEventListener("keydown", (event) => {
        const move = { ArrowDown: 1, ArrowUp: -1 }[event.key];
        if (!move || event.altKey || !event.target.matches("input[data-key]")) return;
        event.preventDefault();
        const all = boxes();
        const next = all[all.indexOf(event.target) + move];
        if (!next) return;
        if (event.shiftKey && this.anchor === null) this.anchor = event.target.dataset.key;
        next.focus();
        if (event.shiftKey) this.choose(all, next, true, true);
        else this.anchor = null;
      });
    }

    async choose(all, box, on, range) {
      const keys = all.map((one) => one.dataset.key);
      const [from, to] = [keys.indexOf(range ? this.anchor : box.dataset.key), keys.indexOf(box.dataset.key)];
      const chosen = from < 0 ? [box.dataset.key] : keys.slice(Math.min(from, to), Math.max(from, to) + 1);
      if (!range || from < 0) this.anchor = box.dataset.key;
      await Promise.all(chosen.map((key) => this.set(key, on)));
      this.changed();
    }
  };
})();
