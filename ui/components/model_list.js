// All models with what one should know of each, and where they can be used.
window.studio.components.model_list = (element) => {
  "use strict";
  const { el, call, open, format, subscribe, whenGone, say } = window.studio;
  const place = element.querySelector(".model-list") || element;
  const SOURCES = { bundled: say("Comes with the studio"), home: say("In your models folder"), run: say("Made by a run"), path: say("A folder") };
  let known = "";

  async function load() {
    try {
      const { models } = await call("GET", "/api/models");
      const text = JSON.stringify(models);
      if (text === known) return;
      known = text;
      draw(models);
    } catch (error) {
      if (!known) place.replaceChildren(note("bad", "i-bad", error.message));
    }
  }

  const note = (kind, icon, text) => el("div", { class: `note ${kind}` },
    el("span", { class: `i ${icon}`, "aria-hidden": "true" }), el("span", { text }));

  function draw(models) {
    if (!models.length) {
      place.replaceChildren(el("div", { class: "empty" },
        el("p", { text: say("Models will be listed here: what you train, convert or put into the models folder.") }),
        el("button", { class: "btn primary", type: "button", text: say("Train one"), onclick: () => open("train") })));
      return;
    }
    place.replaceChildren(...models.map(card));
  }

  function size(count) {
    if (!count) return "";
    return count >= 1e9 ? `${(count / 1e9).toPrecision(3)} B` : count >= 1e6 ? `${(count / 1e6).toPrecision(3)} M` : `${Math.round(count / 1e3)} k`;
  }

  function card(model) {
    const task = model.grid ? say("grid {rows} x {columns}", model.grid) : model.chat ? say("chat") : model.task;
    const sampler = model.sampler && model.sampler.steps ? `${model.sampler.name}, ${say("{n} {n:step|steps}", { n: model.sampler.steps })}` : "";
    const facts = [[say("family"), model.family || model.architecture], [say("parameters"), size(model.parameters)],
      [say("numbers"), model.dtype], [say("on disk"), format.bytes(model.size_bytes)], [say("sampler"), sampler],
      [say("predicts"), model.is_dllm ? (model.shifted ? say("the next position") : say("its own position")) : ""]];
    const usable = model.is_dllm && !model.problem;
    const badge = model.problem ? el("span", { class: "badge fail" }, el("span", { class: "i i-bad", "aria-hidden": "true" }), say("broken"))
      : usable ? el("span", { class: "badge plain", text: task })
        : el("span", { class: "badge lost" }, el("span", { class: "i i-warn", "aria-hidden": "true" }), say("not a dLLM yet"));
    return el("article", { class: "panel model", "aria-label": model.name },
      el("div", { class: "head" }, el("h2", { class: "name", text: model.name }), badge),
      el("p", { class: "about", text: model.note || SOURCES[model.source] || "" }),
      model.problem ? note("bad", "i-bad", model.problem) : null,
      el("dl", { class: "facts" }, ...facts.filter(([, value]) => value).map(([key, value]) =>
        el("div", {}, el("dt", { text: key }), el("dd", { text: value })))),
      el("div", { class: "foot" },
        el("span", { class: "small muted", text: model.note ? SOURCES[model.source] || "" : "", title: model.path }),
        el("div", { class: "row" }, ...actions(model, usable))));
  }

  function actions(model, usable) {
    const button = (text, act) => el("button", { class: "btn small", type: "button", text, onclick: act });
    if (usable) return [
      button(say("Open in playground"), () => open("playground", { model: model.name })),
      button(say("Train from it"), () => open("train", { model: model.name })),
    ];
    return model.problem ? [] : [button(say("Convert"), () => open("convert", { source: model.name }))];
  }

  place.replaceChildren(...[1, 2, 3].map(() => el("div", { class: "panel model skeleton", "aria-hidden": "true" })));
  load();
  // Finished jobs bring models; the stream tells when to look again.
  const leave = subscribe("jobs", (message) => {
    const ended = (message.jobs || []).some((job) => job.state === "succeeded" || job.state === "stopped");
    if (ended || (message.removed || []).length) load();
  });
  whenGone(element, leave);
};
