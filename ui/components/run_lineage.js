// Where a run came from and what came of it: each a link.
(() => {
  "use strict";
  const { el, call, open, say } = window.studio;

  // place in the spec -> [said of what is named there, said of who names it]
  const PLACES = {
    "model.path": [say("Began from"), say("trained from it")],
    "model.new.tokenizer": [say("Tokenizer of"), say("uses its tokenizer")],
    "data.path": [say("Data"), say("trained on its data")],
    source: [say("Made from"), say("made from it")],
    lora_base: [say("Adapter on"), say("merged into it")],
    tokenizer: [say("Tokenizer of"), say("uses its tokenizer")],
    model: [say("Sampled from"), say("sampled from it")],
    "queue.after": [say("Comes after"), say("comes after it")],
    "queue.clone_of": [say("Cloned from"), say("cloned from it")],
  };
  const base = (path) => path.replace(/\/+$/, "").split("/").slice(-2).join("/");

  // A link within the page; with a key held down it is the browser's own.
  function to(tab, params, text, title) {
    const href = `?${new URLSearchParams({ tab, ...params })}`;
    return el("a", { href, text, title, onclick: (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      window.studio.remember({ tab, run: null, ...params }, true);
      open(tab, { run: null, ...params });
    } });
  }

  function who(one) {
    const words = window.studio.jobs;
    const step = one.step === null ? null : el("span", { class: "muted num", text: say("step {n}", { n: one.step.toLocaleString("en") }) });
    if (one.run && one.state) return [words.link({ id: one.run }, one.text), el("span", { class: "muted num", text: one.run }), step, words.badge(one.state)];
    if (one.run) return [el("span", { text: one.run }), step, el("span", { class: "badge plain", text: say("deleted") })];
    if (one.model) return [to("models", {}, one.text)];
    if (one.place === "data.path") return [to("data", { set: one.text }, base(one.text), one.text)];
    return [el("span", { class: "mono", text: one.text })];
  }

  const line = (name, parts) => el("li", {}, el("span", { class: "muted", text: name }), el("span", { class: "row" }, ...parts));

  // The data's version and those before it, back to the first file.
  function versions(chain) {
    const names = [...chain.slice(1).map(({ name }) => name), base(String(chain[chain.length - 1].source))];
    return line(say("A version of"), names.flatMap((name, i) => [i ? "\u2190" : null, el("span", { text: name })]).filter(Boolean));
  }

  async function lineage(panel, job) {
    if (panel.dataset.run !== job.id) panel.hidden = true; // it is the last run's
    panel.dataset.run = job.id;
    const found = await call("GET", `/api/jobs/${job.id}/relatives`).catch(() => null); // a note over the page says that the server is away
    if (!found || panel.dataset.run !== job.id) return;
    const known = found.parents.filter((one) => one.run || one.place !== "model.new.tokenizer"); // else it is among the settings
    const parents = known.flatMap((one) => [line(PLACES[one.place][0], who(one)), ...(one.place === "data.path" && found.data.length ? [versions(found.data)] : [])]);
    if (job.spec.model && job.spec.model.new) parents.unshift(line(say("Began from"), [el("span", { text: say("random weights") })]));
    if (job.spec.data && job.spec.data.builder) parents.push(line(say("Data"), [to("data", { set: job.spec.data.builder }, job.spec.data.builder)]));
    const children = found.children.map((one) => line(PLACES[one.place][1], who(one)));
    panel.hidden = !parents.length && !children.length;
    panel.replaceChildren(el("div", { class: "head" }, el("h2", { text: say("Lineage") })),
      el("ul", {}, ...parents),
      el("h3", { text: say("What came of it") }),
      children.length ? el("ul", { class: "scroll", tabindex: 0, "aria-label": say("What came of it") }, ...children) : el("p", { class: "small muted", text: say("Nothing so far: no run began from it.") }));
  }

  window.StudioRunLineage = { lineage };
})();
