// Old runs cleared away: what would go and how much that frees, what stays and why, and then the doing of it.
(() => {
  "use strict";
  const { el, call, toast, format, say } = window.studio;
  const DAY = 86400;
  const GB = 1e9;
  const LISTED = 300; // lines of a list
  const PARTS = 10; // calls in which everything goes, so that progress is seen
  const WHATS = { run: say("run"), checkpoints: say("checkpoints"), "left over": say("left over"), "prepared data": say("prepared data") };
  const AGES = [["", say("of any age: only by size")], ["0", say("that have ended, whenever")], ["1", say("older than a day")], ["7", say("older than 7 days")], ["30", say("older than 30 days")], ["90", say("older than 90 days")]];
  const note = (kind, icon, text) => el("div", { class: `note ${kind}`, role: kind === "bad" ? "alert" : "status" }, el("span", { class: `i i-${icon}`, "aria-hidden": "true" }), el("span", { text }));
  const total = (items) => items.reduce((sum, item) => sum + item.size_bytes, 0);

  // `changed()`: something went.
  function open(changed = () => null) {
    const dialog = window.studio.dialog.open(say("Clean up"));
    dialog.root.classList.add("wide");
    const age = el("select", { class: "in" }, ...AGES.map(([value, text]) => el("option", { value, text, selected: value === "30" })));
    const size = (label) => el("input", { class: "in", type: "number", min: 0, step: "any", placeholder: say("no limit"), "aria-label": label });
    const [keep, prepared] = [size(say("Keep at most, GB")), size(say("Keep of prepared data at most, GB"))];
    const box = () => el("input", { type: "checkbox" });
    const [only, sources] = [box(), box()];
    const field = (label, control, help) => el("label", { class: "fieldset" }, el("b", { text: label }), control, el("span", { class: "small muted", text: help }));
    const flag = (label, control, help) => el("label", { class: "fieldset flag" }, el("span", { class: "row" }, control, el("b", { text: label })), el("span", { class: "small muted", text: help }));
    const found = el("div", { class: "found" });
    const look = el("button", { class: "btn", type: "button", "data-server": "", text: say("Show what would go"), onclick: () => plan() });
    const form = el("div", { class: "wish" },
      field(say("Runs"), age, say("Only what has ended goes, and never what another job still needs.")),
      field(say("Keep at most, GB"), keep, say("The oldest runs go until the others are no more than this.")),
      field(say("Keep of prepared data at most, GB"), prepared, say("What was not used for longest goes; it is made again where it is wanted.")),
      flag(say("Checkpoints only"), only, say("Models, curves and logs stay.")),
      flag(say("Also what others were made from"), sources, say("Runs whose model or data another run began with.")));
    form.addEventListener("input", () => {
      asked = null; // an answer that is on its way is to another wish
      offer([]);
    });
    dialog.body.append(form, found);
    offer([]);
    let goes = []; // what was shown last
    let asked = null; // by which wish

    function wish() {
      const bytes = (input) => (input.value === "" ? null : Math.round(Number(input.value) * GB));
      return { older_than: age.value === "" ? null : Number(age.value) * DAY, keep_bytes: bytes(keep), prepared_bytes: bytes(prepared), checkpoints_only: only.checked, sources: sources.checked };
    }

    // The buttons: look, and after that delete what was shown.
    function offer(items) {
      const close = el("button", { class: "btn ghost", type: "button", text: say("Close"), onclick: dialog.close });
      const go = items.length ? [el("button", { class: "btn danger", type: "button", "data-server": "", text: say("Delete all {n}, {size}", { n: items.length.toLocaleString("en"), size: format.bytes(total(items)) }), onclick: confirm })] : [];
      dialog.row.replaceChildren(close, look, ...go);
      if (!items.length) found.replaceChildren();
    }

    async function plan() {
      look.disabled = true;
      found.replaceChildren(el("p", { class: "muted", role: "status", text: say("Looking through all runs") }));
      const mine = (asked = wish());
      try {
        const reply = await call("POST", "/api/cleanup/plan", mine);
        if (asked === mine) tell(reply);
      } catch (error) {
        if (asked === mine) found.replaceChildren(note("bad", "warn", error.message));
      }
      look.disabled = false;
    }

    function tell({ items, kept }) {
      goes = items;
      offer(goes);
      found.replaceChildren(...account(goes, kept));
    }

    function confirm() {
      const question = say("Delete all {n} for good? This frees {size}.", { n: goes.length.toLocaleString("en"), size: format.bytes(total(goes)) });
      const keepThem = el("button", { class: "btn", type: "button", text: say("Keep"), onclick: () => offer(goes) });
      dialog.row.replaceChildren(el("b", { role: "alert", text: question }), el("button", { class: "btn danger", type: "button", text: say("Delete"), onclick: carryOut }), keepThem);
      keepThem.focus();
    }

    async function carryOut() {
      const [gone, kept] = [[], []];
      const names = goes.map((item) => item.name);
      const step = Math.max(1, Math.ceil(names.length / PARTS));
      const bar = el("div");
      let halted = false;
      let trouble = "";
      form.hidden = true;
      dialog.busy(true);
      dialog.row.replaceChildren(el("button", { class: "btn", type: "button", text: say("Not the rest"), onclick: () => (halted = true) }));
      // The oldest first, as the plan has them: what is left of it stays the same plan.
      for (let at = 0; at < names.length && !halted && !trouble; at += step) {
        bar.replaceChildren(window.studio.jobs.meter({ step: at, total: names.length }, say("Progress")));
        found.replaceChildren(bar, el("p", { class: "num", role: "status", text: say("{n} of {total}", { n: at.toLocaleString("en"), total: names.length.toLocaleString("en") }) }));
        try {
          const part = names.slice(at, at + step);
          const reply = await call("POST", "/api/cleanup", { ...asked, names: part });
          gone.push(...reply.items);
          kept.push(...reply.kept.filter(({ name }) => part.includes(name)));
        } catch (error) {
          trouble = error.message;
        }
      }
      dialog.busy(false);
      form.hidden = false;
      changed();
      offer([]);
      const said = say("Deleted: {n}. {size} are free again.", { n: gone.length.toLocaleString("en"), size: format.bytes(total(gone)) });
      found.replaceChildren(note("info", "info", said), ...(trouble ? [note("bad", "warn", trouble)] : []), ...stays(kept));
      if (!trouble && !kept.length && gone.length === names.length) {
        dialog.close();
        toast(said);
      }
    }
    look.focus();
    return dialog.closed;
  }

  function account(items, kept) {
    if (!items.length) return [note("info", "info", say("Nothing would go.")), ...stays(kept)];
    const { clock } = window.studio.jobs;
    const rows = items.slice(0, LISTED).map((item) => el("tr", {}, el("td", {}, el("b", { text: item.name }), el("span", { class: "small muted", text: ` ${WHATS[item.what] || item.what}` }), item.note ? el("div", { class: "small", text: item.note }) : null),
      el("td", { class: "num", text: clock(item.ended_at) }), el("td", { class: "num r", text: format.bytes(item.size_bytes) })));
    const heads = [[say("what"), ""], [say("ended"), ""], [say("size"), "r"]].map(([text, look]) => el("th", { scope: "col", class: look, text }));
    return [
      el("p", {}, el("b", { text: say("What would go: {n}. It would free {size}.", { n: items.length.toLocaleString("en"), size: format.bytes(total(items)) }) })),
      el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": say("What would go") }, el("table", { class: "plain" }, el("thead", {}, el("tr", {}, ...heads)), el("tbody", {}, ...rows))),
      ...(items.length > LISTED ? [el("p", { class: "muted", text: say("and {n} more", { n: items.length - LISTED }) })] : []),
      ...stays(kept)];
  }

  function stays(kept) {
    if (!kept.length) return [];
    return [el("details", {}, el("summary", { text: say("What stays for a reason: {n}", { n: kept.length.toLocaleString("en") }) }),
      el("ul", {}, ...kept.slice(0, LISTED).map(({ name, why }) => el("li", {}, el("b", { text: `${name}: ` }), el("span", { text: why })))))];
  }

  window.studio.cleanup = { open };
})();
