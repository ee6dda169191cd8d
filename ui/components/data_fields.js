// Settings as controls, from what ui/forms.py says of each: {name, kind, label, help, default, choices, optional}.
(() => {
  "use strict";
  const { el, say } = window.studio;
  const data = window.studioData;

  // A row as JSON: a line for each field and each turn, so that much of it is seen at once.
  data.written = (raw) => {
    if (typeof raw === "string") return raw;
    const value = (of) => (Array.isArray(of) && of.some((item) => item && typeof item === "object")
      ? `[\n${of.map((item) => `  ${JSON.stringify(item)}`).join(",\n")}\n ]` : JSON.stringify(of));
    return `{\n${Object.entries(raw).map(([key, of]) => ` ${JSON.stringify(key)}: ${value(of)}`).join(",\n")}\n}`;
  };

  data.control = (label, help, node) => el("label", { class: "ctl" },
    el("span", { class: "label", text: label }), node, el("span", { class: "help", text: help }));

  // {prompt: question, ...} as it is written: "prompt: question, completion: answer".
  function pairs(text) {
    const found = {};
    for (const part of text.replace(/^\{|\}$/g, "").split(",").filter((piece) => piece.trim())) {
      const [key, value, ...rest] = part.split(":").map((piece) => piece.trim());
      if (!key || !value || rest.length) throw new Error(say("“{text}” is no pair; write prompt: question, completion: answer.", { text: part.trim() }));
      found[key] = value;
    }
    return found;
  }

  // One setting: {root, value()} where value() is undefined for the default, and throws for what cannot be read.
  data.field = (field, prefix, changed) => {
    const id = `${prefix}-${field.name.replace(/_/g, "-")}`;
    const name = field.label.charAt(0).toUpperCase() + field.label.slice(1).replace(/_/g, " ");
    const told = field.default === null || field.default === undefined ? "" : String(field.default);
    if (field.kind === "flag") {
      const box = el("input", { type: "checkbox", id, checked: field.default, onchange: changed });
      const root = el("label", { class: "ctl" }, el("span", { class: "label row" }, box, name), el("span", { class: "help", text: say(field.help) }));
      return { root, value: () => (box.checked === field.default ? undefined : box.checked) };
    }
    if (field.kind === "choice") {
      const list = el("select", { class: "in", id, onchange: changed }, ...(field.optional ? [el("option", { value: "", text: say(field.none) })] : []),
        ...field.choices.map((choice) => el("option", { value: choice, text: choice })));
      list.value = told;
      return { root: data.control(name, say(field.help), list), value: () => (list.value === told ? undefined : list.value) };
    }
    const number = field.kind === "whole" || field.kind === "decimal";
    const box = el("input", { class: `in${number ? " num" : ""}`, id, type: number ? "number" : "text", step: field.kind === "whole" ? 1 : "any",
      autocomplete: "off", spellcheck: "false", placeholder: number && told === "" ? say("all") : null, onchange: changed });
    box.value = field.kind === "mapping" ? "" : told;
    const value = () => {
      const text = box.value.trim();
      if (field.kind === "mapping") return text ? pairs(text) : undefined;
      if (text === told || (number && text === "")) return undefined;
      return number ? Number(text) : text;
    };
    return { root: data.control(name, say(field.help), box), value };
  };

  // Several of them: {roots, changes()} with only what differs from the defaults.
  data.fields = (fields, prefix, changed) => {
    const made = fields.map((field) => [field.name, data.field(field, prefix, changed)]);
    return {
      roots: made.map(([, one]) => one.root),
      changes: () => Object.fromEntries(made.map(([name, one]) => [name, one.value()]).filter(([, value]) => value !== undefined)),
    };
  };
})();
