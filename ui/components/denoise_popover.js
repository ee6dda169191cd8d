// What is known of one token: its step, its probability, what else it could have been. Floats beside the token
// on a wide screen and sits under the canvas on a phone.
(() => {
  "use strict";
  const { el } = window.studio;
  const NARROW = matchMedia("(max-width: 640px)");
  const GAP = 10;

  window.StudioPopover = class {
    constructor() {
      this.tip = el("div", { class: "tip", role: "tooltip", hidden: true });
      this.dock = el("div", { class: "dock", hidden: true });
    }

    hide() {
      this.tip.hidden = this.dock.hidden = true;
    }

    show(node, position, text, state) {
      const box = NARROW.matches ? this.dock : this.tip;
      this.hide();
      box.replaceChildren(el("b", { text: text.trim() || text }), `, ${state.event} at step `, el("b", { text: state.frame }),
        el("span", { class: "muted meta", text: about(position, state) }),
        ...state.top.map(candidate));
      box.hidden = false;
      if (box === this.tip) this.place(node);
    }

    place(node) {
      const stage = this.tip.parentElement.getBoundingClientRect();
      const at = node.getBoundingClientRect();
      const left = Math.max(0, Math.min(stage.width - this.tip.offsetWidth, at.left - stage.left - 8));
      const below = at.bottom - stage.top + GAP;
      const above = at.top - stage.top - this.tip.offsetHeight - GAP;
      const fits = at.bottom + this.tip.offsetHeight + 2 * GAP <= innerHeight || above < -stage.top;
      this.tip.style.left = `${left}px`;
      this.tip.style.top = `${fits ? below : above}px`;
    }
  };

  function about(position, state) {
    if (state.event === "closed") return `position ${position}, after the end of the text; the model was not asked`;
    const entropy = state.entropy === undefined ? "" : `, entropy ${state.entropy.toFixed(2)} nats`;
    return `position ${position}, block ${state.block + 1}, probability ${state.p.toFixed(2)}${entropy}`;
  }

  function candidate([word, p], place) {
    return el("span", { class: place ? "cand" : "cand best", style: `--p:${p}` },
      el("span", { text: word.trim() || word }), el("i"), el("span", { text: p.toFixed(2) }));
  }
})();
