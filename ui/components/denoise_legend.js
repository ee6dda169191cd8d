// What colours and shapes on the canvas mean.
(() => {
  "use strict";
  const { el, say } = window.studio;

  // Rare events are explained where they happened.
  window.studioLegend = (colour, film) => [
    key(say("masked"), { class: "m", style: "--w:3" }),
    { confidence, step: steps, block: blocks }[colour](),
    key(say("revealed in this step"), { class: "c4 new", style: "--p:.8" }, say("new")),
    key(say("given"), { class: "g" }, "abc"),
    film.events.has("remasked") && key(say("masked again"), { class: "m re", style: "--w:3" }),
    film.events.has("edited") && key(say("edited"), { class: "ed" }, "abc"),
    film.events.has("closed") && key(say("closed: after the end"), { class: "cl eos" }, say("end")),
    film.start && film.start.parent && key(say("pinned"), { class: "g pin" }, "abc"),
  ].filter(Boolean);

  function key(name, attributes, text = "") {
    return el("span", { class: "k" }, token(attributes, text), name);
  }

  function token(attributes, text) {
    return el("span", { ...attributes, class: `t ${attributes.class}`, text });
  }

  function confidence() {
    const scale = [[".25", "c1"], [".60", "c3"], [".95", "c5"]];
    return el("span", { class: "k" }, ...scale.map(([p, tint]) => token({ class: tint, style: `--p:${p}` }, p)),
      say("confidence: tint and bar length"));
  }

  function blocks() {
    return el("span", { class: "k" }, token({ class: "s1 first" }, say("one")), token({ class: "s3 first" }, say("next")),
      say("block: a line on the left begins one; bar length is confidence"));
  }

  function steps() {
    const scale = [[say("first"), "s1"], ["\u2026", "s3"], [say("last"), "s5"]];
    return el("span", { class: "k" }, ...scale.map(([name, tint]) => token({ class: tint }, name)),
      say("step revealed; bar length is confidence"));
  }
})();
