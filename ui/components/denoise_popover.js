// What is known of one token: its step, its probability, what else it could have been. Floats beside the token
// on a wide screen and sits under the canvas on a phone.
(() => {
  "use strict";
  const { el, say } = window.studio;
  const NARROW = matchMedia("(max-width: 640px)");
  const GAP = 10;
  const EVENTS = {
    revealed: say("revealed at step {n}"), remasked: say("remasked at step {n}"),
    edited: say("edited at step {n}"), closed: say("closed at step {n}"),
  };

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
      box.replaceChildren(el("b", { text: text.trim() || text }), ", ", say(EVENTS[state.event], { n: state.frame }),
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
    if (state.event === "closed") return say("position {n}, after the end of the text; the model was not asked", { n: position });
    const figures = { n: position, block: state.block + 1, p: state.p.toFixed(2) };
    const line = say("position {n}, block {block}, probability {p}", figures);
    return state.entropy === undefined ? line : line + say(", entropy {value} nats", { value: state.entropy.toFixed(2) });
  }

  function candidate([word, p], place) {
    return el("span", { class: place ? "cand" : "cand best", style: `--p:${p}` },
      el("span", { text: word.trim() || word }), el("i"), el("span", { text: p.toFixed(2) }));
  }
})();
