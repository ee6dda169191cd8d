// What colours and shapes on the canvas mean.
(() => {
  "use strict";
  const { el } = window.studio;

  window.studioLegend = (colour) => [
    key("masked", { class: "m", style: "--w:3" }),
    colour === "confidence" ? confidence() : steps(),
    key("revealed in this step", { class: "c4 new", style: "--p:.8" }, "new"),
    key("given", { class: "g" }, "abc"),
  ];

  function key(name, attributes, text = "") {
    return el("span", { class: "k" }, token(attributes, text), name);
  }

  function token(attributes, text) {
    return el("span", { ...attributes, class: `t ${attributes.class}`, text });
  }

  function confidence() {
    const scale = [[".25", "c1"], [".60", "c3"], [".95", "c5"]];
    return el("span", { class: "k" }, ...scale.map(([p, tint]) => token({ class: tint, style: `--p:${p}` }, p)),
      "confidence: tint and bar length");
  }

  function steps() {
    const scale = [["first", "s1"], ["\u2026", "s3"], ["last", "s5"]];
    return el("span", { class: "k" }, ...scale.map(([name, tint]) => token({ class: tint }, name)),
      "step revealed; bar length is confidence");
  }
})();
