// Shared lanes in a file of their own: side by side and in step, as film_page.js shows one text.
(() => {
  "use strict";
  const { el, say } = window.studio;

  window.StudioFilmLanes = class {
    constructor(root, documents) {
      this.views = documents.map(({ lines }, i) => {
        const view = new window.StudioLaneView("ABCD"[i], lines[0].request);
        view.receive({ reset: true, lines });
        return view;
      });
      this.clock = new window.StudioLanesClock(() => this.views.map((view) => view.film), () => this.draw());
      this.transport = new window.StudioLanesTransport(this.clock);
      this.popover = new window.StudioPopover();
      this.board = el("div", { class: "lane-grid" }, ...this.views.map((view) => view.box));
      this.root = root;
      root.replaceChildren(
        el("h1", { class: "asked", tabindex: 0, text: documents[0].lines[0].prompt.trim() || say("A text without a prompt") }),
        el("section", { class: "panel lanes", "aria-label": say("Side by side") }, this.transport.bar,
          el("div", { class: "stage-box" }, this.board, this.popover.tip), this.popover.dock));
      for (const name of ["pointerover", "focusin"]) this.board.addEventListener(name, (event) => this.point(event.target.closest("[data-i]")));
      for (const name of ["pointerleave", "focusout"]) this.board.addEventListener(name, () => this.point(null));
      document.addEventListener("keydown", (event) => event.key === "Escape" && this.point(null));
      this.draw();
    }

    play() {
      this.clock.play();
    }

    draw() {
      for (const view of this.views) view.draw(this.clock.frame(view.film));
      window.studioCompareLanes(this.views);
      this.transport.draw();
      this.root.dataset.frame = Math.max(...this.views.map((view) => view.frame));
    }

    point(node) {
      const view = node && this.views.find((one) => one.box.contains(node));
      if (!view) return this.popover.hide();
      const i = Number(node.dataset.i);
      const state = view.film.at(i, view.frame);
      if (view.film.isMasked(state) || state.event === "given") return this.popover.hide();
      this.popover.show(node, i, view.film.text(i, state), state);
    }
  };
})();
