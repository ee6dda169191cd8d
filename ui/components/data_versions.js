// Versions of data sets: what each was made from, what was changed on the way, back to the first file.
(() => {
  "use strict";
  const { el, call, format, say } = window.studio;
  const data = window.studioData;

  data.versions = (about, use) => {
    const root = el("section", { class: "panel", id: "data-versions", "aria-label": say("Versions") });
    let known = [];

    async function load() {
      try {
        known = (await call("GET", "/api/data/versions")).versions;
        draw();
      } catch (error) {
        root.replaceChildren(data.note("bad", error.message));
      }
    }

    const file = (path) => path.split("/").pop();

    // The version that is looked at and what it came from, newest first.
    function chain() {
      const found = [];
      let item = known.find((one) => one.name === about.name());
      while (item && !found.includes(item)) {
        found.push(item);
        const before = item.source;
        item = known.find((one) => one.path === before);
      }
      return found;
    }

    function told(item) {
      const changes = [item.edited.length && say("{n} edited", { n: item.edited.length }), item.excluded.length && say("{n} left out", { n: item.excluded.length })].filter(Boolean).join(", ") || say("nothing changed");
      const figures = { n: item.rows.toLocaleString("en"), source: file(item.source), changes, time: format.ago(item.created) };
      const line = say("{n} {n:row|rows}, from {source}: {changes}, {time}", figures);
      return item.note ? `${line}. ${item.note}` : line;
    }

    function draw() {
      const line = chain();
      const steps = line.flatMap((item) => [el("li", {}, el("b", { text: item.name }), el("span", { class: "small muted", text: ` ${told(item)}` }))]);
      const others = known.filter((item) => !line.includes(item));
      root.replaceChildren(el("div", { class: "head" }, el("h2", { text: say("Versions") })),
        line.length ? el("ol", { class: "versions lineage", "aria-label": say("What this version came from") }, ...steps,
          el("li", {}, el("b", { text: file(line[line.length - 1].source) }), el("span", { class: "small muted", text: ` ${say("the first file, never changed")}` }))) : "",
        others.length ? el("ul", { class: "versions" }, ...others.map((item) => el("li", {},
          el("button", { class: "link", type: "button", text: item.name, onclick: () => use(item.name) }),
          el("span", { class: "small muted", text: ` ${told(item)}` })))) : "",
        known.length ? "" : el("p", { class: "small muted", text: say("Edit rows or leave some out, and write a version; the source is never changed.") }));
    }

    // A name for the next version of what is looked at.
    function suggestion() {
      const stem = file(about.name()).split(/[.[]/)[0].replace(/[^\w-]/g, "-").replace(/-v\d+$/, "").replace(/^[_-]+|[_-]+$/g, "") || "rows";
      return `${stem}-v${known.filter((item) => item.name.startsWith(`${stem}-v`)).length + 2}`;
    }
    return { root, load, suggestion };
  };
})();
