// The family of a sample: what it branched off, and what branched off it. Each is replayed by a click.
(() => {
  "use strict";
  const { el, call, say } = window.studio;
  const NEWEST = 200; // samples that are looked through

  window.StudioBranchTree = class {
    constructor(follow) {
      this.follow = follow;
      this.box = el("nav", { class: "branches", "aria-label": say("Branches"), hidden: true });
    }

    async show(request, start) {
      let samples;
      try {
        ({ samples } = await call("GET", `/api/samples?n=${NEWEST}`));
      } catch {
        return; // the page says by itself that the server is gone
      }
      const known = new Map(samples.map((sample) => [sample.request, sample]));
      if (start && !known.has(request)) known.set(request, { request, parent: start.parent, sampler: start.sampler });
      let root = known.get(request);
      while (root && root.parent) root = known.get(root.parent.request) || { request: root.parent.request };
      const children = new Map();
      for (const sample of [...known.values()].reverse()) {
        if (!sample.parent) continue;
        children.set(sample.parent.request, [...(children.get(sample.parent.request) || []), sample]);
      }
      this.box.hidden = !root || !children.has(root.request);
      if (this.box.hidden) return;
      this.box.replaceChildren(el("h3", { text: say("Branches") }), this.list([root], children, request));
    }

    list(samples, children, request) {
      return el("ul", {}, ...samples.map((sample) => {
        const below = children.get(sample.request);
        const here = sample.request === request;
        return el("li", {},
          el("button", { class: `btn small${here ? " here" : ""}`, type: "button", "aria-current": here ? "true" : null,
            "data-request": sample.request, onclick: () => this.follow(sample.request) },
          `${here ? "\u25b8 " : ""}${title(sample)}`),
          below ? this.list(below, children, request) : null);
      }));
    }
  };

  function title({ parent, sampler, reason, nfe }) {
    const settings = [sampler && sampler.name, nfe ? say("{n} {n:forward|forwards}", { n: nfe }) : null,
      reason && reason !== "finished" ? (reason === "error" ? say("failed") : reason) : null].filter(Boolean).join(", ");
    if (!parent) return say("Original") + (settings ? ` (${settings})` : "");
    const [pins, masks] = [Object.keys(parent.pins || {}).length, (parent.remask || []).length];
    const edits = [pins && say("{n} pinned", { n: pins }), masks && say("{n} masked again", { n: masks })].filter(Boolean).join(", ") || say("no change");
    return `${parent.step < 0 ? say("From the start") : say("After step {n}", { n: parent.step + 1 })}: ${edits} (${settings})`;
  }
})();
