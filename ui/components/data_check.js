// What is wrong with a data set, what becomes of its bad rows, and what the rows are made of.
(() => {
  "use strict";
  const { el, segments, say } = window.studio;
  const data = window.studioData;
  const DECISIONS = { stop: say("The training stops at the first bad row and names it."),
    skip: say("Bad rows are left out and counted in the result."),
    quarantine: say("Bad rows are left out and written to a file of the run, each with what is wrong.") };
  const KINDS = { messages: say("conversations; what comes before the last answer is never masked"), text: say("plain text; every token may be masked") };
  const SHOWN = 6; // different problems

  data.check = (about) => {
    const panel = data.panel(say("Check"), "data-check");
    let shown = "";

    async function load() {
      if (shown !== about.name()) panel.body.replaceChildren();
      shown = about.name();
      panel.wait("reading");
      const found = await panel.ask("check", { data: about.data() }, about.alive, panel.wait);
      if (found) draw(found);
      if (found ? !found.form : panel.body.querySelector(".note.bad")) about.unread();
    }

    function draw(found) {
      const n = found.bad_rows;
      panel.badge.replaceChildren(n ? data.badge("lost", "warn", say("{n} of {all} {all:row|rows} bad", { n: n.toLocaleString("en"), all: found.read.toLocaleString("en") }))
        : data.badge("ok", "ok", say("{n} {n:row|rows}, all good", { n: found.read.toLocaleString("en") })));
      const help = el("span", { class: "help", text: DECISIONS.stop });
      const choice = segments(say("Bad rows"), Object.keys(DECISIONS), "stop", (name) => {
        about.decide(name);
        help.textContent = DECISIONS[name];
      });
      about.decide("stop");
      panel.body.replaceChildren(
        el("p", {}, say("Read as"), " ", el("b", { text: found.form || say("no known form") }), found.kind ? `: ${KINDS[found.kind] || found.kind}.` : "."),
        n ? el("ul", { class: "kinds" }, ...Object.entries(found.bad).map(([kind, count]) =>
          el("li", {}, el("b", { class: "num", text: count.toLocaleString("en") }), ` ${kind}: ${found.kinds[kind]}`))) : "",
        n ? el("div", { class: "ctl" }, el("span", { class: "label", text: say("Bad rows") }), choice, help) : "",
        ...told(found.examples),
        ...found.remarks.map((text) => data.note("info", text)));
    }

    // The same problem in several rows is told once, with their places.
    function told(examples) {
      const groups = new Map();
      for (const example of examples) {
        const text = data.unplaced(example.problem, example.place);
        groups.set(text, [...(groups.get(text) || []), example]);
      }
      return [...groups].slice(0, SHOWN).map(([text, [first, ...others]]) => el("details", {},
        el("summary", { text: `${first.place}${others.length ? say(" and {n} more", { n: others.length }) : ""}: ${text}` }),
        el("pre", { class: "code", text: data.written(first.row) })));
    }
    return { root: panel.root, load };
  };

  data.figures = (about) => {
    const panel = data.panel(say("Length of rows"), "data-figures");
    let shown = ""; // the figures of another data set would mislead

    async function load() {
      if (shown !== about.name()) panel.body.replaceChildren();
      shown = about.name();
      panel.wait("counting");
      const found = await panel.ask("statistics", { data: about.data(), model: about.model() }, about.alive, panel.wait);
      if (found) draw(found);
    }

    function draw(found) {
      const lengths = found.lengths;
      panel.badge.replaceChildren(el("span", { class: "small muted num",
        text: lengths.p50 === undefined ? say("no rows")
          : say("tokens, median {p50}, longest {longest}", { p50: lengths.p50.toLocaleString("en"), longest: lengths.longest.toLocaleString("en") }) }));
      const facts = [["rows", found.rows.toLocaleString("en")], ["tokens", found.tokens.toLocaleString("en")],
        [say("prompt"), data.percent(found.prompt_share)], [say("longer than {n}", { n: found.max_length }), data.percent(found.truncated_share)],
        [say("repeated"), found.duplicates_exact ? found.duplicates.toLocaleString("en") : say("about {n}", { n: found.duplicates.toLocaleString("en") })], [say("empty"), found.empty_answers.toLocaleString("en")],
        [say("scripts"), Object.entries(found.scripts).filter(([name]) => name !== "none").slice(0, 3).map(([name, n]) => `${name} ${data.percent(n / Math.max(1, found.rows))}`).join(", ")]];
      if (!found.rows) return panel.body.replaceChildren(el("p", { class: "small muted", text: say("There is no good row to count.") }));
      panel.body.replaceChildren(
        histogram(lengths.bars, found.max_length),
        el("dl", { class: "figures" }, ...facts.filter(([, text]) => text).map(([key, text]) => el("div", {}, el("dt", { text: key }), el("dd", { class: "num", text })))),
        ...found.warnings.map((text) => data.note("warn", text)), ...found.problems.map((text) => data.note("bad", text)));
    }
    return { root: panel.root, load };
  };

  const WIDTH = 420, HEIGHT = 96, FOOT = 16, ABOVE = 16;
  function histogram(bars, cut) {
    if (!bars.length) return "";
    const most = Math.max(...bars.map(([, , n]) => n)), end = bars[bars.length - 1][1] + 1;
    const x = (length) => (length / end) * WIDTH;
    const parts = bars.map(([from, to, n]) => {
      const height = n ? Math.max(1, (n / most) * HEIGHT) : 0;
      const bar = el("rect", { x: x(from) + 0.5, y: HEIGHT - height, width: Math.max(0.5, x(to + 1) - x(from) - 1), height, class: from >= cut ? "over" : "" });
      bar.append(title(say("{from} to {to} tokens: {n} {n:row|rows}", { from, to, n })));
      return bar;
    });
    parts.push(el("line", { x1: 0, x2: WIDTH, y1: HEIGHT, y2: HEIGHT, class: "axis" }));
    parts.push(el("text", { x: 0, y: HEIGHT + FOOT - 3, text: "0" }), el("text", { x: WIDTH, y: HEIGHT + FOOT - 3, "text-anchor": "end", text: end.toLocaleString("en") }));
    const left = x(cut) < WIDTH / 2; // the words have room on one side
    if (cut < end) parts.push(el("line", { x1: x(cut), x2: x(cut), y1: -ABOVE, y2: HEIGHT, class: "cut" }),
      el("text", { x: x(cut) + (left ? 4 : -4), y: -4, "text-anchor": left ? "start" : "end", text: say("cut at {n}", { n: cut }) }));
    return el("svg", { class: "lengths", viewBox: `0 ${-ABOVE} ${WIDTH} ${ABOVE + HEIGHT + FOOT}`, role: "img", "aria-label": say("Rows by length in tokens, up to {n}", { n: end }) }, ...parts);
  }
  const title = (text) => {
    const node = document.createElementNS("http://www.w3.org/2000/svg", "title");
    node.textContent = text;
    return node;
  };
})();
