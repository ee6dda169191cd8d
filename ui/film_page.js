// A shared text in a file of its own: the canvas's parts over the trajectory that stands in the page as data.
(() => {
  "use strict";
  const { el, segments, say } = window.studio;
  const SPEEDS = { "0.5x": 160, "1x": 80, "2x": 40, "4x": 20 }; // milliseconds a frame
  const STILL = matchMedia("(prefers-reduced-motion: reduce)");
  const DARK = matchMedia("(prefers-color-scheme: dark)");

  class Player {
    constructor(root, { lines, provenance }) {
      Object.assign(this, { root, film: new window.StudioFilm(), frame: 0, colour: "confidence", speed: "1x", playing: 0 });
      for (const line of lines) this.film.push(line);
      this.build(provenance);
      this.listen();
      this.go(this.film.frames);
      this.redraw();
    }

    build(provenance) {
      const { start } = this.film;
      this.drawn = new window.StudioCells(this.film);
      this.board = el("div", { class: start.grid ? "sudoku" : "canvas hero" }, ...this.drawn.nodes);
      if (start.grid) this.board.style.setProperty("--columns", start.grid.columns);
      this.popover = new window.StudioPopover();
      this.legend = el("div", { class: "legend", "aria-label": say("Legend") });
      this.transport = new window.StudioTransport(Object.keys(SPEEDS), this.speed, {
        back: () => this.go(this.frame - 1),
        on: () => this.go(this.frame + 1),
        toggle: () => this.play(!this.playing),
        go: (frame) => this.go(frame),
        speed: (name) => ((this.speed = name), this.playing && this.play(true)),
      });
      this.readings = new window.StudioReadings((frame) => this.go(frame));
      const colours = { confidence: say("Confidence"), step: say("Step"), block: say("Block") };
      const colour = segments(say("Colour by"), colours, this.colour, (name) => ((this.colour = name), this.redraw()));
      const facts = [start.model, start.sampler.name, say("seed {n}", { n: start.seed }), `dLLM Studio ${provenance.studio}`];
      this.root.replaceChildren(
        el("h1", { class: "asked", tabindex: 0, text: start.prompt.trim() || say("A text without a prompt") }),
        el("p", { class: "muted small", text: facts.filter(Boolean).join(", ") }),
        el("section", { class: "panel denoise", "data-state": "done", "aria-label": say("Denoising canvas") },
          el("div", { class: "head" }, this.legend, colour),
          el("div", { class: "stage-box" }, this.board, this.popover.tip), this.popover.dock,
          this.transport.bar, this.transport.stats, this.readings.box));
    }

    listen() {
      for (const name of ["pointerover", "focusin"]) this.board.addEventListener(name, (event) => this.point(event.target.closest("[data-i]")));
      for (const name of ["pointerleave", "focusout"]) this.board.addEventListener(name, () => this.point(null));
      document.addEventListener("keydown", (event) => this.key(event));
    }

    redraw() {
      this.drawn.nodes.forEach((_, i) => this.drawn.draw(i, this.frame, this.colour));
      this.legend.replaceChildren(...window.studioLegend(this.colour, this.film));
      this.draw(this.frame);
    }

    draw(frame) {
      const to = Math.max(0, Math.min(this.film.frames, frame));
      this.drawn.move(this.frame, to, this.colour);
      this.frame = this.root.dataset.frame = to;
      this.transport.draw(this.film, to, this.film.figures(to));
      this.readings.show(this.film, to);
      if (this.film.start.grid) {
        const wrong = this.film.conflicts(to);
        this.drawn.nodes.forEach((cell, i) => cell.classList.toggle("wrong", wrong.has(i)));
      }
    }

    go(frame) {
      this.pause();
      this.draw(frame);
    }

    play(on) {
      this.pause();
      if (!on) return;
      if (this.frame >= this.film.frames) this.draw(0);
      this.playing = setInterval(() => (this.frame < this.film.frames ? this.draw(this.frame + 1) : this.pause()), SPEEDS[this.speed]);
      this.transport.playing(true);
    }

    pause() {
      clearInterval(this.playing);
      this.playing = 0;
      this.transport.playing(false);
    }

    point(node) {
      const i = node ? Number(node.dataset.i) : null;
      const state = node ? this.film.at(i, this.frame) : null;
      if (!state || this.film.isMasked(state) || state.event === "given") return this.popover.hide();
      this.popover.show(node, i, this.film.text(i, state), state);
    }

    key(event) {
      if (event.key === "Escape") return this.point(null);
      if (event.target.closest("input, button, summary, [role=radiogroup]")) return;
      const { nodes } = this.drawn;
      const at = nodes.indexOf(document.activeElement);
      const move = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (event.key === " ") this.play(!this.playing);
      else if (event.key === "Home") this.go(0);
      else if (event.key === "End") this.go(this.film.frames);
      else if (move && at >= 0) nodes[Math.max(0, Math.min(nodes.length - 1, at + move))].focus();
      else if (move) this.go(this.frame + move);
      else return;
      event.preventDefault();
    }
  }

  const shade = () => document.body.classList.toggle("dark", DARK.matches);
  DARK.addEventListener("change", shade);
  shade();
  const root = document.querySelector("main");
  const documents = JSON.parse(document.getElementById("film").textContent);
  const player = documents.length > 1 ? new window.StudioFilmLanes(root, documents) : new Player(root, documents[0]);
  if (!STILL.matches) player.play(true);
})();
