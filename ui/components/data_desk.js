// The Data tab: one source is chosen; its panels ask for what they show.
window.studio.components.data_desk = (element, props) => {
  "use strict";
  const { el, call, open, params, remember } = window.studio;
  const data = window.studioData;
  const place = element.querySelector(".data-desk") || element;
  const chosen = { source: "", model: "", objective: "", length: 256, decision: "stop" };
  const builders = new Set();

  const control = (label, help, node) => el("label", { class: "ctl" },
    el("span", { class: "label", text: label }), node, el("span", { class: "help", text: help }));
  const listed = el("datalist", { id: "data-listed" });
  const source = el("input", { class: "in", list: "data-listed", id: "data-source", autocomplete: "off", placeholder: "stories-instructions" });
  const model = el("select", { class: "in", id: "data-model" });
  const objective = el("select", { class: "in", id: "data-objective" },
    el("option", { value: "", text: "as the model was trained" }),
    ...((props.value || {}).objectives || []).map((name) => el("option", { value: name, text: name })));
  const length = el("input", { class: "in num", type: "number", id: "data-length", min: 2, max: 131072, value: chosen.length });
  const facts = el("dl", { class: "facts", id: "data-facts" });
  const problem = el("div", { class: "problems", role: "status" });
  const train = el("button", { class: "btn primary", type: "button", id: "data-train", text: "Train on this", disabled: true,
    onclick: () => open("train", { data: chosen.source, decision: chosen.decision }) });

  // What every question says of the source and of the model.
  const about = {
    data() {
      const built = builders.has(chosen.source) ? { builder: chosen.source } : { path: chosen.source };
      return { ...built, max_length: chosen.length };
    },
    model: () => ({ path: chosen.model }),
    objective: () => (chosen.objective ? { name: chosen.objective } : null),
    alive: () => element.isConnected,
    decide(name) {
      chosen.decision = name;
    },
  };
  const panels = { check: data.check(about), figures: data.figures(about), picture: data.picture(about), rows: data.rows(about, use) };

  place.replaceChildren(
    el("div", { class: "desk" },
      el("div", { class: "desk-main" },
        el("section", { class: "panel", "aria-label": "Source" },
          el("div", { class: "head" }, el("h2", { text: "Source" }), facts),
          el("div", { class: "ctls" },
            control("Data set", "A listed one, a builder, or a file in your data folder.", source),
            control("Model", "Whose tokenizer, chat template and mask token.", model),
            control("Objective", "How tokens are masked and what the loss counts.", objective),
            control("Max length", "Longer rows are cut here, in tokens.", length)),
          listed, problem),
        panels.picture.root, panels.rows.root),
      el("div", { class: "desk-side" },
        panels.check.root, panels.figures.root, panels.rows.versions,
        el("section", { class: "panel go", "aria-label": "Train" }, train,
          el("p", { class: "small muted", text: "Opens the Train tab with this data set and the decision about bad rows." })))));

  function refresh(names = Object.keys(panels)) {
    problem.replaceChildren();
    train.disabled = !chosen.source;
    if (!chosen.source || !chosen.model) return;
    for (const name of names) panels[name].load();
  }

  function use(name) {
    source.value = chosen.source = name;
    remember({ set: name });
    describe();
    refresh();
  }

  let sets = [];
  async function describe() {
    try {
      sets = (await call("GET", "/api/datasets")).datasets;
    } catch (error) {
      problem.replaceChildren(data.note("bad", error.message));
      return;
    }
    builders.clear();
    sets.filter((set) => set.source === "builder").forEach((set) => builders.add(set.name));
    const usable = sets.filter((set) => set.format !== "prompts");
    listed.replaceChildren(...usable.map((set) => el("option", { value: set.name, label: set.note || `${set.format}, ${set.source}` })));
    const found = sets.find((set) => set.name === chosen.source);
    const told = found ? [["format", found.format], ["rows", found.rows && found.rows.toLocaleString("en")], ["from", found.source]] : [];
    facts.replaceChildren(...told.filter(([, text]) => text).map(([key, text]) => el("div", {}, el("dt", { text: key }), el("dd", { text }))));
  }

  async function start() {
    await describe();
    const { models } = await call("GET", "/api/models");
    const usable = models.filter((item) => item.is_dllm && !item.problem);
    model.replaceChildren(...usable.map((item) => el("option", { value: item.name, text: item.name })));
    chosen.model = model.value = (usable.find((item) => item.chat) || usable[0] || { name: "" }).name;
    const first = params.set || (sets.find((set) => set.source !== "builder" && set.format !== "prompts") || { name: "" }).name;
    if (first) use(first);
  }

  source.addEventListener("change", () => source.value.trim() && use(source.value.trim()));
  model.addEventListener("change", () => ((chosen.model = model.value), refresh(["figures", "picture", "rows"])));
  objective.addEventListener("change", () => ((chosen.objective = objective.value), refresh(["picture"])));
  length.addEventListener("change", () => {
    const wanted = Math.round(Number(length.value));
    chosen.length = length.value = Math.min(131072, Math.max(2, wanted || 256));
    refresh(["figures", "picture"]);
  });
  // Nobody looks, nothing is started: the first look at the tab loads it.
  let begun = false;
  const begin = () => {
    if (begun || params.tab !== "data") return;
    begun = true;
    start().catch((error) => problem.replaceChildren(data.note("bad", error.message)));
  };
  new IntersectionObserver((entries) => entries.some((entry) => entry.isIntersecting) && ((params.tab = params.tab || "data"), begin())).observe(place);
  window.addEventListener("studio:open", begin);
};
