// How runs look in a comparison (a colour, a dash and a number each), and what its figures and settings are called.
(() => {
  "use strict";
  const { el, format, say } = window.studio;
  const [COLOURS, DASHES] = [8, 3]; // --s0 to --s7; no common divisor, so that neighbours differ in both
  const MOST = COLOURS * DASHES;
  const LABEL = 9; // characters beside the end of a line

  // metric of a run -> its name for people
  const FIGURES = {
    loss: say("Training loss"),
    best_loss: say("Best training loss"),
    validation_loss: say("Validation loss"),
    best_validation_loss: say("Best validation loss"),
    accuracy_15: say("Accuracy, 15 % masked"),
    accuracy_50: say("Accuracy, 50 % masked"),
    accuracy_85: say("Accuracy, 85 % masked"),
    learning_rate: say("Learning rate"),
    grad_norm: say("Gradient norm"),
    tokens_per_second: say("Tokens per second"),
    tokens_seen: say("Tokens seen"),
    seconds_trained: say("Seconds of training"),
    seconds_per_step: say("Seconds per step"),
    seconds: say("Seconds from start to end"),
    memory_mb: say("Memory, MB"),
    epoch: say("Epoch"),
    eos_share: say("Ends of text in the loss"),
    padding_share: say("Filling in the loss"),
    model_flops_use: say("Model FLOPs use"),
    validation_seconds: say("Seconds of a validation"),
  };
  const AXES = ["tokens_seen", "seconds_trained", "epoch"]; // they tell how far a run is, not how good
  const HIGH = /accuracy|per_second|flops/; // more is better

  const figure = (name) => FIGURES[name] || name;
  const known = Object.keys(FIGURES);
  const inOrder = (names) => [...names].sort((a, b) => (known.indexOf(a) + 1 || known.length + 1) - (known.indexOf(b) + 1 || known.length + 1));
  const lineClass = (slot) => `run s${slot % COLOURS} d${slot % DASHES}`;
  const number = (id) => id.replace("-", " ");
  const short = (id) => id.replace(/^.*-0*/, "");
  const end = (field) => field.slice(field.lastIndexOf(".") + 1);

  // optimisation.learning_rate, which may be broken after a dot.
  const path = (field) => field.split(".").flatMap((part, i) => (i ? [".", el("wbr"), part] : [part]));

  // A value of a setting as text.
  function value(held) {
    if (held === null || held === undefined || held === "") return say("not set");
    if (typeof held === "number") return String(held);
    return typeof held === "string" ? held : JSON.stringify(held);
  }

  const cut = (text, most = LABEL) => (text.length > most ? `${text.slice(0, most - 1)}\u2026` : text);

  // A piece of the run's line.
  function sample(look) {
    return el("svg", { class: "sample", width: 26, height: 10, "aria-hidden": "true" },
      el("path", { class: look, d: "M1 5H25" }), el("circle", { class: `dot ${look}`, cx: 13, cy: 5, r: 3 }));
  }

  const mean = (values) => values.reduce((sum, one) => sum + one, 0) / values.length;

  // "0.41 ± 0.02": mean and standard deviation of a sample; of one value the value.
  function spread(values) {
    if (!values.length) return "";
    const middle = mean(values);
    if (values.length === 1) return format.number(middle);
    const deviation = Math.sqrt(values.reduce((sum, one) => sum + (one - middle) ** 2, 0) / (values.length - 1));
    return `${format.number(middle)} \u00b1 ${format.number(deviation)}`;
  }

  window.StudioCompareLooks = { MOST, AXES, HIGH, figure, inOrder, lineClass, number, short, end, path, value, cut, sample, mean, spread };
})();
