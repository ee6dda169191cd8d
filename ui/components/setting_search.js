// Finds settings by name and help: only these stay on the screen, and the sections that hold them open.
// What is shown is a rule of a style sheet: Gradio draws its controls anew whenever it likes.
window.studio.components.setting_search = (element, props) => {
  "use strict";
  const { el, say } = window.studio;
  const place = element.querySelector(".setting-search") || element;
  const screen = element.closest(".screen");
  const sheet = new CSSStyleSheet();
  const opened = new Set(); // folds that the search opened, to be closed after it
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];

  const box = el("input", { class: "in", type: "search", id: "train-search-box", autocomplete: "off", spellcheck: "false",
    placeholder: say("Find a setting"), "aria-label": say("Find a setting by its name or help"), oninput: () => find(box.value) });
  const told = el("span", { class: "small muted", role: "status" });
  box.addEventListener("keydown", (event) => event.key === "Escape" && find((box.value = "")));
  place.replaceChildren(el("span", { class: "row" }, box, told));

  function find(text) {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    screen.toggleAttribute("data-searching", words.length > 0);
    if (!words.length) return leave();
    const hits = (props.value || []).filter((setting) => {
      const all = `${setting.name} ${setting.name.replace(/_/g, " ")} ${say(setting.label)} ${setting.help} ${say(setting.help)}`.toLowerCase();
      return words.every((word) => all.includes(word));
    });
    const found = hits.map(({ id }) => `#${id}`).join(", ") || "#none";
    sheet.replaceSync(`.walk .step .field:not(${found}), .walk :is(.section, .step):not(:has(${found})) { display: none !important; }`);
    for (const fold of document.querySelectorAll(".walk .step .folded > button.label-wrap:not(.open)")) {
      opened.add(fold);
      fold.click();
    }
    setTimeout(() => tell(hits), 60); // when the folds have drawn what they hold
  }

  // How many there are, and those that the present choices of the form leave out.
  function tell(hits) {
    if (!screen.hasAttribute("data-searching")) return;
    const absent = hits.filter(({ id }) => !document.getElementById(id)).map(({ name }) => name);
    const shown = hits.length - absent.length;
    const count = say("{n} {n:setting|settings}", { n: shown });
    told.textContent = absent.length ? say("{count}; not with the present choices: {names}", { count, names: absent.slice(0, 6).join(", ") }) : count;
  }

  function leave() {
    sheet.replaceSync("");
    told.textContent = "";
    for (const fold of opened) if (fold.isConnected && fold.classList.contains("open")) fold.click();
    opened.clear();
  }

  window.studio.whenGone(element, () => {
    document.adoptedStyleSheets = document.adoptedStyleSheets.filter((other) => other !== sheet);
  });
};
