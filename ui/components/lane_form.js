// One lane's settings: who writes and how. Shown are the settings that most differ; any other can be added.
(() => {
  "use strict";
  const { el, say } = window.studio;
  const FIRST = ["max_new_tokens", "steps", "block_size", "threshold", "temperature", "use_cache"];

  window.StudioLaneForm = class {
    // `catalogue`: {models: [views], samplers: {name: {about, fields}}}; `act`: {changed, copy, panel, remove}
    constructor(letter, lane, catalogue, act) {
      Object.assign(this, { letter, lane, catalogue, act });
      this.box = el("fieldset", { class: "lane-form" });
      this.draw();
    }

    get model() {
      return this.catalogue.models.find((view) => view.name === this.lane.model);
    }

    // What the sampler begins with: the model's preset if it is this sampler's, else only the text's length.
    preset() {
      const known = (this.model || {}).sampler || {};
      if (known.name === this.lane.sampler) return known;
      return "max_new_tokens" in known ? { max_new_tokens: known.max_new_tokens } : {};
    }

    // The lane as the server is asked for it.
    ask() {
      return { model: this.lane.model, sampler: { ...this.preset(), ...this.lane.settings, name: this.lane.sampler } };
    }

    draw() {
      const { lane, letter } = this;
      const samplers = (this.model || { samplers: [] }).samplers;
      const button = (text, act, help) => el("button", { class: "btn small ghost", type: "button", text, title: help, onclick: act });
      const model = this.select(this.catalogue.models.map((view) => view.name), lane.model, say("Model"), (name) => this.choose(name));
      const sampler = this.select(samplers, lane.sampler, say("Sampler"), (name) => this.change({ sampler: name, settings: this.length(name) }));
      const about = (this.catalogue.samplers[lane.sampler] || {}).about || "";
      this.box.replaceChildren(
        el("legend", {}, el("b", { class: "letter", text: letter })),
        el("div", { class: "row who" }, model, sampler,
          letter === "A" ? button(say("As in the panel"), this.act.panel, say("Take model and sampler from the panel on the left."))
            : button(say("Copy lane A"), this.act.copy, say("Model, sampler and settings of lane A.")),
          this.act.remove ? button(say("Remove"), this.act.remove, say("Take this lane away.")) : null),
        el("p", { class: "small muted", text: say(about) }),
        el("div", { class: "row settings" }, ...this.shown().map((field) => this.field(field)), this.more()));
    }

    fields() {
      return (this.catalogue.samplers[this.lane.sampler] || { fields: [] }).fields;
    }

    shown() {
      const rank = ({ name }) => (FIRST.includes(name) ? FIRST.indexOf(name) : FIRST.length);
      return this.fields().filter((field) => FIRST.includes(field.name) || field.name in this.lane.settings).sort((a, b) => rank(a) - rank(b));
    }

    more() {
      const rest = this.fields().filter((field) => !this.shown().includes(field));
      if (!rest.length) return null;
      const box = this.select(["", ...rest.map((field) => field.name)], "", say("Another setting"), (name) => {
        const field = rest.find((one) => one.name === name);
        this.set(name, name in this.preset() ? this.preset()[name] : field.default);
      });
      box.querySelector("option").textContent = say("another setting");
      return box;
    }

    select(names, chosen, label, act) {
      const options = (names.includes(chosen) ? names : [chosen, ...names]).map((name) =>
        el("option", { value: name, text: name, selected: name === chosen }));
      return el("select", { "aria-label": `${label} ${this.letter}`, title: label, onchange: (event) => act(event.target.value) }, ...options);
    }

    field(field) {
      const { settings } = this.lane;
      const first = field.name in this.preset() ? this.preset()[field.name] : field.default;
      const value = field.name in settings ? settings[field.name] : first;
      const set = (given) => this.set(field.name, given, first);
      const shared = { "aria-label": `${field.name} ${this.letter}`, "data-field": field.name };
      let input;
      if (field.kind === "flag") input = el("input", { type: "checkbox", ...shared, checked: Boolean(value), onchange: () => set(input.checked) });
      else if (field.kind === "choice") {
        const choices = field.optional ? ["", ...field.choices] : field.choices;
        input = el("select", { ...shared, onchange: () => set(input.value === "" ? null : input.value) },
          ...choices.map((name) => el("option", { value: name, text: name || "none", selected: name === (value === null ? "" : value) })));
      } else {
        const number = field.kind === "whole" || field.kind === "decimal";
        input = el("input", { type: number ? "number" : "text", ...shared, step: field.kind === "whole" ? 1 : "any",
          value: Array.isArray(value) ? value.join(" ") : value === null || value === undefined ? "" : value,
          placeholder: field.optional ? "none" : null, onchange: () => set(typed(input.value, field)) });
      }
      const changed = field.name in settings && settings[field.name] !== first;
      return el("label", { class: changed ? "setting changed" : "setting", title: say(field.help) }, el("span", { text: field.name, "data-mark": say("changed") }), input);
    }

    set(name, value, first) {
      const settings = { ...this.lane.settings, [name]: value };
      if (first !== undefined && value === first && FIRST.includes(name)) delete settings[name];
      this.change({ settings });
    }

    choose(name) {
      const view = this.catalogue.models.find((one) => one.name === name);
      const keeps = view.samplers.includes(this.lane.sampler);
      const sampler = view.sampler.name || view.samplers[0];
      this.change({ model: name, ...(keeps ? {} : { sampler, settings: this.length(sampler) }) });
    }

    // Texts that are compared have one length, whoever writes them.
    length(sampler) {
      const now = this.ask().sampler.max_new_tokens;
      const has = (this.catalogue.samplers[sampler] || { fields: [] }).fields.some((field) => field.name === "max_new_tokens");
      return has && now ? { max_new_tokens: now } : {};
    }

    change(changes) {
      Object.assign(this.lane, changes);
      this.draw();
      this.act.changed();
    }
  };

  // What is no number stays as it is: the server says what is wrong with it.
  function typed(text, field) {
    const trimmed = text.trim();
    if (field.kind === "tokens") return trimmed ? trimmed.split(/\s+/).map((word) => (/^\d+$/.test(word) ? Number(word) : word)) : [];
    if (!trimmed && field.optional) return null;
    return trimmed !== "" && Number.isFinite(Number(trimmed)) ? Number(trimmed) : trimmed;
  }
})();
