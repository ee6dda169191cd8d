// The Data tab's masking preview, of the rows, model and objective that the form has now.
window.studio.components.mask_preview = (element, props, watch) => {
  "use strict";
  const { el, say } = window.studio;
  const data = window.studioData;
  const PAUSE = 400; // ms without a change before the rows are asked for
  const place = element.querySelector(".mask-preview") || element;
  const value = () => props.value || {};
  const picture = data.picture({ data: () => value().data, model: () => value().model, objective: () => value().objective, alive: () => element.isConnected });
  const missing = el("p", { class: "small muted", text: say("Choose a model and data first.") });
  let seen = false; // nobody looks: nothing is asked, no process is started
  let asked = "";
  let timer = 0;

  function ready() {
    const { data: rows, model } = value();
    return Boolean(rows && model && (rows.path || rows.builder) && (model.path || model.new));
  }

  function load() {
    clearTimeout(timer);
    timer = setTimeout(() => {
      const wanted = JSON.stringify(value());
      picture.root.hidden = !ready();
      missing.hidden = ready();
      if (!seen || !ready() || wanted === asked) return;
      asked = wanted;
      picture.load();
    }, PAUSE);
  }

  place.replaceChildren(el("div", { class: "data-desk" }, picture.root, missing));
  new IntersectionObserver((entries) => {
    seen = entries[entries.length - 1].isIntersecting;
    if (seen) load();
  }, { rootMargin: "400px" }).observe(place);
  watch("value", load);
};
