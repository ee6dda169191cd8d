// The masking preview: rows as the model will see them. Shapes and marks repeat what colours say.
(() => {
  "use strict";
  const { el } = window.studio;
  const data = window.studioData;
  const NAMES = { end: "EOS", padding: "pad", image: "image" };
  const ROWS = 2;

  data.picture = (about) => {
    const panel = data.panel("Masking preview", "data-picture");
    const state = { level: 0.5, first: 0, seed: 0 };
    const slider = el("input", { type: "range", id: "data-level", min: 0, max: 1, step: 0.01, value: state.level, "aria-label": "Noise level" });
    const figure = el("output", { class: "num", text: "50 %" });
    const button = (label, icon, act) => el("button", { class: "btn small", type: "button", "aria-label": label, title: label, onclick: act },
      icon ? el("span", { class: `i i-${icon}`, "aria-hidden": "true" }) : label);
    const where = el("span", { class: "small muted num" });
    const move = (by) => ((state.first = Math.max(0, state.first + by)), load());
    const controls = el("div", { class: "picture-controls" },
      el("label", { class: "ctl" }, el("span", { class: "label", text: "Noise level" }), el("span", { class: "row" }, slider, figure),
        el("span", { class: "help", text: "Each token that may be masked is masked with this probability." })),
      el("div", { class: "row" }, button("Rows before", "prev", () => move(-ROWS)), where, button("Rows after", "next", () => move(ROWS)),
        button("Draw again", "", () => ((state.seed += 1), load()))));
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
      panel.wait("drawing");
      const words = { data: about.data(), model: about.model(), objective: about.objective(), level: state.level, rows: ROWS, first: state.first, seed: state.seed };
      const found = await panel.ask("preview", words, about.alive, panel.wait);
      if (found) draw(found);
    }

    function draw(found) {
      const [low, high] = found.levels;
      panel.badge.replaceChildren(el("span", { class: "small muted", text: `${found.objective}, as ${found.kind}${found.packed ? ", packed" : ""}` }));
      where.textContent = found.places[0] || `from row ${state.first + 1}`;
      const limited = state.level < low - 0.005 || state.level > high + 0.005;
      stage.replaceChildren(
        limited ? data.note("info", `${found.objective} draws levels from ${data.percent(low)} to ${data.percent(high)} only; this is ${data.percent(found.level)}.`) : "",
        ...found.rows.map((row, n) => line(row, n, found)),
        legend(found), shares(found), attention(found.attention));
    }

    function line(row, number, found) {
      const tokens = row.texts.map((text, at) => {
        const kind = row.kinds[at], masked = row.masked[at];
        const shown = data.letters(NAMES[kind] || text);
        const newBlock = row.blocks.length && at && row.blocks[at] !== row.blocks[at - 1];
        const about = `${kind}, ${masked ? `masked, ${data.percent(row.weights[at])} of the loss` : "visible"}${row.blocks.length ? `, block ${row.blocks[at] + 1}` : ""}`;
        return [newBlock ? el("span", { class: "edge", title: `block ${row.blocks[at] + 1}` }) : "",
          el("span", { class: `k ${kind}${masked ? " masked" : ""}`, title: about, text: shown }), "\u200b"];
      });
      const told = `${row.real} tokens${row.kinds.length > row.real ? `, filled up to ${row.kinds.length}` : ""}`;
      return el("div", { class: "seen" },
        el("h3", {}, found.places[number] || `Sequence ${number + 1}`, el("span", { class: "small muted", text: ` ${told}` })),
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
        if (seen) items.push(el("li", { title: found.legend[kind] }, el("span", { class: `k ${kind}`, text: name }), ` ${kind}${masked ? ", visible" : ""} (${seen})`));
        if (masked) items.push(el("li", { title: found.legend[kind] }, el("span", { class: `k ${kind} masked`, text: name }), ` ${kind}, masked (${masked})`));
      }
      if (found.block_size) items.push(el("li", {}, el("span", { class: "edge" }), ` block of ${found.block_size}`));
      return el("ul", { class: "legend", "aria-label": "Legend" }, ...items);
    }

    function shares(found) {
      const rows = Object.entries(found.share).map(([kind, share]) => el("div", { class: "share" },
        el("span", { text: kind }), el("span", { class: "meter" }, el("span", { style: `width:${100 * share}%` })), el("b", { class: "num", text: data.percent(share) })));
      return el("div", { class: "shares" }, el("h3", { text: "Share of the loss" }),
        el("p", { class: "small muted", text: `${found.masked} of ${found.maskable} tokens count, if all are equally hard to guess.` }), ...rows);
    }

    function attention(found) {
      const cells = found.cells;
      const squares = cells.flatMap((text, y) => [...text].map((digit, x) => [x, y, Number(digit)]).filter(([, , value]) => value)
        .map(([x, y, value]) => el("rect", { x, y, width: 1, height: 1, opacity: value / 9 })));
      return el("div", { class: "attention" },
        el("svg", { viewBox: `0 0 ${cells.length} ${cells.length}`, role: "img", "aria-label": `Attention: ${found.sentence}` }, ...squares),
        el("div", {}, el("h3", { text: "Attention" }), el("p", { class: "small muted", text: found.sentence }),
          el("p", { class: "small muted", text: `A row is a token that looks, a column one that is seen, of ${found.positions}.` })));
    }
    return { root: panel.root, load };
  };
})();
