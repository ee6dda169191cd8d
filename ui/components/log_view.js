// The log of a run: follows its end, brings what is older on scrolling up, filters by words and by how serious a line is.
(() => {
  "use strict";
  const { el, segments, subscribe, call, say } = window.studio;
  const MOST = 3000; // lines kept in the page while its end is followed
  const OLDER = 65536; // bytes that are asked for at a time
  const NEAR = 60; // px from the top
  const bytes = (text) => new TextEncoder().encode(text).length;
  const SERIOUS = { all: 0, warnings: 1, errors: 2 };

  class LogView {
    constructor() {
      this.level = "all";
      this.words = "";
      this.rest = ""; // a line that has no end yet
      this.following = true;
      this.pre = el("div", { class: "log", tabindex: 0, role: "log", "aria-label": say("Log"), "aria-live": "off" });
      this.older = el("button", { type: "button", class: "link", "data-server": "", text: say("Show what is older"), onclick: () => this.more() });
      this.above = el("p", { class: "small muted", hidden: true }, this.older);
      this.none = el("p", { class: "small muted", role: "status" });
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
        this.above, this.none, this.pre);
      this.pre.addEventListener("scroll", () => {
        const atEnd = this.pre.scrollHeight - this.pre.scrollTop - this.pre.clientHeight < 24;
        if (atEnd !== this.following) this.setFollowing(atEnd, false);
        if (!atEnd && this.pre.scrollTop < NEAR) this.more();
      });
      this.setFollowing(true);
      this.leave = () => null;
    }

    open(id) {
      this.clear();
      this.id = id;
      this.leave();
      this.leave = subscribe(`log:${id}`, (message) => this.receive(message));
      return this.leave;
    }

    receive(message) {
      if (message.error) return;
      if (message.reset) {
        this.clear();
        this.attempt = message.attempt;
        this.begins(message.offset || 0);
      }
      this.add(message.text || "");
    }

    clear() {
      this.rest = "";
      this.loading = null;
      this.pre.replaceChildren();
      this.none.hidden = true; // nothing is known yet
      this.begins(0);
    }

    // The byte of the file at which the first line begins that is here.
    begins(offset) {
      this.first = offset;
      this.above.hidden = !offset;
    }

    // The part before the first line. What is read stays where it is.
    async more() {
      if (!this.first || this.loading) return;
      const { id, attempt, first } = this;
      const from = Math.max(0, first - OLDER);
      const mine = (this.loading = {});
      const found = await call("GET", `/api/jobs/${id}/log?attempt=${attempt}&offset=${from}&limit=${first - from}`).catch(() => null);
      if (this.loading !== mine) return; // another run, or another attempt
      this.loading = null;
      if (!found || this.first !== first) return;
      if (found.offset > first) return this.begins(0); // there was more once: it was given back to the disk
      const cut = from ? found.text.indexOf("\n") + 1 : 0; // begin with a whole line
      const lines = found.text.slice(cut).split("\n").slice(0, -1);
      const height = this.pre.scrollHeight;
      this.pre.prepend(...lines.map((line) => this.line(line)));
      this.tellNone();
      this.pre.scrollTop += this.pre.scrollHeight - height;
      this.begins(lines.length ? from + bytes(found.text.slice(0, cut)) : from);
    }

    add(text) {
      const lines = (this.rest + text).split("\n");
      this.rest = lines.pop();
      this.pre.append(...lines.map((line) => this.line(line)));
      this.drop();
      this.tellNone();
      this.scroll();
    }

    // Nothing goes from under somebody who reads.
    drop() {
      if (!this.following || this.pre.children.length <= MOST) return;
      let gone = 0;
      while (this.pre.children.length > MOST) {
        gone += Number(this.pre.firstChild.dataset.bytes || 0);
        this.pre.firstChild.remove();
      }
      this.begins(this.first + gone);
    }

    line(text) {
      const shown = text.split("\r").pop(); // progress bars write over themselves
      const serious = /\b(error|traceback|exception|failed)\b/i.test(shown) ? 2 : /\bwarn(ing)?\b/i.test(shown) ? 1 : 0;
      const [, time, rest] = shown.match(/^(\d\d:\d\d:\d\d(?:[.,]\d+)?) (.*)$/s) || [null, "", shown];
      const node = el("div", { class: ["", "w_", "e_"][serious], "data-serious": serious, "data-bytes": bytes(text) + 1 },
        time ? el("span", { class: "d_", text: `${time} ` }) : null, rest || (time ? "" : " "));
      node.hidden = !this.shows(node);
      return node;
    }

    shows(node) {
      return Number(node.dataset.serious) >= SERIOUS[this.level] && (!this.words || node.textContent.toLowerCase().includes(this.words));
    }

    filter() {
      for (const node of this.pre.children) node.hidden = !this.shows(node);
      this.tellNone();
      this.scroll();
    }

    // Why there is no line to be seen, until there is one.
    tellNone() {
      this.none.hidden = this.pre.querySelector(":scope > :not([hidden])") !== null;
      if (!this.none.hidden) this.none.textContent = this.words || this.level !== "all" ? say("No line matches.") : say("Nothing written yet.");
    }

    setFollowing(on, jump = true) {
      this.following = on;
      if (on) this.drop();
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
