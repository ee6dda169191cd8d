// Finds settings by name and help: only these stay on the screen, and the sections that hold them open.
// What is shown is a rule of a style sheet: Gradio draws its controls anew whenever it likes.
window.studio.components.setting_search = (element, props, watch) => {
  "use strict";
  const { el, say } = window.studio;
  const FOLDS = ".walk .step .folded > button.label-wrap";
  const place = element.querySelector(".setting-search") || element;
  const screen = element.closest(".screen");
  const sheet = new CSSStyleSheet();
  const opened = new Set(); // folds that the search opened, to be closed after it
  const left = new Set(); // folds that somebody closed meanwhile
  let rules = "";
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];

  const box = el("input", { class: "in", type: "search", id: "train-search-box", autocomplete: "off", spellcheck: "false",
    placeholder: say("Find a setting"), "aria-label": say("Find a setting by its name or help"), oninput: () => find(box.value) });
  const told = el("span", { class: "small muted", role: "status" });
  box.addEventListener("keydown", (event) => event.key === "Escape" && find((box.value = "")));
  place.replaceChildren(el("span", { class: "row" }, box, told));

  // While the search is on, the form may draw and fold itself anew: a fold fills when it can, a recipe arrives.
  const drawing = new MutationObserver(() => show());
  const wordsOf = (text) => text.toLowerCase().split(/\s+/).filter(Boolean);
  let telling = 0; // a timer

  function find(text) {
    const searching = wordsOf(text).length > 0;
    screen.toggleAttribute("data-searching", searching);
    if (!searching) return leave();
    drawing.observe(screen, { childList: true, subtree: true, attributes: true, attributeFilter: ["class"] });
    show();
  }

  function show() {
    const words = wordsOf(box.value);
    const hits = (props.value || []).filter((setting) => {
      const all = `${setting.name} ${setting.name.replace(/_/g, " ")} ${say(setting.label)} ${setting.help} ${say(setting.help)}`.toLowerCase();
      return words.every((word) => all.includes(word));
    });
    const found = hits.map(({ id }) => `#${id}`).join(", ") || "#none";
    style(`.walk .step .field:not(${found}), .walk :is(.section, .step):not(:has(${found})) { display: none !important; }`);
    for (const fold of document.querySelectorAll(`${FOLDS}:not(.open)`)) {
      if (left.has(fold)) continue;
      opened.add(fold);
      fold.click();
    }
    clearTimeout(telling);
    telling = setTimeout(() => tell(hits), 60); // when the folds have drawn what they hold
  }

  function style(text) {
    if (text !== rules) sheet.replaceSync((rules = text));
  }

  // How many there are, and those that the present choices of the form leave out.
  function tell(hits) {
    if (!screen.hasAttribute("data-searching")) return;
    const absent = hits.filter(({ id }) => !document.getElementById(id)).map(({ name }) => name);
    const shown = hits.length - absent.length;
    const count = say("{n} {n:setting|settings}", { n: shown });
    const text = absent.length ? say("{count}; not with the present choices: {names}", { count, names: absent.slice(0, 6).join(", ") }) : count;
    if (told.textContent !== text) told.textContent = text; // it stands on the screen that is watched
  }

  function leave() {
    drawing.disconnect();
    style("");
    told.textContent = "";
    for (const fold of opened) if (fold.isConnected && fold.classList.contains("open")) fold.click();
    opened.clear();
    left.clear();
  }

  function closeByHand(event) {
    const fold = event.isTrusted && event.target.closest(FOLDS);
    if (fold && fold.classList.contains("open")) left.add(fold);
    else if (fold) left.delete(fold);
  }
  screen.addEventListener("click", closeByHand, true);
  watch("value", () => box.value && show());

  window.studio.whenGone(element, () => {
    drawing.disconnect();
    screen.removeEventListener("click", closeByHand, true);
    document.adoptedStyleSheets = document.adoptedStyleSheets.filter((other) => other !== sheet);
  });
};
