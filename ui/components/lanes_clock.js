// One clock for several films: it counts steps or seconds, stands, runs, jumps, and says where each film is.
(() => {
  "use strict";
  const STEP_SECONDS = 0.08; // of a step at speed 1x
  const SPEEDS = { "0.25x": 0.25, "0.5x": 0.5, "1x": 1, "2x": 2, "4x": 4 };

  window.StudioLanesClock = class {
    // `films()`: those to be moved; `tick()` after each move.
    constructor(films, tick) {
      Object.assign(this, { films, tick, by: "step", speed: "1x", at: 0, live: true, running: 0 });
    }

    static speeds = Object.keys(SPEEDS);

    get end() {
      return Math.max(0, ...this.films().map((film) => (this.by === "step" ? film.frames : film.seconds)));
    }

    // Which frame a film shows now. Live: its newest.
    frame(film) {
      if (this.live) return film.frames;
      return this.by === "step" ? Math.min(film.frames, Math.floor(this.at)) : film.frameAt(this.at);
    }

    go(at) {
      this.pause();
      this.move(at);
    }

    move(at) {
      this.live = false;
      this.at = Math.max(0, Math.min(this.end, at));
      this.tick();
    }

    // One step on or back; in time to the next moment at which any film changes.
    step(by) {
      if (this.live) this.at = this.end;
      if (this.by === "step") return this.go(Math.floor(this.at) + by);
      const moments = this.films().flatMap((film) => film.steps.map((line) => line.seconds));
      const next = by > 0 ? moments.filter((s) => s > this.at) : moments.filter((s) => s < this.at);
      this.go(next.length ? (by > 0 ? Math.min(...next) : Math.max(...next)) : by > 0 ? this.end : 0);
    }

    // The other axis, at the same share of the way.
    measure(by) {
      const share = this.live || !this.end ? 1 : this.at / this.end;
      this.by = by;
      this.at = share * this.end;
      if (by === "step") this.at = Math.round(this.at);
      this.tick();
    }

    play() {
      this.pause();
      if (this.live || this.at >= this.end) this.at = 0;
      this.live = false;
      let before = performance.now();
      const run = (now) => {
        const passed = ((now - before) / 1000) * SPEEDS[this.speed];
        before = now;
        this.running = requestAnimationFrame(run);
        this.move(this.at + (this.by === "step" ? passed / STEP_SECONDS : passed));
        if (this.at >= this.end) this.pause();
      };
      this.running = requestAnimationFrame(run);
      this.tick();
    }

    pause() {
      cancelAnimationFrame(this.running);
      if (!this.running) return;
      this.running = 0;
      this.tick();
    }

    follow() {
      this.pause();
      this.live = true;
      this.tick();
    }
  };
})();
