// A device's memory as a bar: what a training needs of it, part by part, and what is left.
window.studio.components.memory_need = (element, props, watch) => {
  "use strict";
  const { el, say } = window.studio;
  const place = element.querySelector(".memory-need") || element;

  function draw() {
    const value = props.value || {};
    place.replaceChildren(el("section", { class: "panel", "aria-label": say("Memory estimate") },
      el("div", { class: "head" }, el("h2", { text: say("Memory estimate") }), value.parts ? state(value) : null),
      ...(value.parts ? bar(value) : [el("p", { class: "small muted", text: say(value.why) })])));
  }

  function state(value) {
    if (value.bad) return el("span", { class: "badge fail" }, el("span", { class: "i i-bad", "aria-hidden": "true" }), say("does not fit"));
    if (!value.has) return null;
    return el("span", { class: "badge ok" }, el("span", { class: "i i-ok", "aria-hidden": "true" }), say("fits"));
  }

  function bar(value) {
    const needs = value.parts.reduce((sum, [, size]) => sum + size, 0);
    const whole = Math.max(value.has || 0, needs);
    const told = value.there ? say("{needs} of {there} on each device", value) : say("{needs} on each device", value);
    return [
      el("div", { class: "mem", role: "img", "aria-label": told },
        ...value.parts.map(([, size], i) => el("i", { class: `p${i % 5}`, style: `width:${(100 * size) / whole}%` }))),
      el("p", { class: "small muted num", text: value.time ? say("{told}; about {time} in all", { told, time: value.time }) : told }),
      el("table", { class: "parts" }, el("tbody", {}, ...value.parts.map(([name, , written], i) => el("tr", {},
        el("td", {}, el("i", { class: `p${i % 5}`, "aria-hidden": "true" }), name), el("td", { class: "num", text: written }))))),
      el("p", { class: "small muted", text: say("An estimate. “Measure three steps” says it exactly; what cannot fit is not started.") })];
  }

  draw();
  watch("value", draw);
};
