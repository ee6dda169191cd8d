// The turns of a conversation, as plain text.
(() => {
  "use strict";
  const { el, say } = window.studio;

  window.studio.components.chat_log = (element, props, watch) => {
    const root = element.querySelector(".chat-log");
    root.setAttribute("aria-label", say("Conversation"));
    const draw = () => {
      const turns = (props.value || {}).turns || [];
      root.hidden = !turns.length;
      root.replaceChildren(...turns.map(({ role, content, picture }) =>
        el("p", { class: `turn ${role === "user" ? "user" : "model"}` },
          el("b", { text: role === "user" ? say("You") : say("Model") }), el("span", { text: picture ? `${say("(with a picture)")} ${content}` : content }))));
    };
    watch("value", draw);
    draw();
  };
})();
