// What is seldom changed of a job in the list: its tags, and while it waits its priority.
(() => {
  "use strict";
  const { el, call, say } = window.studio;
  const field = (label, input, help) => el("label", { class: "fieldset" }, el("b", { text: label }), input, el("span", { class: "small muted", text: help }));

  function open(job) {
    const words = window.studio.jobs;
    const dialog = window.studio.dialog.open(words.name(job));
    const known = el("datalist", { id: "more-tags" });
    const tags = el("input", { class: "in", list: known.id, autocomplete: "off", value: job.tags.join(" ") });
    const priority = el("input", { class: "in", type: "number", min: -100, max: 100, step: 1, value: job.priority });
    const trouble = el("div", { class: "note bad", role: "alert", hidden: true });
    const waits = job.state === "queued";
    const form = el("form", { id: "more-form", onsubmit: async (event) => {
      event.preventDefault();
      try {
        await save(job, tags.value.split(/[\s,]+/).filter(Boolean), waits ? Number(priority.value) : job.priority);
        dialog.close();
      } catch (error) {
        trouble.textContent = error.message;
        trouble.hidden = false;
      }
    } }, field(say("Tags"), tags, say("Words with blanks between them. Clean-up leaves runs with the tag keep alone.")),
    waits ? field(say("Priority"), priority, say("From -100 to 100, usually 0. What is higher starts first.")) : null, known, trouble);
    dialog.body.append(form);
    dialog.row.append(el("button", { class: "btn primary", type: "submit", form: form.id, text: say("Save"), "data-server": "" }));
    tags.focus();
    dialog.closed.then(() => document.activeElement === document.body && document.querySelector(`[data-more="${CSS.escape(job.id)}"]`)?.focus()); // its row was drawn anew
    call("GET", "/api/tags").then(({ tags: used }) => known.append(...Object.keys(used).map((value) => el("option", { value })))).catch(() => null); // then a tag is typed whole
  }

  async function save(job, tags, priority) {
    const add = tags.filter((tag) => !job.tags.includes(tag));
    const remove = job.tags.filter((tag) => !tags.includes(tag));
    if (add.length || remove.length) await call("POST", `/api/jobs/${job.id}/tags`, { add, remove });
    if (priority !== job.priority) await call("POST", `/api/jobs/${job.id}/priority`, { priority });
  }

  window.studio.jobMore = { open };
})();
