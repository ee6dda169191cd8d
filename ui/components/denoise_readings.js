// What one trajectory tells as a whole, from the same lines as the canvas: the order in which it was written, how
// sure the model was, and how much was open. Folded until somebody asks.
(() => {
  "use strict";
  const { el, say } = window.studio;
  const WIDE = 640; // units of a drawing's width; its height is in CSS
  const HIGH = 100;

  window.StudioReadings = class {
    // `go(frame)`: a click on a drawing moves the canvas there.
    constructor(go) {
      this.go = go;
      this.order = new Order(this);
      this.sure = new Curve(this, { title: say("Confidence of the tokens written in each step: mean and range"), unit: "", of: confidence, top: () => 1 });
      this.open = new Curve(this, { title: say("Mean entropy of what was still masked, in nats"), unit: " nats", of: entropy, top: highest });
      this.parts = [this.order, this.sure, this.open];
      this.box = el("details", { class: "readings", ontoggle: () => this.draw() },
        el("summary", { text: say("Readings") }), ...this.parts.map((part) => part.box));
    }

    // Called with each frame that is shown; the drawings are made anew only when the film has grown.
    show(film, frame) {
      Object.assign(this, { film, frame });
      this.box.hidden = !film.start;
      if (!this.box.open || !film.start) return;
      if (this.drawn !== film || this.frames !== film.frames || this.done !== film.done) return this.draw();
      for (const part of this.parts) part.mark(frame);
    }

    clear() {
      this.film = null;
      this.box.hidden = true;
    }

    draw() {
      if (!this.box.open || !this.film || !this.film.start) return;
      Object.assign(this, { drawn: this.film, frames: this.film.frames, done: this.film.done });
      for (const part of this.parts) part.draw(this.film);
      for (const part of this.parts) part.mark(this.frame);
    }
  };

  // A figure: title, drawing, and a line that says what is under the pointer.
  function figure(readings, title, picture, mark, act) {
    const told = el("output", { class: "small num" });
    for (const name of ["pointermove", "pointerdown"]) picture.addEventListener(name, (event) => (told.textContent = act.tell(event)));
    picture.addEventListener("pointerleave", () => (told.textContent = ""));
    picture.addEventListener("click", (event) => readings.go(act.frame(event)));
    const box = el("figure", {}, el("figcaption", { class: "small" }, title, " ", told), el("div", { class: "plot" }, picture, mark));
    return { box, told };
  }

  const share = (event, axis) => {
    const box = event.currentTarget.getBoundingClientRect();
    const at = axis === "x" ? (event.clientX - box.left) / box.width : (event.clientY - box.top) / box.height;
    return Math.max(0, Math.min(0.9999, at));
  };

  // Positions from left to right, steps from top to bottom: masked, then tinted by the confidence of its token.
  class Order {
    constructor(readings) {
      this.canvas = el("canvas", { role: "img" });
      this.line = el("i", { class: "now across" });
      const title = say("Order of writing: positions from left to right, steps downwards");
      Object.assign(this, figure(readings, title, this.canvas, this.line, {
        tell: (event) => this.tell(share(event, "x"), share(event, "y")),
        frame: (event) => 1 + Math.floor(share(event, "y") * this.film.frames),
      }));
    }

    draw(film) {
      this.film = film;
      const [width, height] = [film.cells.length, Math.max(1, film.frames)];
      Object.assign(this.canvas, { width, height });
      const style = getComputedStyle(this.canvas);
      const tints = [1, 2, 3, 4, 5].map((i) => style.getPropertyValue(`--h${i}`));
      const [masked, given, changed] = ["--mask", "--surface", "--warn-line"].map((name) => style.getPropertyValue(name));
      const draw = this.canvas.getContext("2d");
      film.cells.forEach((states, i) => states.forEach((state, n) => {
        const until = n + 1 < states.length ? states[n + 1].frame - 1 : height;
        const from = Math.max(0, state.frame - 1);
        const again = n > 0 && (state.event === "remasked" || state.event === "edited");
        draw.fillStyle = film.isMasked(state) ? masked : state.event === "given" ? given : tints[Math.min(4, Math.floor(5 * state.p))];
        draw.fillRect(i, from, 1, until - from);
        if (!again) return;
        draw.fillStyle = changed;
        draw.fillRect(i, from, 1, 1);
      }));
      this.canvas.setAttribute("aria-label", orderWords(film));
    }

    tell(x, y) {
      const { film } = this;
      const i = Math.floor(x * film.cells.length);
      const frame = Math.min(film.frames, 1 + Math.floor(y * film.frames));
      const state = film.at(i, frame);
      const place = say("step {frame}, position {i}", { frame, i });
      if (film.isMasked(state)) return `${place}: ${say("masked")}`;
      return `${place}: ${film.text(i, state).trim()} (${state.event === "given" ? say("given") : state.p.toFixed(2)})`;
    }

    mark(frame) {
      this.line.style.setProperty("--at", `${(100 * frame) / Math.max(1, this.film.frames)}%`);
    }
  }

  // A line over the steps, with a band where the values have a range.
  class Curve {
    constructor(readings, { title, unit, of, top }) {
      Object.assign(this, { title, unit, of, top });
      this.svg = el("svg", { viewBox: `0 0 ${WIDE} ${HIGH}`, preserveAspectRatio: "none", role: "img" });
      this.line = el("i", { class: "now" });
      Object.assign(this, figure(readings, title, this.svg, this.line, {
        tell: (event) => this.tell(Math.floor(share(event, "x") * this.values.length)),
        frame: (event) => 1 + Math.floor(share(event, "x") * this.values.length),
      }));
      this.scale = el("span", { class: "scale small num" });
      this.box.querySelector(".plot").append(this.scale);
    }

    draw(film) {
      this.values = film.steps.map(this.of);
      const high = this.top(this.values);
      const x = (i) => ((WIDE * (i + 0.5)) / Math.max(1, this.values.length)).toFixed(1);
      const y = (value) => (HIGH - 2 - ((HIGH - 4) * value) / high).toFixed(1);
      const known = this.values.map((value, i) => ({ ...value, i })).filter((value) => value.mean !== undefined);
      const points = (list, key) => list.map((value) => `${x(value.i)},${y(value[key])}`).join(" ");
      const band = known.length && known[0].low !== undefined
        ? el("path", { d: `M${points(known, "low")} L${points([...known].reverse(), "high")}Z`, class: "band" }) : null;
      this.svg.replaceChildren(...[band, el("polyline", { points: points(known, "mean"), class: "l1", "vector-effect": "non-scaling-stroke" })].filter(Boolean));
      this.scale.textContent = high.toFixed(high < 10 ? 2 : 1);
      this.svg.setAttribute("aria-label", curveWords(this.title, known, this.unit));
    }

    tell(i) {
      const value = this.values[i];
      if (!value || value.mean === undefined) return "";
      const range = value.low === undefined ? "" : say(", from {low} to {high}, {n} {n:token|tokens}", { low: value.low.toFixed(2), high: value.high.toFixed(2), n: value.n });
      return `${say("step {step}", { step: i + 1 })}: ${value.mean.toFixed(2)}${this.unit}${range}`;
    }

    mark(frame) {
      this.line.style.setProperty("--at", `${(100 * (frame - 0.5)) / Math.max(1, this.values.length)}%`);
    }
  }

  // Of a step line: the probabilities of the tokens that the model wrote in it.
  function confidence(line) {
    const found = line.deltas.filter((delta) => delta[4] === "revealed" || delta[4] === "edited").map((delta) => delta[3]);
    if (!found.length) return {};
    return { n: found.length, low: Math.min(...found), high: Math.max(...found), mean: found.reduce((a, b) => a + b) / found.length };
  }

  const entropy = (line) => (line.entropy === null ? {} : { mean: line.entropy });
  const highest = (values) => Math.max(0.1, ...values.map((value) => value.mean || 0));

  // How far it went from left to right: pairs of neighbours that were written in this order, of all pairs.
  function orderWords(film) {
    const frames = film.cells.map((states) => states.find((state) => state.event === "revealed")).filter(Boolean).map((state) => state.frame);
    let forward = 0;
    for (let i = 1; i < frames.length; i++) if (frames[i] >= frames[i - 1]) forward += 1;
    const percent = frames.length > 1 ? Math.round((100 * forward) / (frames.length - 1)) : 100;
    return say("Order of writing: {n} {n:token|tokens} in {steps} {steps:step|steps}; {percent} % of neighbours were written from left to right.",
      { n: frames.length, steps: film.frames, percent });
  }

  function curveWords(title, known, unit) {
    if (!known.length) return say("{title}: nothing yet.", { title });
    const [first, last] = [known[0], known[known.length - 1]];
    const least = Math.min(...known.map((value) => value.low ?? value.mean));
    return say("{title}: {first}{unit} in the first step, {last}{unit} in the last, lowest {least}{unit}.",
      { title, unit, first: first.mean.toFixed(2), last: last.mean.toFixed(2), least: least.toFixed(2) });
  }
})();
