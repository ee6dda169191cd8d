// Moving through the steps of a film: buttons, a slider over the entropy's curve, speed; and the figures below.
(() => {
  "use strict";
  const { el, segments, say } = window.studio;

  window.StudioTransport = class {
    // `act`: {back, on, toggle, go(frame), speed(name)}
    constructor(speeds, speed, act) {
      const button = (name, icon, action) =>
        el("button", { class: "btn sq", type: "button", "aria-label": name, title: name, onclick: action },
          el("span", { class: `i i-${icon}`, "aria-hidden": "true" }));
      this.play = button(say("Play"), "play", act.toggle);
      this.curve = el("svg", { viewBox: "0 0 100 28", preserveAspectRatio: "none", "aria-hidden": "true" });
      this.track = el("span", { class: "track" });
      this.range = el("input", { type: "range", min: 0, max: 0, value: 0, step: 1, "aria-label": say("Step"),
        oninput: () => act.go(Number(this.range.value)) });
      this.bar = el("div", { class: "transport" },
        button(say("One step back"), "prev", act.back), this.play, button(say("One step on"), "next", act.on),
        el("div", { class: "scrub" }, this.curve, el("span", { class: "cap", text: say("mean entropy") }), this.track, this.range),
        el("div", { class: "row speeds" }, el("span", { class: "muted small", text: say("Speed") }), segments(say("Speed"), speeds, speed, act.speed)));
      const names = [say("step"), say("forwards"), say("tokens per forward"), say("tokens/s"), say("elapsed"), say("mean entropy")];
      this.figures = names.map((name) => ({ name, value: new Text(), unit: el("small") }));
      this.stats = el("dl", { class: "stats" }, ...this.figures.map(({ name, value, unit }) =>
        el("div", {}, el("dt", { text: name }), el("dd", {}, value, unit))));
    }

    draw(film, frame, f) {
      this.range.max = film.frames;
      this.range.value = frame;
      this.range.setAttribute("aria-valuetext", say("step {n} of {total}", { n: f.step, total: f.steps }));
      this.track.style.setProperty("--v", `${(100 * frame) / Math.max(1, film.frames)}%`);
      const told = [[f.step, `/ ${f.steps}`], [f.nfe], [f.perForward.toFixed(2)], [f.perSecond.toFixed(1)], [f.seconds.toFixed(2), "s"],
        f.entropy === null ? ["\u2013"] : [f.entropy.toFixed(2), say("nats")]];
      told.forEach(([value, unit], i) => {
        this.figures[i].value.data = value;
        this.figures[i].unit.textContent = unit ? ` ${unit}` : "";
      });
      this.drawCurve(film);
    }

    // Figures of a former text beside the next one, or beside its error, would be taken for its own.
    clear() {
      this.curved = -1;
      this.curve.replaceChildren();
      this.range.max = this.range.value = 0;
      this.range.removeAttribute("aria-valuetext");
      this.track.style.setProperty("--v", "0%");
      for (const { value, unit } of this.figures) {
        value.data = "\u2013";
        unit.textContent = "";
      }
    }

    drawCurve(film) {
      const values = film.steps.map((line) => line.entropy);
      if (values.length === this.curved) return;
      this.curved = values.length;
      const top = Math.max(0.1, ...values.filter((v) => v !== null));
      const points = values
        .map((v, i) => (v === null ? null : `${((100 * (i + 0.5)) / values.length).toFixed(2)},${(26 - (24 * v) / top).toFixed(2)}`))
        .filter(Boolean);
      this.curve.replaceChildren(el("polyline", { points: points.join(" "), class: "l1", "vector-effect": "non-scaling-stroke" }));
    }

    playing(on) {
      this.play.title = on ? say("Pause") : say("Play");
      this.play.setAttribute("aria-label", this.play.title);
      this.play.firstElementChild.className = `i i-${on ? "pause" : "play"}`;
    }
  };
})();
