// One lane while it is written and replayed: its canvas, and its figures as bars that all lanes share a scale for.
(() => {
  "use strict";
  const { el, say, told } = window.studio;
  const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);
  const MEASURES = [
    { name: "nfe", title: say("forwards"), digits: 0 },
    { name: "perForward", title: say("tokens per forward"), digits: 2 },
    { name: "perSecond", title: say("tokens/s"), digits: 1 },
  ];

  class LaneView {
    constructor(letter, request) {
      Object.assign(this, { letter, request, film: new window.StudioFilm(), frame: 0, state: "waiting", drawn: null });
      this.name = el("span", { class: "muted small" });
      this.badge = el("span", { class: "badge plain num" });
      this.board = el("div", { class: "canvas" });
      this.words = el("p", { class: "small muted" });
      this.bars = el("dl", { class: "bars" });
      this.cautions = el("div", { class: "cautions" });
      this.box = el("section", { class: "lane", "aria-label": say("Lane {letter}", { letter }), "data-state": this.state },
        el("div", { class: "head" }, el("h3", {}, el("b", { class: "letter", text: letter }), " ", this.name), this.badge),
        this.board, this.words, this.bars, this.cautions);
      this.show(say("Waiting for its turn ..."));
    }

    receive(message) {
      if (message.error) return this.fail(message.error);
      if (message.waiting) this.show(`${capital(told(message.waiting))} ...`);
      if (!message.lines) return;
      if (message.reset) this.film = new window.StudioFilm();
      for (const line of message.lines) this.film.push(line);
      if (this.film.start && (message.reset || !this.drawn)) this.layOut();
      if (!this.film.done) this.set("live");
      else if (this.film.end.reason === "error") this.fail(this.film.end.error || say("The model server gave up."));
      else this.set(this.film.end.reason === "cancelled" ? "cancelled" : "done");
    }

    layOut() {
      const { grid, model, sampler } = this.film.start;
      this.name.textContent = `${title(model)}, ${sampler.name}`;
      this.board.className = grid ? "sudoku" : "canvas";
      this.board.style.setProperty("--columns", grid ? grid.columns : "");
      this.drawn = new window.StudioCells(this.film);
      this.board.replaceChildren(...this.drawn.nodes);
      this.frame = 0;
      this.drawn.nodes.forEach((_, i) => this.drawn.draw(i, 0, "confidence"));
      this.show("");
    }

    get over() {
      return !["waiting", "live"].includes(this.state);
    }

    set(state) {
      this.state = this.box.dataset.state = state;
    }

    show(text) {
      this.words.textContent = text;
    }

    // What is known to go wrong with its settings.
    warn(sentences) {
      this.cautions.replaceChildren(...sentences.map((text) => el("p", { class: "note" },
        el("span", { class: "i i-warn", "aria-hidden": "true" }), el("span", { text: told(text) }))));
    }

    fail(text) {
      this.set("error");
      this.words.replaceChildren(el("span", { class: "note bad", role: "alert" }, el("span", { class: "i i-warn", "aria-hidden": "true" }), el("span", { text })));
    }

    // The canvas at a frame; its words are cut rightly once the end is known.
    draw(frame) {
      if (!this.drawn) return;
      const to = Math.max(0, Math.min(this.film.frames, frame));
      const final = this.film.done && !this.final;
      this.final = this.film.done;
      if (final) this.drawn.nodes.forEach((_, i) => this.drawn.draw(i, to, "confidence"));
      else this.drawn.move(this.frame, to, "confidence");
      this.frame = to;
    }

    figures(frame = this.frame) {
      return this.drawn ? this.film.figures(frame) : null;
    }

    // `most`: of each measure the highest of all lanes; `agreement`: {same, both} or null, absent in lane A.
    measure(most, agreement) {
      const figures = this.figures();
      if (!figures) return this.bars.replaceChildren();
      this.box.dataset.frame = this.frame;
      this.badge.textContent = `${figures.step} / ${figures.steps}, ${figures.seconds.toFixed(2)} s`;
      const rows = MEASURES.map(({ name, title: words, digits }) => bar(words, figures[name] / (most[name] || 1), figures[name].toFixed(digits)));
      if (agreement !== undefined) rows.push(agreed(agreement));
      this.bars.replaceChildren(...rows.flat());
    }

    highest() {
      const last = this.figures(this.film.frames);
      return last && this.film.frames ? last : { nfe: 0, perForward: 0, perSecond: 0 };
    }
  }

  function bar(name, share, value, help) {
    const width = `--v:${(100 * Math.max(0, Math.min(1, share || 0))).toFixed(1)}%`;
    return [el("dt", { text: name, title: help }), el("dd", { title: help }, el("i", { style: width }), el("span", { class: "num", text: value }))];
  }

  function agreed(agreement) {
    const name = say("agrees with A");
    if (!agreement) return bar(name, 0, "\u2013", say("Not compared: its prompt has other tokens, so its places are others."));
    const { same, both } = agreement;
    const value = both ? `${Math.round((100 * same) / both)} % (${same} / ${both})` : "\u2013";
    return bar(name, both ? same / both : 0, value, say("Equal tokens at the same place, of the places where both lanes have written."));
  }

  // Of a path its last folder; of a run's model the run.
  function title(model) {
    const parts = model.split("/").filter(Boolean);
    const run = parts.find((part) => /^[a-z]+-\d{4,}$/.test(part));
    return run && parts[parts.length - 1] === "model" ? `run:${run}` : parts[parts.length - 1] || model;
  }

  // The bars of lanes beside each other: each measure on the scale of the highest, agreement with the first.
  window.studioCompareLanes = (views) => {
    const most = {};
    for (const { name } of MEASURES) most[name] = Math.max(0, ...views.map((view) => view.highest()[name]));
    views.forEach((view, i) => view.measure(most, i ? window.studioAgreement(views[0], view) : undefined));
  };

  // Equal tokens at the same places of two lanes' answers; null where the prompts have other tokens.
  window.studioAgreement = (one, other) => {
    const [a, b] = [one.film, other.film];
    if (!a.start || !b.start) return { same: 0, both: 0 };
    const [from, of] = [a.start.prompt_length, b.start.prompt_length];
    const prompts = [a, b].map((film) => film.start.ids.slice(0, film.start.prompt_length).join());
    if (prompts[0] !== prompts[1]) return null;
    let [same, both] = [0, 0];
    for (let i = 0; i + from < a.cells.length && i + of < b.cells.length; i++) {
      const [x, y] = [a.at(from + i, one.frame), b.at(of + i, other.frame)];
      if ([a.isMasked(x), b.isMasked(y), x.event === "given", y.event === "given", x.event === "closed", y.event === "closed"].some(Boolean)) continue;
      both += 1;
      if (x.id === y.id) same += 1;
    }
    return { same, both };
  };

  window.StudioLaneView = LaneView;
})();
