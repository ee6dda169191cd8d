// The words that are selected in the prompt or in the text with gaps become a gap.
(() => {
  "use strict";
  const { say } = window.studio;
  const GAP = "____";

  // What the page's server calls mode and text with gaps; in Complete the prompt becomes that text.
  window.studio.maskSelection = (mode, infill) => {
    const box = document.querySelector(mode === "Infill" ? "#play-infill textarea" : "#play-prompt textarea");
    const [from, to] = box ? [box.selectionStart, box.selectionEnd] : [0, 0];
    if (from === to) {
      window.studio.toast(say("Select the words that the model should write anew, then press Mask."));
      return [mode, infill];
    }
    const [, before, after] = box.value.slice(from, to).match(/^(\s*)[^]*?(\s*)$/); // spaces around it stay
    return ["Infill", box.value.slice(0, from) + before + GAP + after + box.value.slice(to)];
  };
})();
