// The strip over a form: its sections, what is chosen in each, and where something is wrong.
window.studio.components.walk_steps = (element, props, watch) => {
  "use strict";
  const { el, say } = window.studio;
  const place = element.querySelector(".walk-steps") || element;

  function draw() {
    const steps = (props.value || []).map((step, i) => {
      const text = say(step.text, step.values);
      const wrong = step.state === "bad";
      const mark = wrong ? el("span", { class: "i i-warn", "aria-hidden": "true" }) : String(i + 1);
      return el("li", { class: wrong ? "bad" : "" },
        el("button", { type: "button", onclick: () => go(step.target) },
          el("span", { class: "n" }, mark),
          el("span", { class: "what" },
            el("b", { text: say(step.title) }), el("small", { text, title: text })),
          wrong && el("span", { class: "sr", text: say("needs a correction") })));
    });
    place.replaceChildren(el("ol", { "aria-label": say("Sections") }, ...steps));
  }

  function go(target) {
    const section = document.getElementById(target);
    if (!section) return;
    const fold = section.querySelector(":scope > button.label-wrap:not(.open)");
    if (fold) fold.click();
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    section.scrollIntoView({ behavior: still ? "auto" : "smooth", block: "start" });
    const first = section.querySelector("input, select, textarea");
    if (first) first.focus({ preventScroll: true });
  }

  draw();
  watch("value", draw);
};
