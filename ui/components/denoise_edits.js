// Changes to a canvas from which a branch is to go on: tokens pinned as another text, or masked again.
(() => {
  "use strict";
  const { el, say } = window.studio;
  const SPENT = say("Nothing is left to be written here: go back to an earlier step, or mask a token again.");

  window.StudioEdits = class {
    // `redraw(position)` after a change there. The page's own button (#play-branch) sends what `ask` returns.
    constructor(redraw) {
      this.redraw = redraw;
      this.edits = new Map(); // position -> {pin: text} or {mask: true}
      this.chosen = null;
      this.name = el("span", { class: "small" });
      this.input = el("input", { type: "text", class: "pin-text", "aria-label": say("Pin this text"), placeholder: say("another text"),
        onkeydown: (event) => this.key(event) });
      const button = (text, act) => el("button", { class: "btn small", type: "button", text, onclick: act });
      this.leave = button(say("Leave as it is"), () => this.change(null));
      this.editor = el("div", { class: "row editor" }, this.name, this.input,
        button(say("Pin"), () => this.pin()), button(say("Mask again"), () => this.change({ mask: true })), this.leave);
      this.hint = el("span", { class: "muted small" });
      this.go = el("button", { class: "btn small branch-go", type: "button", text: say("Go on from here"), onclick: () => this.send() });
      this.list = el("ul", { class: "edit-list", "aria-label": say("Changes") });
      this.box = el("section", { class: "branch", "aria-label": say("Branch"), hidden: true },
        this.editor, this.list, el("div", { class: "row" }, this.go, this.hint));
      window.studio.branch = () => JSON.stringify(this.ask());
    }

    clear() {
      this.edits.clear();
      this.chosen = null;
      this.box.hidden = true;
    }

    at(position) {
      return this.edits.get(position);
    }

    show(film, frame, request) {
      Object.assign(this, { film, frame, request });
      this.box.hidden = false;
      this.draw();
    }

    choose(position, focus = false) {
      this.chosen = position;
      const edit = this.at(position);
      this.input.value = edit && edit.pin ? edit.pin.trim() : "";
      this.draw();
      if (focus) this.input.focus();
    }

    key(event) {
      event.stopPropagation(); // arrows and space are the text's here
      if (event.key === "Enter") this.pin();
      if (event.key === "Escape") this.choose(null);
    }

    // A word keeps the space that stands before the one it replaces.
    pin() {
      const text = this.input.value.trim();
      if (!text) return this.input.focus();
      const state = this.film.at(this.chosen, this.frame);
      const old = this.film.isMasked(state) ? this.film.coming(this.chosen) : this.film.text(this.chosen, state);
      const apart = old ? /^\s/.test(old) : this.chosen > 0 && !this.film.start.grid && /^[\p{L}\p{N}]/u.test(text);
      this.change({ pin: (apart ? " " : "") + text });
    }

    change(edit) {
      const position = this.chosen;
      if (position === null) return;
      if (edit) this.edits.set(position, edit);
      else this.edits.delete(position);
      this.redraw(position);
      this.choose(position);
    }

    // How many masks there would be.
    open() {
      let masked = 0;
      for (let i = 0; i < this.film.cells.length; i++) {
        const edit = this.at(i);
        if (edit ? edit.mask : this.film.isMasked(this.film.at(i, this.frame))) masked++;
      }
      return masked;
    }

    draw() {
      if (!this.film) return;
      const some = this.chosen !== null;
      this.editor.hidden = !some;
      this.leave.disabled = !this.edits.has(this.chosen);
      if (some) this.name.textContent = say("Position {n}: {word}", { n: this.chosen, word: this.word(this.chosen) });
      this.list.replaceChildren(...[...this.edits].sort(([a], [b]) => a - b).map(([position, edit]) =>
        el("li", {}, el("button", { class: "btn small", type: "button", onclick: () => this.choose(position),
          text: `${position}: ${this.word(position)} \u2192 ${edit.mask ? say("masked again") : edit.pin.trim()}` }))));
      const spent = this.open() === 0;
      this.go.disabled = spent;
      const where = this.frame ? say("A branch after step {n}, with the sampler's settings as they stand now.", { n: this.frame })
        : say("A branch before the first step, with the sampler's settings as they stand now.");
      this.hint.textContent = spent ? SPENT : some ? where : `${where} ${say("Choose a token to change it.")}`;
    }

    word(position) {
      const state = this.film.at(position, this.frame);
      return this.film.isMasked(state) ? say("masked") : this.film.text(position, state).trim() || say("space");
    }

    // What the page's server is asked for.
    ask() {
      const entries = [...this.edits];
      return {
        request: this.request,
        step: this.frame ? this.film.steps[this.frame - 1].step : -1,
        pins: Object.fromEntries(entries.filter(([, edit]) => edit.pin).map(([position, edit]) => [position, edit.pin])),
        remask: entries.filter(([, edit]) => edit.mask).map(([position]) => position),
      };
    }

    send() {
      document.querySelector("#play-branch").click();
    }
  };
})();
