// Rows page by page: raw beside rendered beside tokens; edits and exclusions become a new version.
(() => {
  "use strict";
  const { el, call, segments, toast, say } = window.studio;
  const data = window.studioData;
  const PAGE = 5;

  data.rows = (about, use) => {
    const panel = data.panel(say("Rows"), "data-rows");
    const versions = data.versions(about, use);
    const state = { first: 0, search: "", bad: false, view: "rendered", edits: new Map(), excluded: new Set(), page: null };
    const search = el("input", { class: "in", type: "search", id: "data-search", placeholder: say("Search"), "aria-label": say("Search rows") });
    const bad = el("input", { type: "checkbox", id: "data-bad" });
    const step = (label, icon, by) => el("button", { class: "btn small", type: "button", "aria-label": label, title: label,
      onclick: () => ((state.first = Math.max(0, state.first + by)), load()) }, el("span", { class: `i i-${icon}`, "aria-hidden": "true" }));
    const before = step(say("Page before"), "prev", -PAGE), after = step(say("Page after"), "next", PAGE);
    const view = segments(say("View"), { rendered: say("Rendered"), tokens: say("Tokens"), raw: say("Raw") }, state.view, (name) => ((state.view = name), draw()));
    const tools = el("div", { class: "rows-tools" },
      el("label", { class: "ctl" }, search, el("span", { class: "help", text: say("Rows that hold these letters.") })),
      el("label", { class: "ctl" }, el("span", { class: "row" }, bad, say("Bad rows only")), el("span", { class: "help", text: say("What the check counts.") })),
      el("div", { class: "ctl" }, view, el("span", { class: "help", text: say("With the chat template, as tokens, as they stand.") })),
      el("div", { class: "row" }, before, after));
    const list = el("div", { class: "rows-list" });
    const name = el("input", { class: "in", id: "data-version-name", "aria-label": say("Name of the version") });
    const why = el("input", { class: "in", id: "data-version-note", "aria-label": say("Note") });
    const make = el("button", { class: "btn primary", type: "button", "data-server": "", id: "data-version-make", text: say("Write version"), onclick: write });
    const changes = el("span", { class: "small", role: "status" });
    const bar = el("div", { class: "rows-version", hidden: true }, changes,
      el("label", { class: "ctl" }, name, el("span", { class: "help", text: say("Name of the new data set.") })),
      el("label", { class: "ctl" }, why, el("span", { class: "help", text: say("Why, for the list of versions.") })), make,
      el("button", { class: "btn ghost", type: "button", text: say("Undo all"), onclick: () => (forget(), draw()) }));
    panel.body.append(tools, bar, list);

    let timer = 0;
    search.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(() => ((state.search = search.value), (state.first = 0), load()), 300);
    });
    bad.addEventListener("change", () => ((state.bad = bad.checked), (state.first = 0), load()));

    let last = "";
    async function load() {
      const { path, builder, options } = about.data();
      const key = JSON.stringify([path, builder, options]);
      if (key !== last) {
        forget();
        [last, state.first] = [key, 0];
      }
      if (!panel.body.contains(list)) panel.body.replaceChildren(tools, bar, list);
      panel.wait("reading");
      const words = { data: about.data(), model: about.model(), search: state.search, bad: state.bad, first: state.first, rows: PAGE };
      const found = await panel.ask("rows", words, about.alive, panel.wait);
      if (found) {
        state.page = found;
        draw();
        about.rendered(found.rows.find((item) => item.text !== null), found.template);
      }
      versions.load();
    }

    function forget() {
      state.edits.clear();
      state.excluded.clear();
      name.value = why.value = "";
    }

    function shownRows(n, more) {
      if (!n) return say("no row found");
      const figures = { first: state.first + 1, last: state.first + n };
      const line = state.search || state.bad ? say("found rows {first} to {last}", figures) : say("rows {first} to {last}", figures);
      return more ? line : line + say(", the last");
    }

    function draw() {
      const found = state.page;
      if (!found) return;
      const n = found.rows.length;
      panel.badge.replaceChildren(el("span", { class: "small muted num", text: shownRows(n, found.more) }));
      before.disabled = state.first === 0;
      after.disabled = !found.more;
      const changed = state.edits.size + state.excluded.size;
      bar.hidden = !changed;
      changes.textContent = say("{edited} edited, {out} left out. The source stays as it is.", { edited: state.edits.size, out: state.excluded.size });
      if (changed && !name.value) name.value = versions.suggestion();
      list.replaceChildren(...found.rows.map(row));
    }

    function row(item) {
      const out = state.excluded.has(item.number), edited = state.edits.has(item.number);
      const marks = [item.problem && data.badge("fail", "bad", say("bad")), out && data.badge("", "stop", say("left out")), edited && data.badge("run", "ok", say("edited"))];
      return el("article", { class: `row-card${out ? " out" : ""}`, "aria-label": item.place },
        el("div", { class: "head" },
          el("span", { class: "small muted", text: item.count === null ? item.place : `${item.place}, ${say("{n} {n:token|tokens}", { n: item.count })}` }),
          el("span", { class: "row" }, ...marks.filter(Boolean),
            el("button", { class: "btn small", type: "button", text: say("Edit"), onclick: (event) => edit(event.target.closest("article"), item) }),
            el("button", { class: "btn small", type: "button", text: out ? say("Keep") : say("Leave out"),
              onclick: () => ((out ? state.excluded.delete(item.number) : state.excluded.add(item.number)), draw()) }))),
        item.problem ? data.note("bad", data.unplaced(item.problem, item.place)) : "",
        ...content(item, edited ? state.edits.get(item.number) : item.raw, edited));
    }

    function content(item, raw, edited) {
      const written = data.written(raw);
      if (state.view === "raw" || item.text === null || edited) return [el("pre", { class: "code", tabindex: 0, text: written })];
      const shown = state.view === "tokens"
        ? el("p", { class: "tokens" }, ...item.tokens.flatMap((text) => [el("span", { class: "k text", text: data.letters(text) }), "\u200b"]))
        : el("pre", { class: "code rendered", tabindex: 0, text: item.text });
      return [el("div", { class: "beside" }, el("pre", { class: "code", tabindex: 0, text: written }), shown)];
    }

    function edit(card, item) {
      const raw = state.edits.get(item.number) || item.raw;
      const box = el("textarea", { class: "in mono", rows: 8, "aria-label": say("Row {n} as JSON", { n: item.number + 1 }), spellcheck: "false" });
      box.value = data.written(raw);
      const told = el("div", { role: "status" });
      const keep = () => {
        let read;
        try {
          read = JSON.parse(box.value);
        } catch (error) {
          return told.replaceChildren(data.note("bad", say("This is no JSON: {error}", { error: error.message })));
        }
        if (!read || typeof read !== "object" || Array.isArray(read)) return told.replaceChildren(data.note("bad", say("A row is an object with fields.")));
        state.edits.set(item.number, read);
        draw();
      };
      card.append(box, told, el("div", { class: "row" },
        el("button", { class: "btn small primary", type: "button", text: say("Keep the edit"), onclick: keep }),
        el("button", { class: "btn small", type: "button", text: say("Cancel"), onclick: draw })));
      box.focus();
    }

    async function write() {
      make.disabled = true;
      const words = { data: about.data(), edits: Object.fromEntries(state.edits), excluded: [...state.excluded], target: name.value.trim(), note: why.value };
      try {
        const made = await call("POST", "/api/data/versions", words);
        if (made.state) throw new Error(say("The process that looks at data is starting; try again."));
        toast(say("{target}: {rows} {rows:row|rows} written.", { target: words.target, rows: made.rows }));
        forget();
        use(words.target);
      } catch (error) {
        toast(error.message, "bad");
      } finally {
        make.disabled = false;
      }
    }

    return { root: panel.root, versions: versions.root, load };
  };
})();
