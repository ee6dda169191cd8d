// What differs from where the form started: a list with the way back, and a Reset beside each changed control.
window.studio.components.changed_settings = (element, props, watch) => {
  "use strict";
  const { el, say, whenGone } = window.studio;
  const place = element.querySelector(".changed-settings") || element;
  const walk = element.closest(".walk");
  const EMPTY = "\u2205";

  const reset = (change, name) => el("button", { type: "button", class: name, text: say("Reset"), title: say("Back to {value}", { value: change.before || EMPTY }),
    "aria-label": say("Reset {name}", { name: change.key }), onclick: () => element.reset({ key: change.key }) });

  function draw() {
    const changes = props.value || [];
    place.replaceChildren(el("section", { class: "panel", "aria-label": say("Changes") },
      el("div", { class: "head" }, el("h2", { text: say("Changes") }),
        changes.length ? el("button", { type: "button", class: "btn small", text: say("Reset all"), onclick: () => element.reset({}) }) : null),
      changes.length ? el("ul", {}, ...changes.map(line)) : el("p", { class: "small muted", text: say("Nothing differs from where you started.") })));
    mark();
  }

  function line(change) {
    return el("li", {}, el("b", { class: "mono", text: change.key }),
      el("span", { class: "values mono" }, el("s", { text: change.before || EMPTY }), " \u2192 ", el("span", { text: change.now || EMPTY })),
      reset(change, "btn small"));
  }

  // Controls come and go with Gradio's folds, so the marks follow whatever is drawn.
  function mark() {
    const changed = new Map((props.value || []).map((change) => [change.id, change]));
    walk.querySelectorAll(".setting-reset").forEach((button) => {
      const change = changed.get(button.parentElement.id);
      if (!change || button.title !== say("Back to {value}", { value: change.before || EMPTY })) button.remove();
    });
    for (const [id, change] of changed) {
      const control = document.getElementById(id);
      if (control && !control.querySelector(":scope > .setting-reset")) control.append(reset(change, "setting-reset"));
    }
  }

  let waits = 0;
  const watcher = new MutationObserver(() => {
    cancelAnimationFrame(waits);
    waits = requestAnimationFrame(mark);
  });
  watcher.observe(walk, { childList: true, subtree: true });
  whenGone(element, () => watcher.disconnect());
  draw();
  watch("value", draw);
};
