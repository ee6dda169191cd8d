// What people write about a run: tags as chips, and a note that saves itself. Nobody's words are written over unseen.
(() => {
  "use strict";
  const { el, call, toast, say } = window.studio;
  const icon = (name) => el("span", { class: `i i-${name}`, "aria-hidden": "true" });
  const PAUSE = 1500; // ms without a key, after which a note is saved
  const LONGEST_TAG = 40, LONGEST_NOTE = 10000; // as in backend/remarks.py
  const plain = (text) => text.replace(/\r\n?/g, "\n").trimEnd(); // as the server keeps it

  const chip = (text, ...more) => el("span", { class: "chip" }, el("span", { text }), ...more);

  class Tags {
    constructor() {
      this.job = null;
      this.list = el("ul", { class: "tags", "aria-label": say("Tags of this run") });
      this.known = el("datalist", { id: "tags-in-use" });
      this.input = el("input", { class: "in", list: this.known.id, maxlength: LONGEST_TAG, placeholder: say("Add a tag"), "aria-label": say("Add a tag"),
        "aria-describedby": "tags-help", autocomplete: "off", "data-server": "",
        onfocus: () => this.suggest(),
        onkeydown: (event) => {
          if (event.isComposing || !["Enter", ",", " "].includes(event.key)) return; // a word that is being composed is not ready
          event.preventDefault();
          this.add();
        } });
      this.trouble = el("p", { class: "small wrong", role: "alert", hidden: true });
      this.root = el("div", {}, el("h2", { text: say("Tags") }), el("div", { class: "row" }, this.list, this.input, this.known),
        el("p", { class: "small muted", id: "tags-help", text: say("A word each, Enter adds it. Clean-up leaves runs with the tag keep alone.") }), this.trouble);
    }

    show(job) {
      this.job = job;
      const focused = [...this.list.querySelectorAll("button")].indexOf(document.activeElement);
      this.list.replaceChildren(...job.tags.map((tag) => el("li", {}, chip(tag, el("button", { type: "button", "data-server": "", "aria-label": say("Take off {tag}", { tag }),
        title: say("Take it off"), onclick: () => this.change({ remove: [tag] }) }, icon("bad"))))));
      if (focused >= 0) ([...this.list.querySelectorAll("button")][focused] || this.input).focus();
    }

    async add() {
      const tag = this.input.value.trim();
      if (tag && (await this.change({ add: [tag] }))) this.input.value = "";
    }

    // The reply is drawn at once; the stream brings the same to everybody.
    async change(what) {
      this.trouble.hidden = true;
      const { id } = this.job;
      try {
        const job = await call("POST", `/api/jobs/${id}/tags`, what);
        if (this.job.id === id) this.show(job);
        return true;
      } catch (error) {
        this.trouble.textContent = error.message;
        this.trouble.hidden = false;
        return false;
      }
    }

    // Another run: nothing of the last one stays.
    clear() {
      this.input.value = "";
      this.trouble.hidden = true;
    }

    async suggest() {
      const { tags } = await call("GET", "/api/tags").catch(() => ({ tags: {} })); // without it a tag is typed whole
      this.known.replaceChildren(...Object.keys(tags).filter((tag) => !this.job.tags.includes(tag)).map((value) => el("option", { value })));
    }
  }

  class Note {
    constructor() {
      this.base = ""; // the server's note that the text began with
      this.visit = {}; // another one whenever a run is left
      this.text = el("textarea", { class: "in", rows: 2, maxlength: LONGEST_NOTE, "aria-label": say("Note"), "aria-describedby": "note-help",
        placeholder: say("What is this run for, and what came out?"),
        oninput: () => this.typed(),
        onblur: () => this.save(),
        onkeydown: (event) => event.key === "Enter" && (event.ctrlKey || event.metaKey) && this.save() });
      this.said = el("span", { class: "small muted", role: "status" });
      this.other = el("div", { class: "note", role: "alert", hidden: true });
      const leaving = () => this.save(true);
      const hidden = () => document.hidden && leaving(); // a phone may never come back to it
      window.addEventListener("pagehide", leaving);
      document.addEventListener("visibilitychange", hidden);
      this.forget = () => {
        window.removeEventListener("pagehide", leaving);
        document.removeEventListener("visibilitychange", hidden);
      };
      this.root = el("div", {}, el("div", { class: "row" }, el("h2", { text: say("Note") }), this.said), this.text, this.other,
        el("p", { class: "small muted", id: "note-help", text: say("Plain text. It is saved when you stop typing, and by Ctrl+Enter.") }));
    }

    get changed() {
      return plain(this.text.value) !== this.base;
    }

    // Another run: nothing of the last one stays.
    open(job) {
      clearTimeout(this.timer);
      this.id = job.id;
      this.base = this.previous = this.text.value = job.note;
      this.text.readOnly = false;
      this.other.hidden = true;
      this.say("");
      this.fit();
    }

    // Another run is shown, or none: what was just typed is saved.
    clear() {
      this.save();
      [this.id, this.visit, this.saving, this.waiting] = [null, {}, false, false];
    }

    // The server's note, again or anew.
    show({ note }) {
      if (note === this.base) return this.waiting && this.save(); // the server is back
      if (this.saving || note === this.previous) return; // on its way, or older than what was saved since
      if (!this.changed) {
        this.base = this.text.value = note;
        this.fit();
      } else if (note === plain(this.text.value)) this.base = note;
      else this.ask(note);
    }

    typed() {
      this.fit();
      this.say(this.changed ? say("not saved yet") : "");
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.save(), PAUSE);
    }

    // `leaving`: the page may be gone before the answer comes.
    async save(leaving = false) {
      clearTimeout(this.timer);
      if (!this.id || !this.changed || this.saving || !this.other.hidden || this.text.readOnly) return;
      const { id, base: before, visit } = this;
      const note = this.text.value;
      this.saving = true;
      this.waiting = false;
      const answer = await call("POST", `/api/jobs/${id}/note`, { note, before }, leaving).catch((error) => error);
      if (this.visit !== visit) return answer instanceof Error && toast(`${id.replace("-", " ")}: ${say("Not saved. {why}", { why: answer.message })}`, "bad");
      this.saving = false;
      if (answer.status === 409) return this.compare();
      this.waiting = answer instanceof Error && !answer.status; // no answer: once more when the server is back
      if (answer instanceof Error) return this.say(say("Not saved. {why}", { why: answer.message }));
      [this.previous, this.base] = [before, answer.note];
      this.say(this.changed ? say("not saved yet") : say("saved"));
      if (this.changed) this.typed();
    }

    async compare() {
      const { id } = this;
      const found = await call("GET", `/api/jobs/${id}`).catch(() => null);
      if (found && this.id === id) this.ask(found.note);
    }

    // Somebody else wrote something: both texts are shown, and the reader chooses.
    ask(theirs) {
      const done = (act) => () => {
        this.other.hidden = true;
        this.base = theirs;
        act();
        this.text.focus();
      };
      const button = (text, act) => el("button", { class: "btn small", type: "button", text, onclick: done(act) });
      this.other.replaceChildren(icon("warn"), el("div", {}, el("p", { text: say("This note was changed elsewhere meanwhile. It now says:") }),
        el("pre", { class: "code", tabindex: 0, text: theirs || say("(nothing)") }),
        el("div", { class: "row" }, button(say("Take that one"), () => this.take(theirs)), button(say("Replace it with mine"), () => this.save()))));
      this.other.hidden = false;
      this.say(say("not saved yet"));
    }

    take(text) {
      this.text.value = text;
      this.say("");
      this.fit();
    }

    // The run was deleted. True if there is a text that nobody has but this page.
    gone() {
      if (!this.id || !this.changed) return false;
      clearTimeout(this.timer);
      this.text.readOnly = true;
      this.other.hidden = true;
      this.say(say("The run is gone, this text was not saved: copy what you want to keep."));
      return true;
    }

    say(text) {
      if (this.said.textContent !== text) this.said.textContent = text;
    }

    fit() {
      this.text.style.height = "auto";
      this.text.style.height = `${this.text.scrollHeight + 2}px`; // its border
    }
  }

  window.StudioRunRemarks = class {
    constructor() {
      this.tags = new Tags();
      this.note = new Note();
      this.root = el("section", { class: "panel remarks", "aria-label": say("Tags and note") }, this.tags.root, this.note.root);
    }

    show(job) {
      this.tags.root.hidden = false;
      this.tags.show(job);
      if (this.note.id === job.id) this.note.show(job);
      else this.note.open(job);
    }

    clear() {
      this.tags.clear();
      this.note.clear();
    }

    // The page's tab was left.
    leave() {
      this.clear();
      this.note.forget();
    }

    // The run was deleted: only a note that was not saved stays to be seen.
    gone() {
      this.tags.root.hidden = true;
      this.root.hidden = !this.note.gone();
    }
  };
  Object.assign(window.studio, { chip });
})();
