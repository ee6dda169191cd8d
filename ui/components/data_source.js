// Which rows, read in which way: a data set, a mix or a builder with its options; and whose tokenizer reads them.
(() => {
  "use strict";
  const { el, call, params, remember, say } = window.studio;
  const data = window.studioData;

  // `choices`: what ui/tabs/data.py names. `changed(panels)`: the named panels must ask again.
  data.source = (choices, changed) => {
    const chosen = { source: "", model: "", objective: "", length: 256 };
    const source = el("input", { class: "in", list: "data-listed", id: "data-source", autocomplete: "off", spellcheck: "false", placeholder: "stories-instructions" });
    const listed = el("datalist", { id: "data-listed" });
    const model = el("select", { class: "in", id: "data-model" });
    const objective = el("select", { class: "in", id: "data-objective" },
      el("option", { value: "", text: say("as the model was trained") }),
      ...choices.objectives.map((name) => el("option", { value: name, text: name })));
    const length = el("input", { class: "in num", type: "number", id: "data-length", min: 2, max: 131072, value: chosen.length });
    const facts = el("dl", { class: "facts", id: "data-facts" });
    const problem = el("div", { class: "problems", role: "status" });
    const options = el("section", { class: "options", id: "data-options", hidden: true });
    const written = el("div", { class: "written", id: "data-written", hidden: true });
    const reading = data.fields(choices.reading, "data-reading", () => ask(["check", "figures", "picture", "rows"]));
    const how = el("details", { class: "how", id: "data-how" }, el("summary", { text: say("How rows are read") }),
      el("div", { class: "ctls" }, ...reading.roots), written);
    let building = null; // the options of the builder that is chosen

    const rows = data.control(say("Data set"), say("Its name, a builder, a file in your data folder, or a mix: a[train:1000] + 0.5 * b."), source);
    rows.classList.add("wide");
    const root = el("section", { class: "panel", "aria-label": say("Source") },
      el("div", { class: "head" }, el("h2", { text: say("Source") }), facts),
      el("div", { class: "ctls" },
        rows,
        data.control(say("Model"), say("Whose tokenizer, chat template and mask token."), model),
        data.control(say("Objective"), say("How tokens are masked and what the loss counts."), objective),
        data.control(say("Max length"), say("Longer rows are cut here, in tokens."), length)),
      options, how, listed, problem);

    // The data of a spec, as it is typed. Throws where that cannot be read.
    function spec() {
      const settings = { max_length: chosen.length, ...reading.changes() };
      if (!building) return { path: chosen.source, ...settings };
      return { builder: chosen.source, options: building.changes(), ...settings };
    }

    function ask(panels) {
      problem.replaceChildren();
      if (!chosen.source || !chosen.model) return;
      try {
        spec();
      } catch (error) {
        how.open = true;
        problem.replaceChildren(data.note("bad", error.message));
        return;
      }
      changed(panels);
    }

    function use(name) {
      source.value = chosen.source = name;
      remember({ set: name });
      const known = choices.builders[name];
      building = known ? data.fields(known, "data-option", () => ask(["check", "figures", "picture", "rows"])) : null;
      options.hidden = !known;
      if (known) options.replaceChildren(el("h3", { text: say("Options of the builder {name}", { name }) }), el("div", { class: "ctls" }, ...building.roots));
      written.hidden = true;
      describe();
      ask();
    }

    // What is known of the data set that is chosen, and the names that there are.
    async function describe() {
      let sets;
      try {
        sets = (await call("GET", "/api/datasets")).datasets.filter((set) => set.format !== "prompts");
      } catch (error) {
        problem.replaceChildren(data.note("bad", error.message));
        return [];
      }
      listed.replaceChildren(...sets.map((set) => el("option", { value: set.name, label: set.note || `${set.format}, ${set.source}` })));
      const found = sets.find((set) => set.name === chosen.source);
      const told = found ? [[say("format"), found.format], [say("rows"), found.rows && found.rows.toLocaleString("en")], [say("from"), found.source]] : [];
      facts.replaceChildren(...told.filter(([, text]) => text).map(([key, text]) => el("div", {}, el("dt", { text: key }), el("dd", { text }))));
      return sets;
    }

    // How a conversation is written out, told by the rows panel.
    function rendered(row, template) {
      written.hidden = template === null || !row;
      if (written.hidden) return;
      const told = template ? say("{place}, written by the template {template}:", { place: row.place, template })
        : say("{place}, written by the model's own chat template:", { place: row.place });
      written.replaceChildren(el("p", { class: "small muted", text: told }),
        el("pre", { class: "code rendered", tabindex: 0, text: row.text }));
    }

    async function start() {
      const sets = await describe();
      const { models } = await call("GET", "/api/models");
      const usable = models.filter((item) => item.is_dllm && !item.problem);
      model.replaceChildren(...usable.map((item) => el("option", { value: item.name, text: item.name })));
      chosen.model = model.value = (usable.find((item) => item.chat) || usable[0] || { name: "" }).name;
      const first = params.set || (sets.find((set) => set.source !== "builder") || { name: "" }).name;
      if (!chosen.model) problem.replaceChildren(data.note("info", say("There is no model yet whose tokenizer could read data; train or convert one first.")));
      if (first) use(first);
    }

    source.addEventListener("change", () => source.value.trim() && use(source.value.trim()));
    model.addEventListener("change", () => ((chosen.model = model.value), ask(["figures", "picture", "rows"])));
    objective.addEventListener("change", () => ((chosen.objective = objective.value), ask(["picture"])));
    length.addEventListener("change", () => {
      const wanted = Math.round(Number(length.value));
      chosen.length = length.value = Math.min(131072, Math.max(2, wanted || 256));
      ask(["figures", "picture"]);
    });
    return {
      root, spec, use, start, rendered,
      name: () => chosen.source,
      model: () => ({ path: chosen.model }),
      objective: () => (chosen.objective ? { name: chosen.objective } : null),
      unread: () => (how.open = true),
      fail: (error) => problem.replaceChildren(data.note("bad", error.message)),
    };
  };
})();
