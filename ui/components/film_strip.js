// How the fixed prompts were unmasked at each evaluation of a training: a strip of small canvases.
(() => {
  "use strict";
  const { el, call, segments, open, say } = window.studio;
  const FRAMES = 6;
  const SOLVED = say("solved");
  const SPECIAL = /^(<[^<>\s]+>|\[[A-Z_]+\])$/; // tokens of a tokenizer rather than of a text

  class FilmStrip {
    constructor() {
      this.samples = new Map(); // `${prompt}\n${step}` -> sample
      this.films = new Map(); // request -> StudioFilm, or null while it is fetched
      this.prompt = null;
      this.chosen = null; // a training step, null: the newest
      this.back = 0; // sampler steps before the end
      const button = (name, icon, act) => el("button", { class: "btn sq", type: "button", "aria-label": name, title: name, onclick: act }, window.studio.jobs.icon(icon));
      this.about = el("span", { class: "muted plain" });
      this.prompts = el("div");
      this.text = el("p", { class: "small muted prompt" });
      this.strip = el("div", { class: "film" });
      this.range = el("input", { type: "range", min: 0, step: 1, "aria-label": say("Evaluation"), oninput: () => {
        this.chosen = Number(this.range.value) + 1 >= this.ofPrompt().length ? null : this.ofPrompt()[Number(this.range.value)].step;
        this.draw();
      } });
      this.picked = el("span", { class: "small num" });
      this.replay = el("button", { class: "btn small", type: "button", onclick: () => open("playground", { sample: this.current().request, run: null }) },
        window.studio.jobs.icon("play"), say("Replay in playground"));
      this.earlier = button(say("Earlier sampler step"), "prev", () => this.move(1));
      this.later = button(say("Later sampler step"), "next", () => this.move(-1));
      this.root = el("section", { class: "panel film-panel", hidden: true },
        el("div", { class: "head" }, el("h2", {}, say("Film strip"), " ", this.about), el("div", { class: "row" }, this.prompts, this.earlier, this.later)),
        this.text, this.strip,
        el("div", { class: "film-pick" }, this.range, this.picked, this.replay));
    }

    add(samples) {
      for (const sample of samples) {
        this.samples.set(`${sample.prompt}\n${sample.step}`, sample);
        if (this.prompt === null) this.prompt = sample.prompt;
      }
      this.draw();
    }

    clear() {
      this.samples.clear();
      this.prompt = this.chosen = null;
      this.back = 0;
      this.root.hidden = true;
    }

    names() {
      return [...new Set([...this.samples.values()].map((sample) => sample.prompt))];
    }

    ofPrompt() {
      return [...this.samples.values()].filter((sample) => sample.prompt === this.prompt).sort((a, b) => a.step - b.step);
    }

    current() {
      const all = this.ofPrompt();
      return all.find((sample) => sample.step === this.chosen) || all[all.length - 1];
    }

    // Up to six evaluations: the first, the last, the chosen one; denser at the start, where most is learned.
    shown() {
      const all = this.ofPrompt();
      if (all.length <= FRAMES) return all;
      const places = Array.from({ length: FRAMES }, (_, i) => (i ? Math.round((all.length - 1) ** ((i - 1) / (FRAMES - 2))) : 0));
    for (let i = 1; i < FRAMES; i++) places[i] = Math.max(places[i], places[i - 1] + 1);
      const at = all.indexOf(this.current());
      if (!places.includes(at)) {
        const near = places.slice(1, -1).reduce((best, place) => (Math.abs(place - at) < Math.abs(best - at) ? place : best));
        places[places.indexOf(near)] = at;
      }
      return places.sort((a, b) => a - b).map((place) => all[place]);
    }

    draw() {
      this.root.hidden = !this.samples.size;
      if (this.root.hidden) return;
      const all = this.ofPrompt();
      const current = this.current();
      const names = this.names();
      if (this.prompts.dataset.count !== String(names.length)) {
        this.prompts.dataset.count = names.length;
        this.prompts.replaceChildren(...(names.length > 1 ? [segments(say("Prompt"), Object.fromEntries(names.map((_, i) => [`${i}`, say("Prompt {n}", { n: i + 1 })])), `${names.indexOf(this.prompt)}`, (name) => {
          this.prompt = names[Number(name)];
          this.draw();
        })] : []));
      }
      this.text.textContent = say("Prompt: {text}", { text: this.prompt });
      this.range.max = all.length - 1;
      this.range.value = all.indexOf(current);
      this.range.disabled = all.length < 2;
      this.range.setAttribute("aria-valuetext", say("step {n}", { n: current.step }));
      this.picked.textContent = say("step {n}", { n: current.step.toLocaleString("en") });
      this.strip.replaceChildren(...this.shown().map((sample) => this.frame(sample, sample === current)));
      const film = this.films.get(current.request);
      const steps = film ? film.frames : 0;
      const grid = film && film.start && film.start.grid;
      this.text.hidden = Boolean(grid);
      const figures = { n: Math.max(0, steps - this.back), steps, count: all.length };
      this.about.textContent = !film || !film.start ? ""
        : grid ? say("one fixed puzzle, unmasked to step {n} of {steps}; {count} {count:evaluation|evaluations}", figures)
          : say("one fixed prompt, unmasked to step {n} of {steps}; {count} {count:evaluation|evaluations}", figures);
      this.earlier.disabled = !film || this.back >= steps;
      this.later.disabled = !film || this.back <= 0;
    }

    move(by) {
      this.back = Math.max(0, this.back + by);
      this.draw();
    }

    frame(sample, on) {
      const film = this.film(sample.request);
      const card = el("button", { type: "button", class: on ? "on" : "", "aria-pressed": on, onclick: () => {
        const all = this.ofPrompt();
        this.chosen = sample === all[all.length - 1] ? null : sample.step;
        this.draw();
      } }, el("span", { class: "top num" }, el("b", { text: say("step {n}", { n: sample.step.toLocaleString("en") }) }), film && film.start && film.start.grid ? verdict(film, this.at(film)) : null));
      if (film === null) card.append(el("span", { class: "muted small", text: " " }));
      else if (!film.start) card.append(el("span", { class: "small why", text: film.end ? film.end.error || say("No text came of it.") : say("Could not be read.") }));
      else card.append(film.start.grid ? grid(film, this.at(film)) : words(film, this.at(film)));
      return card;
    }

    at(film) {
      return Math.max(0, film.frames - this.back);
    }

    film(request) {
      if (this.films.has(request)) return this.films.get(request);
      this.films.set(request, null);
      const film = new window.StudioFilm();
      call("GET", `/api/samples/${encodeURIComponent(request)}`).then((reply) => reply.lines.forEach((line) => film.push(line)), () => null).then(() => {
        this.films.set(request, film);
        this.draw();
      });
      return null;
    }
  }

  function cell(film, i, frame) {
    const state = film.at(i, frame);
    const masked = film.isMasked(state);
    const given = state.event === "given";
    const text = masked ? "" : film.text(i, state);
    const node = el("span", { class: `t ${masked ? "m" : given ? "g" : `c${band(state.p)}`}` });
    node.style.setProperty("--p", masked || given ? 0 : state.p);
    return { node, text, masked, given };
  }

  // Confidence to the five tints, as on the big canvas.
  const band = (p) => 1 + [0.36, 0.52, 0.68, 0.84].filter((edge) => p > edge).length;

  const short = (token) => token.replace(/[<>|[\]]/g, "").toLowerCase();

  function words(film, frame) {
    const box = el("span", { class: "canvas" });
    let run = null; // neighbouring special tokens are one quiet chip: they say only that nothing is said
    for (let i = film.start.prompt_length || 0; i < film.cells.length; i++) {
      const { node, text, masked, given } = cell(film, i, frame);
      if (given && SPECIAL.test(text)) continue;
      const name = masked ? "" : text.trim();
      if (SPECIAL.test(name)) {
        if (run && run.name === name) run.node.textContent = `${short(name)} \u00d7${++run.times}`;
        else box.append((run = { name, times: 1, node: el("span", { class: "t eos", text: short(name) }) }).node);
        continue;
      }
      run = null;
      if (masked) {
        node.style.setProperty("--w", Math.min(12, Math.max(1, film.coming(i).trim().length || 3)));
      } else node.textContent = /^\n+$/.test(text) ? "\u21b5" : text.trim() || "\u00a0";
      if (!/^\s/.test(masked ? film.coming(i) : text) && box.childNodes.length) node.classList.add("joined");
      box.append(node);
    }
    return box;
  }

  function grid(film, frame) {
    const { rows, columns, box_rows, box_columns } = film.start.grid;
    const wrong = film.conflicts(frame);
    const box = el("span", { class: "mini", style: `--columns:${columns}`, role: "img", "aria-label": say("Grid, {verdict}", { verdict: verdictText(film, frame) }) });
    for (let i = 0; i < rows * columns; i++) {
      const { node, text } = cell(film, i, frame);
      const [row, column] = [Math.floor(i / columns), i % columns];
      if ((column + 1) % box_columns === 0 && column + 1 < columns) node.classList.add("box-right");
      if ((row + 1) % box_rows === 0 && row + 1 < rows) node.classList.add("box-bottom");
      if (wrong.has(i)) node.classList.add("wrong");
      node.textContent = SPECIAL.test(text) ? "\u00b7" : text.trim();
      if (SPECIAL.test(text)) node.title = text;
      box.append(node);
    }
    return box;
  }

  function verdictText(film, frame) {
    const wrong = film.conflicts(frame).size;
    const odd = film.cells.slice(0, film.start.grid.rows * film.start.grid.columns).some((_, i) => SPECIAL.test(film.text(i, film.at(i, frame))));
    const { masked } = film.figures(frame);
    if (wrong) return say("{n} clash", { n: wrong });
    if (masked) return say("{n} open", { n: masked });
    return odd ? say("not all digits") : SOLVED;
  }

  function verdict(film, frame) {
    const text = verdictText(film, frame);
    return el("span", { class: `verdict small ${text === SOLVED ? "good" : ""}` }, text === SOLVED ? window.studio.jobs.icon("ok") : null, text);
  }

  window.StudioFilmStrip = FilmStrip;
})();
