// window.studio: what every component of the page shares. The server's events, calls to its API, small DOM makers.
// Text from models and files enters the page only through textContent.
(() => {
  "use strict";
  if (window.studio.subscribe) return;
  const { say } = window.studio;
  const VERSION = document.currentScript ? new URL(document.currentScript.src || location.href).search : "";

  // --- events of the server --------------------------------------------------------------------------------
  // All tabs of a browser share one stream (stream_hub.js). A browser without shared workers opens one for each tab,
  // and more than about five tabs make one another wait.
  const handlers = new Map(); // topic -> Set of functions
  let line = null; // to the stream: want(topics, fresh)

  function subscribe(topic, handler) {
    if (!handlers.has(topic)) handlers.set(topic, new Set());
    handlers.get(topic).add(handler);
    want([topic]); // a second listener needs the beginning too
    return () => {
      const group = handlers.get(topic);
      if (!group || !group.delete(handler)) return;
      if (!group.size) handlers.delete(topic);
      want([]);
    };
  }

  function want(fresh) {
    line ||= shared() || alone();
    line.want([...handlers.keys()], fresh);
  }

  const alone = () => new window.StudioHub().join(hear);

  function shared() {
    if (!window.SharedWorker) return null;
    let worker;
    try {
      worker = new SharedWorker(`/static/stream_hub.js${VERSION}`, "studio");
    } catch {
      return null; // a browser that keeps nothing for this site allows none
    }
    worker.onerror = () => { // it could not be loaded
      line = alone();
      want([...handlers.keys()]);
    };
    worker.port.onmessage = ({ data }) => hear(data);
    window.addEventListener("pagehide", () => worker.port.postMessage({ leave: true }));
    window.addEventListener("pageshow", (event) => event.persisted && want([...handlers.keys()])); // Back, out of the browser's memory
    return { want: (topics, fresh) => worker.port.postMessage({ topics, fresh }) };
  }

  function hear({ data, reached, refused, crowded }) {
    if (crowded !== undefined) tellCrowded(crowded);
    if (refused) call("GET", "/api/devices").catch(() => null); // a stream does not say why: this does, with 401
    if (reached === true) online();
    if (reached === false) offline();
    if (!data) return;
    calm(() => tell(data));
  }

  function tell(data) {
    const message = JSON.parse(data);
    for (const handler of [...(handlers.get(message.topic) || [])]) handler(message);
  }

  // What is drawn anew between press and release gets no click: what would draw meanwhile waits.
  const LONGEST = 3000; // milliseconds; a press that lasts longer is no click
  const held = [];
  let pressed = 0; // a timer
  function release() {
    clearTimeout(pressed);
    pressed = 0;
    held.splice(0).forEach((act) => act());
  }
  const calm = (act) => (pressed ? held.push(act) : act());
  window.addEventListener("pointerdown", () => {
    clearTimeout(pressed);
    pressed = setTimeout(release, LONGEST);
  }, true);
  for (const end of ["pointerup", "pointercancel"]) window.addEventListener(end, () => pressed && setTimeout(release), true); // after the click

  function online() {
    if (!document.documentElement.classList.contains("studio-offline")) return;
    document.documentElement.classList.remove("studio-offline");
    clearInterval(stopping);
    document.querySelectorAll(".studio-offline-note").forEach((note) => note.remove());
    for (const control of document.querySelectorAll("[data-offline]")) {
      control.disabled = false;
      control.title = control.dataset.offline;
      delete control.dataset.offline;
    }
  }

  // What asks the server waits until it is back, and says why; reading, scrubbing and copying go on.
  const ASKING = ":is(#tabs button.lg, #tabs button.sm, [data-server]):not([disabled], [role=tab])";
  let stopping = 0; // a timer: some are drawn only now, as of a tab that is opened
  function stopControls() {
    for (const control of document.querySelectorAll(ASKING)) {
      control.dataset.offline = control.title;
      control.disabled = true;
      control.title = say("Waits for the server");
    }
  }

  function offline() {
    if (document.documentElement.classList.contains("studio-offline")) return;
    document.documentElement.classList.add("studio-offline");
    const since = new Date().toLocaleTimeString();
    const note = el("div", { class: "note studio-offline-note", role: "status" },
      el("span", { class: "i i-warn", "aria-hidden": "true" }),
      el("span", { text: say("Server not reachable since {time}. Jobs go on without it. Trying again; the figures are from then.", { time: since }) }));
    document.body.append(note);
    stopControls();
    stopping = setInterval(stopControls, 500);
  }

  // So many tabs are open that this one, which is among the oldest, hears nothing.
  function tellCrowded(crowded) {
    document.querySelectorAll(".studio-crowded-note").forEach((note) => note.remove());
    if (!crowded) return;
    document.body.append(el("div", { class: "note studio-crowded-note", role: "status" },
      el("span", { class: "i i-warn", "aria-hidden": "true" }),
      el("span", { text: say("Too many tabs of the studio are open for this one to be kept up to date. Close some of them, or reload this one.") })));
  }

  // The server answers, but not to this browser: its cookie has gone, or another token was set.
  function signedOut() {
    if (document.querySelector(".studio-token-note")) return;
    document.querySelectorAll(".studio-offline-note").forEach((note) => note.remove());
    const again = el("a", { href: location.href, text: say("Enter the token"), onclick: (event) => (event.preventDefault(), location.reload()) });
    document.body.append(el("div", { class: "note studio-offline-note studio-token-note", role: "alert" },
      el("span", { class: "i i-warn", "aria-hidden": "true" }),
      el("span", {}, say("The server asks for its token: this browser's was forgotten, or the server has another one now."), " ", again)));
  }

  // --- calls -------------------------------------------------------------------------------------------------
  // `keepalive`: the request outlives the page.
  async function call(method, path, body, keepalive = false) {
    let reply;
    try {
      reply = await fetch(path, {
        keepalive,
        method,
        credentials: "same-origin",
        headers: body === undefined ? {} : { "content-type": "application/json" },
        body: body === undefined ? undefined : JSON.stringify(body),
      });
    } catch {
      throw new Error(say("The server cannot be reached. Jobs go on without it."));
    }
    const data = await reply.json().catch(() => ({}));
    const { status } = reply; // an error without one: there was no answer
    if (status === 401) signedOut();
    if (!reply.ok) throw Object.assign(new Error(data.error || say("The server answered {status}.", { status })), { status });
    return data;
  }

  // --- components ----------------------------------------------------------------------------------------------
  const components = {};

  function mount(name, element, props, watch) {
    if (components[name]) return components[name](element, props, watch);
    const wait = setInterval(() => {
      if (!components[name]) return;
      clearInterval(wait);
      if (element.isConnected) components[name](element, props, watch);
    }, 30);
  }

  // Runs `leave` once when the element has left the page: inactive Gradio tabs are taken out of it.
  function whenGone(element, leave) {
    const watcher = setInterval(() => {
      if (element.isConnected) return;
      clearInterval(watcher);
      leave();
    }, 1000);
  }

  // --- where we are --------------------------------------------------------------------------------------------
  const params = Object.fromEntries(new URLSearchParams(location.search));

  // `step`: a new entry in the browser's history, so that Back comes here again.
  function remember(changes, step = false) {
    const url = new URL(location.href);
    for (const [key, value] of Object.entries(changes)) {
      if (value === null || value === undefined || value === "") url.searchParams.delete(key);
      else url.searchParams.set(key, value);
    }
    Object.assign(params, changes);
    if (step) history.pushState(history.state, "", url);
    else history.replaceState(history.state, "", url);
  }

  // Back and forward between screens that were reached with `step`.
  window.addEventListener("popstate", () => {
    for (const key of Object.keys(params)) delete params[key];
    Object.assign(params, Object.fromEntries(new URLSearchParams(location.search)));
    selectTab(params.tab || "home"); // the bare address
    window.dispatchEvent(new CustomEvent("studio:open", { detail: { ...params } }));
  });

  // The address names the tab that was clicked: a reload comes back to it. Before the tab is drawn, which asks.
  document.addEventListener("click", (event) => {
    const button = event.target.closest && event.target.closest('#tabs button[role="tab"]');
    const tab = button && button.id.replace(/-page-button$/, "");
    if (tab && tab !== params.tab) remember({ tab });
  }, true);

  function selectTab(tab) {
    const button = document.getElementById(`${tab}-page-button`);
    if (button && button.getAttribute("aria-selected") !== "true") button.click();
  }

  function openTab(tab, detail = {}) {
    remember({ tab, ...detail }); // first: a tab that opens looks for what is wanted of it
    selectTab(tab);
    window.dispatchEvent(new CustomEvent("studio:open", { detail: { tab, ...detail } }));
  }

  // --- DOM -------------------------------------------------------------------------------------------------------
  const SVG = new Set(["svg", "path", "line", "rect", "circle", "g", "text", "polyline"]);

  // el("div", {class: "row", text: "hi", onclick: f, "aria-label": "..."}, child, ...)
  function el(tag, attributes = {}, ...children) {
    const node = SVG.has(tag) ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
    for (const [key, value] of Object.entries(attributes)) {
      if (value === null || value === undefined || value === false) continue;
      if (key === "text") node.textContent = value;
      else if (key.startsWith("on") && typeof value === "function") node.addEventListener(key.slice(2), value);
      else node.setAttribute(key, value === true ? "" : value);
    }
    node.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
    return node;
  }

  // A row of choices that acts as radio buttons: one tab stop, arrows change. `choices`: {name: what is shown},
  // or names that are shown as they are.
  function segments(label, choices, chosen, act) {
    const names = Array.isArray(choices) ? choices : Object.keys(choices);
    const title = (name) => (Array.isArray(choices) ? name.charAt(0).toUpperCase() + name.slice(1) : choices[name]);
    const group = el("div", { class: "seg sm", role: "radiogroup", "aria-label": label });
    const pick = (name, focus) => {
      for (const item of group.children) {
        const on = item.dataset.name === name;
        item.setAttribute("aria-checked", on);
        item.tabIndex = on ? 0 : -1;
        if (on && focus) item.focus();
      }
    };
    for (const name of names) {
      group.append(el("span", { role: "radio", "data-name": name, text: title(name),
        onclick: () => (pick(name, true), act(name)) }));
    }
    group.addEventListener("keydown", (event) => {
      const move = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (!move) return;
      event.preventDefault();
      const at = names.findIndex((name) => group.querySelector(`[data-name="${name}"]`).getAttribute("aria-checked") === "true");
      const name = names[(at + move + names.length) % names.length];
      pick(name, true);
      act(name);
    });
    pick(chosen, false);
    return group;
  }

  function toast(text, kind = "info") {
    let box = document.querySelector(".studio-toasts");
    if (!box) document.body.append((box = el("div", { class: "studio-toasts" })));
    const note = el("div", { class: `note ${kind}`, role: kind === "bad" ? "alert" : "status" },
      el("span", { class: `i i-${kind === "bad" ? "warn" : "info"}`, "aria-hidden": "true" }), el("span", { text }));
    box.append(note);
    setTimeout(() => note.remove(), kind === "bad" ? 9000 : 5000);
  }

  // --- figures as people read them -----------------------------------------------------------------------------
  const format = {
    seconds(s) {
      if (s === null || s === undefined || !Number.isFinite(s)) return "";
      if (s < 10) return `${s.toFixed(1)} s`;
      if (s < 90) return `${Math.round(s)} s`;
      if (s < 5400) return say("{n} min", { n: Math.round(s / 60) });
      const hours = Math.floor(s / 3600);
      return hours < 48 ? say("{h} h {n} min", { h: hours, n: Math.round((s % 3600) / 60) }) : say("{n} {n:day|days}", { n: Math.round(s / 86400) });
    },
    number(x) {
      if (x === null || x === undefined || !Number.isFinite(x)) return "";
      const size = Math.abs(x);
      if (size !== 0 && (size < 1e-3 || size >= 1e7)) return x.toExponential(2);
      if (Number.isInteger(x) || size >= 1000) return Math.round(x).toLocaleString("en");
      return x.toPrecision(size >= 100 ? 4 : 3);
    },
    bytes(n) {
      if (!Number.isFinite(n)) return "";
      const units = ["B", "kB", "MB", "GB", "TB"];
      let i = 0;
      for (; n >= 1000 && i < units.length - 1; i++) n /= 1000;
      return `${n < 10 && i ? n.toFixed(1) : Math.round(n)} ${units[i]}`;
    },
    ago(time) {
      const s = Date.now() / 1000 - time;
      return s < 5 ? say("just now") : say("{time} ago", { time: format.seconds(s) });
    },
  };

  Object.assign(window.studio, { subscribe, call, calm, components, mount, whenGone, params, remember, open: openTab, el, segments, toast, format });

  // A deep link opens its tab as soon as Gradio has drawn the tab bar.
  if (params.tab) {
    const wait = setInterval(() => {
      if (!document.querySelector('button[role="tab"]')) return;
      clearInterval(wait);
      const { tab, ...detail } = params;
      delete detail.__theme;
      openTab(tab, detail);
    }, 60);
  }
})();
