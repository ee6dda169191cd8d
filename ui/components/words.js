// say("Start training"): the text in the reader's language. The English text in the code is the key; see ui/words.
// Runs before Gradio: the texts of its controls are translated in its config, before any of them is drawn.
(() => {
  "use strict";
  if (window.studio) return;
  const ENGLISH = "en";
  const COOKIE = "studio_language";
  const catalogue = window.studioWords || {}; // the server names a catalogue in the page's head unless it is English
  const language = document.documentElement.lang || ENGLISH;

  // say("{n} {n:row|rows}", {n: 3}): the first of two words is for one, the second for any other number
  function say(text, values) {
    const found = catalogue[text] || text;
    if (!values) return found;
    return found.replace(/\{(\w+)(?::([^|{}]*)\|([^|{}]*))?\}/g, (whole, name, one, many) => {
      if (!(name in values)) return whole;
      if (one === undefined) return values[name];
      return String(values[name]) === "1" ? one : many;
    });
  }

  // What the server wrote, sentence by sentence; it writes English. What fits no template stays so.
  const LONGEST = 2000; // of ui/words/__init__.py, which says why
  const templates = (window.studioTemplates || []).map((text) => [pattern(text), text]);
  const told = (text) => text.split(/(?<=[.!?]) (?=[A-Z])/).map(sentence).join(" ").replaceAll("。 ", "。");

  function pattern(template) {
    const literal = template.replace(/[.*+?^$()|[\]\\]/g, "\\$&");
    return new RegExp(`^${literal.replace(/\{(\w+)\}/g, "(?<$1>.+?)")}$`, "s");
  }

  function sentence(text) {
    if (text.length > LONGEST) return text;
    for (const [fits, template] of templates) {
      const found = fits.exec(text);
      if (found) return say(template, Object.fromEntries(Object.entries(found.groups).map(([name, value]) => [name, sentence(value)])));
    }
    return catalogue[text] || text;
  }

  function choose(name) {
    document.cookie = `${COOKIE}=${name}; path=/; max-age=31536000; samesite=lax`;
    location.reload();
  }

  // Small pieces of our own HTML (headings, notes): their texts, not their tags.
  function html(value) {
    const holder = document.createElement("template");
    holder.innerHTML = value;
    const walker = document.createTreeWalker(holder.content, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) walker.currentNode.data = say(walker.currentNode.data);
    return holder.innerHTML;
  }

  function part({ type, props }) {
    const named = (props.elem_classes || []).includes("setting"); // by the words of YAML, in every language
    for (const name of ["label", "info", "placeholder"]) {
      if (typeof props[name] === "string" && !(named && name === "label")) props[name] = props[name].split("\n").map((line) => say(line)).join("\n");
    }
    if (Array.isArray(props.choices)) {
      props.choices = props.choices.map(([name, value]) => [named && name !== "not set" ? name : say(name), value]);
    }
    if (typeof props.value !== "string") return;
    if (type.endsWith("button")) props.value = say(props.value);
    else if (type === "html") props.value = html(props.value);
  }

  // Gradio takes its own few words, and the page's lang, from here.
  Object.defineProperty(navigator, "language", { value: language });
  if (language !== ENGLISH && window.gradio_config) window.gradio_config.components.forEach(part);
  // A link to a tab begins with that one; else the first would be drawn too, for nothing.
  const tab = new URLSearchParams(location.search).get("tab");
  const named = (id) => window.gradio_config && window.gradio_config.components.find(({ props }) => props.elem_id === id);
  if (tab && named(`${tab}-page`)) named("tabs").props.selected = tab;
  window.studio = { say, told, language, choose };
})();
