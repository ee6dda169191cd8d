// The right-hand column of a form: what would start, exactly, and what stands in the way.
window.studio.components.review = (element, props, watch) => {
  "use strict";
  const { el, toast, params, remember, say } = window.studio;
  const place = element.querySelector(".review") || element;
  const LINKED = "train"; // the form that a link can fill
  const SPEC = "#spec=";
  const END = "."; // a link that was cut on its way lacks it
  const CUT = ": cut"; // no YAML: the form says that the link is broken
  let view = "yaml";

  function draw() {
    const value = props.value || {};
    const problems = value.problems || [];
    mark(value.prefix, problems);
    place.replaceChildren(
      el("div", { class: "head" }, el("h2", { text: say("Review") }), state(value, problems)),
      el("div", { class: "problems", role: "status" }, ...problems.map((problem) =>
        el("div", { class: "note bad" },
          el("span", { class: "i i-bad", "aria-hidden": "true" }), el("span", { text: problem.text })))),
      (value.plan || []).length && value.yaml ? el("h3", { text: say("What will happen") }) : "",
      (value.plan || []).length ? el(value.yaml ? "ol" : "ul", { class: "plan" }, ...value.plan.map((text) => el("li", { text: say(text) }))) : "",
      ...(value.yaml ? exact(value) : []));
  }

  function state(value, problems) {
    if (problems.length) {
      const text = say("{n} {n:problem|problems}", { n: problems.length });
      return el("span", { class: "badge fail" }, el("span", { class: "i i-bad", "aria-hidden": "true" }), text);
    }
    if (!value.yaml) return null;
    return el("span", { class: "badge ok" }, el("span", { class: "i i-ok", "aria-hidden": "true" }), say("ready to start"));
  }

  function exact(value) {
    const changed = new Set(value.changed || []);
    const lines = value.yaml.replace(/\n$/, "").split("\n");
    const button = (name, label) => el("button", { type: "button", role: "radio", "aria-checked": String(view === name),
      onclick: () => { view = name; draw(); } }, label);
    const shown = view === "yaml" ? lines.map((line, i) => [line, changed.has(i)])
      : lines.map((line, i) => [line, true, changed.has(i)]).filter(([, , is]) => is);
    const code = el("pre", { class: "code yaml", tabindex: "0", "aria-label": say("The spec as YAML") });
    shown.forEach(([line, is]) => code.append(yamlLine(line, is && view === "yaml"), "\n"));
    if (!shown.length) code.append(el("span", { class: "muted", text: say("Nothing differs from where you started.") }));
    return [
      el("div", { class: "row between" }, el("h3", { text: say("The spec") }),
        value.compared ? el("div", { class: "seg sm", role: "radiogroup", "aria-label": say("View") },
          button("yaml", "YAML"), button("changes", say("Changes ({n})", { n: changed.size }))) : null),
      code,
      changed.size ? el("p", { class: "small muted", text: say("A bar at the left marks what differs from where you started.") }) : null,
      el("h3", { text: say("The command that the studio starts") }),
      value.command ? el("pre", { class: "code wrap", tabindex: "0", text: value.command })
        : el("p", { class: "small muted", text: say("Shown as soon as nothing stands in the way.") }),
      value.terminal ? el("h3", { text: say("The same job from a terminal") }) : null,
      value.terminal ? el("pre", { class: "code wrap", tabindex: "0", text: value.terminal }) : null,
      el("div", { class: "row" },
        copier(say("Copy YAML"), value.yaml), copier(say("Copy command"), value.command),
        value.prefix === LINKED ? copier(say("Copy link"), link(value.yaml)) : null,
        el("button", { class: "btn small", type: "button", text: say("Save YAML"), onclick: () => save(value) })),
      value.facts && value.facts.length ? el("dl", { class: "figures" }, ...value.facts.map(([name, figure]) =>
        el("div", {}, el("dt", { text: say(name) }), el("dd", { class: "num", text: figure })))) : null,
    ].filter(Boolean);
  }

  function yamlLine(line, changed) {
    const node = el("span", { class: changed ? "chg" : "" });
    const match = line.match(/^(\s*(?:- )?[\w.-]+:)(.*)$/);
    if (match) node.append(el("span", { class: "k", text: match[1] }), match[2]);
    else node.append(line);
    return node;
  }

  function copier(label, text) {
    return el("button", { class: "btn small", type: "button", disabled: !text, onclick: async () => {
      try {
        await navigator.clipboard.writeText(text);
        toast(say("Copied."));
      } catch {
        toast(say("The browser does not let this page copy; select the text and copy it."), "bad");
      }
    } }, el("span", { class: "i i-copy", "aria-hidden": "true" }), label);
  }

  // The spec in the address, behind the #: it goes to nobody but who opens the link.
  function link(yaml) {
    const bytes = new TextEncoder().encode(yaml);
    const text = btoa(String.fromCharCode(...bytes)).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
    return `${location.origin}/?tab=${LINKED}${SPEC}${text}${END}`;
  }

  function linked() {
    try {
      const [whole, rest] = location.hash.slice(SPEC.length).split(END);
      if (rest === undefined) return CUT;
      const text = whole.replace(/-/g, "+").replace(/_/g, "/");
      return new TextDecoder().decode(Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)));
    } catch {
      return CUT;
    }
  }

  function save(value) {
    const link = el("a", { href: URL.createObjectURL(new Blob([value.yaml], { type: "text/yaml" })), download: value.file || "spec.yaml" });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  // A red frame around the controls that a problem names.
  function mark(prefix, problems) {
    if (!prefix) return;
    document.querySelectorAll(`[id^="${prefix}-"].is-wrong`).forEach((node) => node.classList.remove("is-wrong"));
    for (const problem of problems) {
      const node = problem.key && document.getElementById(`${prefix}-${problem.key.replace(/[._]/g, "-")}`);
      if (node) node.classList.add("is-wrong");
    }
  }

  // Another tab opened this one with a wish ("train from this model", "train on this data").
  function take() {
    const tab = (props.value || {}).prefix;
    if (tab === LINKED && location.hash.startsWith(SPEC)) {
      const spec = linked();
      history.replaceState(history.state, "", location.pathname + location.search);
      return element.fill({ spec });
    }
    if (tab === LINKED && params.tab === tab && params.source) {
      const start = params.source;
      remember({ source: null });
      return element.fill({ start });
    }
    const wish = Object.fromEntries(["model", "source", "data", "decision", "reading"].filter((k) => params[k]).map((k) => [k, params[k]]));
    if (params.tab !== tab || !Object.keys(wish).length) return;
    remember({ model: null, source: null, data: null, decision: null, reading: null });
    element.ask(wish);
  }
  const listen = () => (element.isConnected ? take() : window.removeEventListener("studio:open", listen));
  window.addEventListener("studio:open", listen);
  setTimeout(take, 100);

  draw();
  watch("value", draw);
};
