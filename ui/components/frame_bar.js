// The bar over every tab: the name, what is running now, and the switches of language and of light and dark.
(() => {
  "use strict";
  const KEY = "studio.theme";
  const OTHER = { en: { tag: "zh-CN", name: "中文" }, "zh-CN": { tag: "en", name: "English" } }; // in its own words
  const BUSY = new Set(["starting", "running", "stopping"]);
  const asked = new URLSearchParams(location.search).get("__theme");

  function setTheme(name) {
    if (document.body) document.body.classList.toggle("dark", name === "dark");
  }
  const saved = () => {
    try {
      return asked ? null : localStorage.getItem(KEY);
    } catch {
      return null; // a browser that keeps nothing
    }
  };
  const applySaved = () => saved() && setTheme(saved());
  applySaved();

  window.studio.components.frame_bar = (element) => {
    const { el, subscribe, call, open, say, language, choose } = window.studio;
    applySaved();
    const bar = element.querySelector(".frame-bar") || element;
    const running = el("button", { class: "badge", type: "button", onclick: () => open("jobs") });
    const devices = el("span", { class: "small muted frame-devices" });
    const icon = el("span", { class: "i i-moon", "aria-hidden": "true" });
    const other = OTHER[language] || OTHER.en;
    const tongue = el("button", { class: "btn ghost", type: "button", id: "language-switch", lang: other.tag, text: other.name,
      onclick: () => choose(other.tag) });
    const theme = el("button", { class: "btn ghost sq", type: "button", id: "theme-switch", onclick: switchTheme }, icon);
    const skip = el("a", { class: "skip", href: "#tabs", text: say("Skip to the content"), onclick: toContent });
    bar.replaceChildren(
      skip,
      el("div", { class: "brand", text: "dLLM Studio" }),
      el("div", { class: "side" },
        el("div", { class: "side", role: "status", "aria-label": say("Jobs and devices") }, running, devices), tongue, theme));
    label();

    function toContent(event) {
      event.preventDefault();
      const panel = [...document.querySelectorAll("#tabs > [role=tabpanel]")].find((one) => one.offsetParent);
      panel.tabIndex = -1;
      panel.focus();
    }

    function switchTheme() {
      const name = document.body.classList.contains("dark") ? "light" : "dark";
      setTheme(name);
      try {
        localStorage.setItem(KEY, name);
      } catch {
        // the choice lasts until the page is left
      }
      label();
    }

    function label() {
      const dark = document.body.classList.contains("dark");
      theme.title = dark ? say("Light colours") : say("Dark colours");
      theme.setAttribute("aria-label", theme.title);
    }

    window.studio.bells.start();
    const jobs = new Map();
    subscribe("jobs", (message) => {
      if (message.error) return;
      if (message.reset) jobs.clear();
      for (const job of message.jobs || []) if (!window.studio.jobs.OWN.has(job.kind)) jobs.set(job.id, job.state);
      for (const id of message.removed || []) jobs.delete(id);
      draw();
    });

    function draw() {
      const states = [...jobs.values()];
      const busy = states.filter((state) => BUSY.has(state)).length;
      const waiting = states.filter((state) => state === "queued").length;
      const parts = [busy && say("{n} running", { n: busy }), waiting && say("{n} queued", { n: waiting })];
      const text = parts.filter(Boolean).join(", ") || say("idle");
      running.className = busy ? "badge run" : "badge";
      running.replaceChildren(
        el("span", { class: `i ${busy ? "i-play" : waiting ? "i-queue" : "i-ok"}`, "aria-hidden": "true" }), text);
    }

    call("GET", "/api/devices").then(({ devices: found }) => {
      const gpus = found.filter((device) => device.kind === "cuda").length;
      const slots = found.length - gpus;
      const parts = [gpus && `${gpus} GPU`,
        slots && say("{n} CPU {n:slot|slots}", { n: slots })];
      devices.textContent = parts.filter(Boolean).join(", ");
    }).catch(() => (devices.textContent = ""));
    draw();
  };
})();
