// The buttons and the slider that move all lanes at once, by step or by time.
(() => {
  "use strict";
  const { el, segments, say } = window.studio;
  const PARTS = 1000; // of the slider, in time

  window.StudioLanesTransport = class {
    constructor(clock) {
      this.clock = clock;
      const button = (name, icon, act) => el("button", { class: "btn sq", type: "button", "aria-label": name, title: name, onclick: act },
        el("span", { class: `i i-${icon}`, "aria-hidden": "true" }));
      this.play = button(say("Play"), "play", () => this.toggle());
      this.track = el("span", { class: "track" });
      this.range = el("input", { type: "range", min: 0, max: 0, value: 0, step: 1, "aria-label": say("Place of all lanes"),
        oninput: () => clock.go(Number(this.range.value) / (clock.by === "step" ? 1 : PARTS / (clock.end || 1))) });
      this.place = el("span", { class: "small num place" });
      const axes = segments(say("In step by"), ["step", "time"], clock.by, (name) => clock.measure(name));
      const speeds = segments(say("Speed of all lanes"), window.StudioLanesClock.speeds, clock.speed, (name) => (clock.speed = name));
      this.bar = el("div", { class: "transport" }, button(say("One step back"), "prev", () => clock.step(-1)), this.play,
        button(say("One step on"), "next", () => clock.step(1)), el("div", { class: "scrub" }, this.track, this.range), this.place,
        el("div", { class: "row" }, el("span", { class: "muted small", text: say("In step by") }), axes),
        el("div", { class: "row speeds" }, el("span", { class: "muted small", text: say("Speed") }), speeds));
    }

    toggle() {
      if (this.clock.running) this.clock.pause();
      else this.clock.play();
    }

    draw() {
      const { clock } = this;
      const at = clock.live ? clock.end : clock.at;
      const steps = clock.by === "step";
      this.range.max = steps ? clock.end : PARTS;
      this.range.value = steps ? Math.floor(at) : clock.end ? Math.round((PARTS * at) / clock.end) : 0;
      this.track.style.setProperty("--v", `${clock.end ? (100 * at) / clock.end : 0}%`);
      this.place.textContent = steps ? say("step {at} of {end}", { at: Math.floor(at), end: clock.end })
        : say("{at} of {end} s", { at: at.toFixed(2), end: clock.end.toFixed(2) });
      this.range.setAttribute("aria-valuetext", this.place.textContent);
      const name = clock.running ? say("Pause") : say("Play");
      this.play.setAttribute("aria-label", name);
      this.play.title = name;
      this.play.firstElementChild.className = `i i-${clock.running ? "pause" : "play"}`;
    }
  };
})();
