// The Data tab: one source is chosen; its panels ask for what they show.
window.studio.components.data_desk = (element, props) => {
  "use strict";
  const { el, params } = window.studio;
  const data = window.studioData;
  const place = element.querySelector(".data-desk") || element;
  let decision = "stop";
  const source = data.source(props.value, refresh);

  // What every question says of the source and of the model.
  const about = {
    data: source.spec,
    name: source.name,
    model: source.model,
    objective: source.objective,
    rendered: source.rendered,
    unread: source.unread,
    alive: () => element.isConnected,
    decision: () => decision,
    decide(name) {
      decision = name;
    },
    // What the Train tab takes over beside the name and the decision.
    reading() {
      const { path, builder, ...settings } = source.spec();
      return JSON.stringify(settings);
    },
  };
  const panels = { check: data.check(about), figures: data.figures(about), picture: data.picture(about), rows: data.rows(about, source.use) };
  const on = data.prepare(about, source.use);

  place.replaceChildren(
    el("div", { class: "desk" },
      el("div", { class: "desk-main" }, source.root, panels.picture.root, panels.rows.root),
      el("div", { class: "desk-side" }, panels.check.root, panels.figures.root, panels.rows.versions, on.root)));

  function refresh(names = Object.keys(panels)) {
    on.ready();
    for (const name of names) panels[name].load();
  }

  // Nobody looks, nothing is started: the first look at the tab loads it.
  let begun = false;
  const begin = () => {
    if (params.tab !== "data") return;
    if (begun && params.set && params.set !== source.name()) source.use(params.set); // another tab names the data
    if (begun) return;
    begun = true;
    source.start().catch(source.fail);
  };
  new IntersectionObserver((entries) => entries.some((entry) => entry.isIntersecting) && ((params.tab = params.tab || "data"), begin())).observe(place);
  window.addEventListener("studio:open", begin);
};
