// The quiet panels of a run: notices, settings, and where its files lie.
(() => {
  "use strict";
  const { el, call, format, open, toast, say } = window.studio;
  const icon = (name) => el("span", { class: `i i-${name}`, "aria-hidden": "true" });

  function notes(panel, list) {
    panel.hidden = !list.length;
    const items = list.slice(-40).reverse().map((note) => el("li", { class: note.level === "warning" ? "warn" : "" },
      icon(note.level === "warning" ? "warn" : "info"),
      el("span", {}, el("span", { text: note.text }), el("span", { class: "small muted num", text: ` ${window.studio.jobs.clock(note.time)}` }))));
    panel.replaceChildren(el("div", { class: "head" }, el("h2", { text: say("Notices") })), el("ul", {}, ...items));
  }

  // {a: {b: 1}} -> [["a.b", "1"], ...]
  function flat(value, name = "") {
    if (value === null || value === undefined) return [];
    if (Array.isArray(value)) {
      if (!value.length) return [];
      if (value.every((item) => typeof item !== "object")) return [[name, value.map(String).join("\n")]];
      return value.flatMap((item, i) => flat(item, `${name}[${i}]`));
    }
    if (typeof value === "object") return Object.entries(value).flatMap(([key, item]) => flat(item, name ? `${name}.${key}` : key));
    return [[name, String(value)]];
  }

  const ORDER = ["model", "data", "objective", "tuning", "optimisation", "report", "sampler", "launcher"];
  const rank = ([name]) => (ORDER.indexOf(name.split(/[.[]/)[0]) + 1 || ORDER.length + 1);

  const ELSEWHERE = ["kind", "name", "version"]; // said in the head of the page

  function settings(panel, job) {
    const search = el("input", { class: "in", type: "search", placeholder: say("Find a setting"), "aria-label": say("Find a setting"), oninput: () => find() });
    const body = el("tbody", { class: "mono" });
    const heads = el("tr");
    const mine = flat(job.spec).filter(([name]) => !ELSEWHERE.includes(name)).sort((a, b) => rank(a) - rank(b));
    const find = () => {
      const wanted = search.value.trim().toLowerCase();
      for (const row of body.children) row.hidden = !row.textContent.toLowerCase().includes(wanted);
    };
    const fill = (titles, rows) => {
      heads.replaceChildren(...titles.map((text) => el("th", { scope: "col", text })));
      body.replaceChildren(...rows.map((cells) => el("tr", {}, ...cells.map((text) => el("td", { text })))));
      if (!rows.length) body.append(el("tr", {}, el("td", { colspan: titles.length, text: say("No setting differs.") })));
      find();
    };
    let against = null; // the run whose settings stand beside
    const compare = el("button", { class: "btn", type: "button", hidden: true, text: say("Compare"), title: say("Curves and results of both runs over each other"), onclick: () => sideBySide([against, job.id]) });
    const other = otherSpecs(job, (found) => {
      against = found && found.run;
      compare.hidden = !against;
      if (found) fill([say("setting"), say("there"), say("this run")], differing(mine, found));
      else fill([say("setting"), say("value")], mine);
    });
    const copy = el("button", { class: "btn", type: "button", text: say("Copy YAML"), onclick: async () => {
      try {
        const { yaml } = await call("POST", "/api/specs/check", { spec: job.spec });
        await keep(yaml, say("The spec is on the clipboard."));
      } catch (error) {
        toast(error.message, "bad");
      }
    } });
    fill([say("setting"), say("value")], mine);
    panel.replaceChildren(el("div", { class: "head" }, el("h2", { text: say("Settings") }), el("div", { class: "row" }, other, compare, search, copy)),
      el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": say("Settings of this run") },
        el("table", { class: "plain" }, el("thead", {}, heads), body)));
  }

  // [setting, there, here] where the two differ. A recipe leaves most settings out: those are not compared.
  function differing(mine, { spec, run }) {
    const [here, there] = [new Map(mine), new Map(flat(spec).filter(([name]) => !ELSEWHERE.includes(name)))];
    const names = run ? [...new Set([...here.keys(), ...there.keys()])] : [...there.keys()];
    return names.filter((name) => here.get(name) !== there.get(name)).map((name) => [name, there.get(name) ?? "\u2013", here.get(name) ?? "\u2013"]);
  }

  function sideBySide(ids) {
    const place = { tab: "compare", runs: ids.join(","), group: null, run: null };
    window.studio.remember(place, true); // Back comes here again
    open("compare", place);
  }

  // A choice of runs and recipes of the same kind, asked for when it is first looked at.
  function otherSpecs(job, choose) {
    const select = el("select", { class: "in", "aria-label": say("Differences from") }, el("option", { value: "", text: say("All settings") }));
    const group = (label, list) => list.length && select.append(el("optgroup", { label }, ...list.map(({ value, text }) => el("option", { value, text }))));
    let asked = false;
    select.addEventListener("focus", async () => {
      if (asked) return;
      asked = true;
      try {
        const [{ jobs }, { recipes }] = await Promise.all([call("GET", `/api/jobs?kind=${job.kind}&limit=100`), call("GET", "/api/recipes")]);
        group(say("Runs"), jobs.filter(({ id }) => id !== job.id).map(({ id, name }) => ({ value: `/api/jobs/${id}`, text: `${id} ${name}` })));
        group(say("Recipes"), recipes.filter(({ spec }) => spec && spec.kind === job.kind).map(({ name }) => ({ value: `/api/recipes/${name}`, text: name })));
      } catch (error) {
        asked = false;
        toast(error.message, "bad");
      }
    });
    select.addEventListener("change", async () => {
      const place = select.value;
      try {
        const found = place && (await call("GET", place));
        if (place === select.value) choose(found ? { spec: found.spec, run: found.id } : null);
      } catch (error) {
        toast(error.message, "bad");
      }
    });
    return select;
  }

  function place(panel, job, metrics) {
    const copy = el("button", { class: "btn sq", type: "button", "aria-label": say("Copy the path"), title: say("Copy the path"), onclick: () => keep(job.folder, say("The path is on the clipboard.")) }, icon("copy"));
    const known = [[say("attempt"), String(job.attempt)], [say("asked for"), window.studio.jobs.clock(job.created_at)],
      job.started_at && [say("started"), window.studio.jobs.clock(job.started_at)], job.ended_at && [say("ended"), window.studio.jobs.clock(job.ended_at)],
      job.ended_at && job.started_at && [say("ran for"), window.studio.jobs.duration(job)]].filter(Boolean);
    const ends = before(metrics);
    if (job.kind === "train" && ends) known.push([say("validation loss"), say("{before} before, {after} after", { before: format.number(ends[0]), after: format.number(ends[1]) })]);
    const model = job.state === "succeeded" && (job.kind === "train" || job.kind === "convert");
    panel.replaceChildren(el("div", { class: "head" }, el("h2", { text: say("Files and result") })),
      el("div", { class: "path" }, el("code", { text: job.folder }), copy),
      el("dl", { class: "pairs" }, ...known.map(([name, text]) => el("div", { class: text.length > 14 ? "wide" : "" }, el("dt", { text: name }), el("dd", { class: "num", text })))),
      ...(model ? [el("p", { class: "small" }, say("The name of this model everywhere:"), " ", el("code", { text: `run:${job.id}` }), " ",
        el("button", { class: "link", type: "button", text: say("Try it in the playground"), onclick: () => open("playground", { model: `run:${job.id}`, run: null }) }))] : []));
  }

  // First and last figure on the rows held out, or null.
  function before(metrics) {
    const points = metrics.validation_loss || [];
    return points.length > 1 ? [points[0][1], points[points.length - 1][1]] : null;
  }

  function outcome(job, metrics) {
    const ends = before(metrics);
    if (job.kind !== "train") return say("Done");
    const steps = say("{n} {n:step|steps}", { n: (job.step || 0).toLocaleString("en") });
    return ends ? say("{steps}, validation loss {before} \u2192 {after}", { steps, before: format.number(ends[0]), after: format.number(ends[1]) }) : steps;
  }

  async function keep(text, said) {
    try {
      await navigator.clipboard.writeText(text);
      toast(said);
    } catch {
      toast(say("This browser does not let the page use the clipboard; select the text and copy it."), "bad");
    }
  }

  window.StudioRunFacts = { notes, settings, place, outcome, flat };
})();
