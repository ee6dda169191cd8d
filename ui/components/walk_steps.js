// A form as a walk: one step at a time, the strip of all steps over it, and the buttons on and back below it.
// Which step is shown stands on the screen as data-step; walk_steps.css hides the others.
(() => {
  "use strict";
  const { el, params, remember, say } = window.studio;
  const TITLES = { model: say("Model"), data: say("Data"), recipe: say("Recipe"), resources: say("Resources"), review: say("Review") };
  const NAMES = Object.keys(TITLES);
  const CHANGED = "studio:step";
  let now = NAMES.includes(params.step) ? params.step : NAMES[0];

  // `turn`: a person went there, so Back leads here again and the step's top is shown.
  function show(screen, name, turn = false) {
    now = name;
    screen.dataset.step = name;
    if (turn) {
      remember({ step: name }, true);
      const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
      screen.scrollIntoView({ behavior: still ? "auto" : "smooth", block: "start" });
    }
    window.dispatchEvent(new Event(CHANGED));
  }

  // While the element is in the page: draw again when the step changes.
  function follow(element, draw) {
    const again = () => (element.isConnected ? draw() : window.removeEventListener(CHANGED, again));
    window.addEventListener(CHANGED, again);
    draw();
  }

  window.studio.components.walk_steps = (element, props, watch) => {
    const place = element.querySelector(".walk-steps") || element;
    const screen = element.closest(".screen");

    function draw() {
      const steps = (props.value || []).map((step, i) => {
        const text = say(step.text, step.values);
        const wrong = step.state === "bad";
        const past = i < NAMES.indexOf(now);
        const icon = wrong ? "i-warn" : past ? "i-ok" : "";
        const mark = icon ? el("span", { class: `i ${icon}`, "aria-hidden": "true" }) : String(i + 1);
        return el("li", { class: [wrong && "bad", past && "past", step.name === now && "on"].filter(Boolean).join(" ") },
          el("button", { type: "button", "data-step": step.name, "aria-current": step.name === now ? "step" : null, onclick: () => show(screen, step.name, true) },
            el("span", { class: "n" }, mark),
            el("span", { class: "what" },
              el("b", { text: say(step.title) }), el("small", { text, title: text })),
            wrong && el("span", { class: "sr", text: say("needs a correction") })));
      });
      const focused = place.contains(document.activeElement) ? document.activeElement.dataset.step : null;
      place.replaceChildren(el("ol", { "aria-label": say("Steps") }, ...steps));
      if (focused) place.querySelector(`[data-step="${focused}"]`).focus({ preventScroll: true });
      const on = place.querySelector(".on");
      if (on) on.parentElement.scrollLeft = on.offsetLeft - on.parentElement.offsetLeft; // on a phone it is wider than the screen
    }

    const back = () => {
      if (!element.isConnected) return window.removeEventListener("studio:open", back);
      if (params.tab === "train" && NAMES.includes(params.step) && params.step !== now) show(screen, params.step);
    };
    window.addEventListener("studio:open", back);
    show(screen, now);
    follow(element, draw);
    watch("value", draw);
  };

  window.studio.components.walk_turns = (element) => {
    const place = element.querySelector(".walk-turns") || element;
    const screen = element.closest(".screen");
    follow(element, () => {
      const at = NAMES.indexOf(now);
      const button = (name, text, kind) => (name
        ? el("button", { type: "button", class: `btn ${kind}`, text, onclick: () => show(screen, name, true) }) : el("span"));
      place.replaceChildren(
        button(NAMES[at - 1], say("Back: {step}", { step: TITLES[NAMES[at - 1]] }), ""),
        button(NAMES[at + 1], say("Next: {step}", { step: TITLES[NAMES[at + 1]] }), "next"));
    });
  };
})();
