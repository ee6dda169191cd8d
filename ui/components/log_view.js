// The log of a run: follows its end, filters by words and by how serious a line is.
(() => {
  "use strict";
  const { el, segments, subscribe, say } = window.studio;
  const MOST = 3000; // lines kept in the page
  const SERIOUS = { all: 0, warnings: 1, errors: 2 };

  class LogView {
    constructor() {
      this.level = "all";
      this.words = "";
      this.rest = ""; // a line that has no end yet
      this.following = true;
      this.pre = el("div", { class: "log", tabindex: 0, role: "log", "aria-label": say("Log"), "aria-live": "off" });
      this.above = el("p", { class: "small muted", hidden: true });
      this.follow = el("button", { type: "button", class: "badge run", onclick: () => this.setFollowing(!this.following) });
      const search = el("input", { class: "in", type: "search", placeholder: say("Find in log"), "aria-label": say("Find in log"), oninput: () => {
        this.words = search.value.trim().toLowerCase();
        this.filter();
      } });
      this.root = el("section", { class: "panel log-panel" },
        el("div", { class: "head" }, el("h2", { text: say("Log") }),
          el("div", { class: "row" }, search, segments(say("Level"), { all: say("All"), warnings: say("Warnings"), errors: say("Errors") }, "all", (name) => {
            this.level = name;
            this.filter();
          }), this.follow)),
        this.above, this.pre);
      this.pre.addEventListener("scroll", () => {
        const atEnd = this.pre.scrollHeight - this.pre.scrollTop - this.pre.clientHeight < 24;
        if (atEnd !== this.following) this.setFollowing(atEnd, false);
      });
      this.setFollowing(true);
      this.leave = () => null;
    }

    open(id) {
      this.clear();
      this.leave();
      this.leave = subscribe(`log:${id}`, (message) => this.receive(message));
      return this.leave;
    }

    receive(message) {
      if (message.error) return;
      if (message.reset) {
        this.clear();
        this.above.hidden = !message.offset;
        this.above.textContent = say("Only the end is shown; the whole log lies in the run's folder.");
      }
      this.add(message.text || "");
    }

    clear() {
      this.rest = "";
      this.pre.replaceChildren();
      this.above.hidden = true;
    }

    add(text) {
      const lines = (this.rest + text).split("\n");
      this.rest = lines.pop();
      if (lines.length) this.pre.querySelector(".none")?.remove();
      this.pre.append(...lines.map((line) => this.line(line)));
      while (this.pre.children.length > MOST) this.pre.firstChild.remove();
      this.scroll();
    }

    line(text) {
      const shown = text.split("\r").pop(); // progress bars write over themselves
      const serious = /\b(error|traceback|exception|failed)\b/i.test(shown) ? 2 : /\bwarn(ing)?\b/i.test(shown) ? 1 : 0;
      const [, time, rest] = shown.match(/^(\d\d:\d\d:\d\d(?:[.,]\d+)?) (.*)$/s) || [null, "", shown];
      const node = el("div", { class: ["", "w_", "e_"][serious], "data-serious": serious },
        time ? el("span", { class: "d_", text: `${time} ` }) : null, rest || (time ? "" : " "));
      node.hidden = !this.shows(node);
      return node;
    }

    shows(node) {
      return Number(node.dataset.serious) >= SERIOUS[this.level] && (!this.words || node.textContent.toLowerCase().includes(this.words));
    }

    filter() {
      let shown = 0;
      for (const node of this.pre.children) {
        if (!node.dataset.serious) continue;
        node.hidden = !this.shows(node);
        shown += !node.hidden;
      }
      const none = this.pre.querySelector(".none");
      if (none) none.remove();
      if (!shown) this.pre.append(el("div", { class: "none d_", text: this.words || this.level !== "all" ? say("No line matches.") : say("Nothing written yet.") }));
      this.scroll();
    }

    setFollowing(on, jump = true) {
      this.following = on;
      this.follow.className = on ? "badge run" : "badge";
      this.follow.setAttribute("aria-pressed", on);
      this.follow.replaceChildren(window.studio.jobs.icon(on ? "play" : "pause"), on ? say("following") : say("paused"));
      if (jump) this.scroll();
    }

    scroll() {
      if (this.following) this.pre.scrollTop = this.pre.scrollHeight;
    }
  }

  window.StudioLog = LogView;
})();
