// The curves of the runs of a comparison: asked for once, then only what is new of those that go on.
(() => {
  "use strict";
  const { call } = window.studio;
  const PAUSE = 1500; // milliseconds between two looks at a run that goes on

  const path = (id, names, more = "") => `/api/jobs/${encodeURIComponent(id)}/metrics?names=${names.map(encodeURIComponent).join(",")}${more}`;

  class Points {
    // `changed` is called when there are more points, `failed` with an Error.
    constructor(changed, failed) {
      Object.assign(this, { changed, failed, runs: new Map() });
    }

    // {name: [[step, value], ...]} of a run, as far as it is known.
    of(id) {
      return this.run(id).metrics;
    }

    run(id) {
      if (!this.runs.has(id)) this.runs.set(id, { metrics: {}, asked: new Set(), step: 0, due: 0, timer: 0, again: false });
      return this.runs.get(id);
    }

    async need(id, names) {
      const run = this.run(id);
      const missing = names.filter((name) => !run.asked.has(name));
      if (!missing.length) return;
      missing.forEach((name) => run.asked.add(name));
      try {
        const { metrics } = await call("GET", path(id, missing));
        Object.assign(run.metrics, metrics);
        this.changed();
      } catch (error) {
        missing.forEach((name) => run.asked.delete(name));
        this.failed(error);
      }
    }

    // A run has come to another step or state.
    moved(id, step) {
      const run = this.run(id);
      if (!run.asked.size) return;
      run.step = step;
      run.again = Boolean(run.timer);
      if (run.again) return;
      run.timer = setTimeout(() => this.look(id, run), Math.max(0, run.due - Date.now()));
    }

    async look(id, run) {
      run.again = false;
      const { step } = run;
      const names = [...run.asked];
      const lasts = Object.values(run.metrics).map((points) => points[points.length - 1][0]);
      const back = lasts.some((last) => last > step); // resumed from a checkpoint: what came after that is history
      const first = back || !lasts.length ? 0 : Math.min(...lasts) + 1;
      try {
        const { metrics } = await call("GET", path(id, names, `&first=${first}`));
        if (back) run.metrics = {};
        for (const [name, fresh] of Object.entries(metrics)) {
          const known = (run.metrics[name] || []).filter(([at]) => at < fresh[0][0]);
          run.metrics[name] = known.concat(fresh);
        }
        this.changed();
      } catch {
        // the note over the page says that the server is away; the next news asks again
      }
      run.due = Date.now() + PAUSE;
      run.timer = 0;
      if (run.again && this.runs.get(id) === run) this.moved(id, run.step); // it moved meanwhile
    }

    // The same curves closer together, between two steps; null where the server cannot be asked.
    async closer(id, first, last) {
      try {
        return (await call("GET", path(id, [...this.run(id).asked], `&first=${first}&last=${last}`))).metrics;
      } catch (error) {
        this.failed(error);
        return null;
      }
    }

    keep(ids) {
      for (const [id, { timer }] of this.runs) {
        if (ids.includes(id)) continue;
        clearTimeout(timer);
        this.runs.delete(id);
      }
    }
  }

  window.StudioComparePoints = Points;
})();
