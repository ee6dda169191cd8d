// Sharing what stands on the canvas: a link, files that the server makes, a script; and taking in what others exported.
(() => {
  "use strict";
  const { el, call, say } = window.studio;
  const MOST_BYTES = 8_000_000; // as film_document.py
  const FILES = {
    html: { title: "HTML", help: say("One file that plays by itself, without a server") },
    json: { title: "JSON", help: say("To be imported in another studio") },
    gif: { title: "GIF", help: say("A moving picture") },
    mp4: { title: "MP4", help: say("A film; needs ffmpeg on the server") },
  };

  window.StudioShare = class {
    constructor() {
      const button = (text, act, more = {}) => el("button", { class: "btn small", type: "button", text, onclick: act, ...more });
      this.files = Object.entries(FILES).map(([form, { title, help }]) =>
        button(title, (event) => this.download(form, event.target), { title: help, "data-server": true }));
      this.ways = el("div", { class: "row" }, button(say("Copy link"), () => this.copy(this.link())), ...this.files,
        button(say("Copy as Python"), () => this.script(), { title: say("A script that writes the same tokens with this package"), "data-server": true }));
      this.hint = el("p", { class: "muted small" });
      this.file = el("input", { type: "file", accept: ".json,application/json", hidden: true, onchange: () => this.take(this.file.files[0]) });
      this.copied = el("textarea", { readonly: true, "aria-label": say("What was copied"), hidden: true });
      this.origin = el("p", { class: "note info", hidden: true });
      this.box = el("div", { class: "share" }, this.origin,
        el("details", {}, el("summary", { text: say("Share") }), this.hint, this.ways, this.copied,
          el("div", { class: "row" }, button(say("Import JSON"), () => this.file.click(), { "data-server": true }),
            el("span", { class: "muted small", text: say("A text that another studio exported, as a replay.") }), this.file)));
      this.show(null, null);
    }

    // What is on the canvas now; `film` is null when there is nothing.
    show(request, film) {
      if (request !== this.request) this.copied.hidden = true;
      this.request = request;
      const ended = Boolean(film && film.start && film.done);
      this.ways.hidden = !ended;
      this.hint.textContent = ended ? "" : say("What is on the canvas can be shared once it has ended.");
      const from = ended && film.start.imported;
      this.origin.hidden = !from;
      this.origin.textContent = from
        ? say("Imported: written elsewhere, by {model}, as {request}. A replay of what the file says; nothing here vouches for it.", from) : "";
    }

    link() {
      const link = new URL("/", location.href);
      link.search = new URLSearchParams({ tab: "playground", sample: this.request });
      return link.href;
    }

    // The text is shown too: not every browser lets a page copy.
    async copy(text) {
      this.copied.value = text;
      this.copied.hidden = false;
      this.copied.select();
      const done = await navigator.clipboard?.writeText(text).then(() => true, () => false);
      window.studio.toast(done ? say("Copied.") : say("This browser does not let a page copy: the text is selected, copy it by hand."));
    }

    async script() {
      await ask(this.path("py"), async (reply) => this.copy(await reply.text()));
    }

    async download(form, button) {
      const text = button.textContent;
      Object.assign(button, { disabled: true, textContent: say("Making it ...") });
      await download(this.path(form), `${this.request}.${form}`);
      Object.assign(button, { disabled: false, textContent: text });
    }

    path(form) {
      return `/api/samples/${this.request}/export.${form}`;
    }

    async take(file) {
      this.file.value = "";
      if (!file) return;
      try {
        if (file.size > MOST_BYTES) throw new Error(say("This file is too large to be a text of a studio."));
        const text = await file.text();
        const given = parsed(text);
        if (!given) throw new Error(say("This file is not JSON."));
        const { request } = await call("POST", "/api/samples/import", given);
        window.studio.open("playground", { sample: request });
      } catch (error) {
        window.studio.toast(error.message, "bad");
      }
    }
  };

  // What the server makes of a text; what is wrong is said to the reader.
  async function ask(path, use) {
    try {
      const reply = await fetch(path, { credentials: "same-origin" });
      if (!reply.ok) throw new Error((await reply.json()).error);
      await use(reply);
    } catch (error) {
      window.studio.toast(error instanceof TypeError ? say("The server cannot be reached.") : error.message, "bad");
    }
  }

  // Keep an answer of the server as a file of the reader's.
  function download(path, name) {
    return ask(path, async (reply) => {
      const href = URL.createObjectURL(await reply.blob());
      el("a", { href, download: name }).click();
      setTimeout(() => URL.revokeObjectURL(href), 10_000);
    });
  }

  window.studio.download = download;

  function parsed(text) {
    try {
      return JSON.parse(text);
    } catch {
      return null;
    }
  }
})();
