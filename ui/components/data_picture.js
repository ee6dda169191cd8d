// The masking preview: rows as the model will see them. Shapes and marks repeat what colours say.
(() => {
  "use strict";
  const { el, say } = window.studio;
  const data = window.studioData;
  const NAMES = { end: "EOS", padding: "pad", image: "image" };
  const ROWS = 2;

  data.picture = (about) => {
    const panel = data.panel(say("Masking preview"), "data-picture");
    const state = { level: 0.5, first: 0, seed: 0 };
    const slider = el("input", { type: "range", id: "data-level", min: 0, max: 1, step: 0.01, value: state.level, "aria-label": say("Noise level") });
    const figure = el("output", { class: "num", text: "50 %" });
    const button = (label, icon, act) => el("button", { class: "btn small", type: "button", "aria-label": label, title: label, onclick: act },
      icon ? el("span", { class: `i i-${icon}`, "aria-hidden": "true" }) : label);
    const where = el("span", { class: "small muted num" });
    const move = (by) => ((state.first = Math.max(0, state.first + by)), load());
    const controls = el("div", { class: "picture-controls" },
      el("label", { class: "ctl" }, el("span", { class: "label", text: say("Noise level") }), el("span", { class: "row" }, slider, figure),
        el("span", { class: "help", text: say("Each token that may be masked is masked with this probability.") })),
      el("div", { class: "row" }, button(say("Rows before"), "prev", () => move(-ROWS)), where, button(say("Rows after"), "next", () => move(ROWS)),
        button(say("Draw again"), "", () => ((state.seed += 1), load()))));
    const step = el("input", { class: "in num", type: "number", id: "data-step", min: 0, "aria-label": say("Training step"), placeholder: say("open"),
      onchange: () => load() });
    const opening = el("label", { class: "ctl", hidden: true }, el("span", { class: "label", text: say("Training step") }), step,
      el("span", { class: "help" }));
    controls.append(opening);
    const stage = el("div", { class: "picture" });
    panel.body.append(controls, stage);
    slider.addEventListener("input", () => {
      state.level = Number(slider.value);
      figure.textContent = data.percent(state.level);
      clearTimeout(state.timer);
      state.timer = setTimeout(load, 120);
    });

    async function load() {
      if (!panel.body.contains(stage)) panel.body.replaceChildren(controls, stage);
      panel.wait(say("drawing"));
      const words = { data: about.data(), model: about.model(), objective: about.objective(), level: state.level, rows: ROWS, first: state.first, seed: state.seed,
        ...(opening.hidden || step.value === "" ? {} : { step: Number(step.value) }) };
      const found = await panel.ask("preview", words, about.alive, panel.wait);
      if (found) draw(found);
    }

    function draw(found) {
      const [low, high] = found.levels;
      opening.hidden = found.opens <= 1;
      opening.lastChild.textContent = say("Attention opens over the first {n} {n:step|steps}. Empty: open.", { n: found.opens });
      panel.badge.replaceChildren(el("span", { class: "small muted", text: found.packed ? say("{objective}, as {kind}, packed", found) : say("{objective}, as {kind}", found) }));
      where.textContent = found.places[0] || say("from row {n}", { n: state.first + 1 });
      const limited = state.level < low - 0.005 || state.level > high + 0.005;
      stage.replaceChildren(
        limited ? data.note("info", say("{objective} draws levels from {low} to {high} only; this is {level}.",
          { objective: found.objective, low: data.percent(low), high: data.percent(high), level: data.percent(found.level) })) : "",
        ...found.rows.map((row, n) => line(row, n, found)),
        legend(found), shares(found), attention(found.attention));
    }

    function line(row, number, found) {
      const tokens = row.texts.map((text, at) => {
        const kind = row.kinds[at], masked = row.masked[at];
        const shown = data.letters(NAMES[kind] || text);
        const newBlock = row.blocks.length && at && row.blocks[at] !== row.blocks[at - 1];
        const seen = masked ? say("masked, {share} of the loss", { share: data.percent(row.weights[at]) }) : say("visible");
        const about = [kind, seen, row.blocks.length ? say("block {n}", { n: row.blocks[at] + 1 }) : ""].filter(Boolean).join(", ");
        return [newBlock ? el("span", { class: "edge", title: say("block {n}", { n: row.blocks[at] + 1 }) }) : "",
          el("span", { class: `k ${kind}${masked ? " masked" : ""}`, title: about, text: shown }), "\u200b"];
      });
      const told = row.kinds.length > row.real ? say("{n} {n:token|tokens}, filled up to {all}", { n: row.real, all: row.kinds.length }) : say("{n} {n:token|tokens}", { n: row.real });
      return el("div", { class: "seen" },
        el("h3", {}, found.places[number] || say("Sequence {n}", { n: number + 1 }), el("span", { class: "small muted", text: ` ${told}` })),
        el("p", { class: "tokens" }, ...tokens.flat()));
    }

    function legend(found) {
      const counts = {};
      found.rows.forEach((row) => row.kinds.forEach((kind, at) => {
        counts[kind] = counts[kind] || [0, 0];
        counts[kind][row.masked[at] ? 1 : 0] += 1;
      }));
      const items = [];
      for (const [kind, [seen, masked]] of Object.entries(counts)) {
        const name = NAMES[kind] || "abc";
        if (seen) items.push(el("li", { title: found.legend[kind] }, el("span", { class: `k ${kind}`, text: name }), ` ${kind}${masked ? say(", visible") : ""} (${seen})`));
        if (masked) items.push(el("li", { title: found.legend[kind] }, el("span", { class: `k ${kind} masked`, text: name }), ` ${kind}${say(", masked")} (${masked})`));
      }
      if (found.block_size) items.push(el("li", {}, el("span", { class: "edge" }), ` ${say("block of {n}", { n: found.block_size })}`));
      return el("ul", { class: "legend", "aria-label": say("Legend") }, ...items);
    }

    function shares(found) {
      const rows = Object.entries(found.share).map(([kind, share]) => el("div", { class: "share" },
        el("span", { text: kind }), el("span", { class: "meter" }, el("span", { style: `width:${100 * share}%` })), el("b", { class: "num", text: data.percent(share) })));
      return el("div", { class: "shares" }, el("h3", { text: say("Share of the loss") }),
        el("p", { class: "small muted", text: say("{masked} of {maskable} {maskable:token|tokens} count, if all are equally hard to guess.", found) }), ...rows);
    }

    function attention(found) {
      const cells = found.cells;
      const squares = cells.flatMap((text, y) => [...text].map((digit, x) => [x, y, Number(digit)]).filter(([, , value]) => value)
        .map(([x, y, value]) => el("rect", { x, y, width: 1, height: 1, opacity: value / 9 })));
      return el("div", { class: "attention" },
        el("svg", { viewBox: `0 0 ${cells.length} ${cells.length}`, role: "img", "aria-label": say("Attention: {sentence}", found) }, ...squares),
        el("div", {}, el("h3", { text: say("Attention") }), el("p", { class: "small muted", text: found.sentence }),
          el("p", { class: "small muted", text: say("A row is a token that looks, a column one that is seen, of {positions}.", found) })));
    }
    return { root: panel.root, load };
  };
})();
