// Tokenizing ahead of time: a job of its own, seen from here; and on to a training.
(() => {
  "use strict";
  const { el, call, open, subscribe, toast, say } = window.studio;
  const data = window.studioData;

  data.prepare = (about, use) => {
    const words = window.studio.jobs;
    let job = null, leave = () => null, notes = [];
    const train = el("button", { class: "btn primary", type: "button", id: "data-train", text: say("Train on this"), disabled: true,
      onclick: () => open("train", { data: about.name(), decision: about.decision(), reading: about.reading() }) });
    const begin = el("button", { class: "btn", type: "button", "data-server": "", id: "data-prepare", text: say("Prepare"), disabled: true, onclick: submit });
    const state = el("div", { class: "prepared", id: "data-prepared", role: "status" });
    const root = el("section", { class: "panel go", "aria-label": say("Train") },
      el("div", { class: "row" }, train, begin),
      el("p", { class: "small muted", text: `${say("Train opens the Train tab with this data, how it is read and the decision about bad rows.")} ${
        say("Prepare tokenizes everything now, once, so that trainings start at once and hold none of it in memory.")}` }),
      state);

    function ready() {
      train.disabled = !about.name();
      begin.disabled = !about.name() || about.name().startsWith("run:") || (job && !words.ENDED.has(job.state));
    }

    async function submit() {
      begin.disabled = true;
      try {
        const spec = { kind: "prepare", data: { ...about.data(), on_bad_rows: about.decision() }, tokenizer: about.model().path };
        follow(await call("POST", "/api/jobs", { spec }));
      } catch (error) {
        toast(error.message, "bad");
        ready();
      }
    }

    function follow(submitted) {
      leave();
      [job, notes] = [submitted, []];
      leave = subscribe(`job:${job.id}`, (news) => {
        if (!about.alive() || news.gone || news.error) return leave();
        if (news.reset) notes = [];
        notes.push(...(news.notes || []));
        job = news.job || job;
        draw();
        if (words.ENDED.has(job.state)) leave();
      });
      draw();
    }

    function draw() {
      const ended = words.ENDED.has(job.state), done = job.state === "succeeded";
      const row = el("div", { class: "row" }, words.badge(job.state),
        el("button", { class: "link", type: "button", text: words.number(job), onclick: () => words.show(job.id) }),
        el("span", { class: "small muted num", text: ended ? words.duration(job) : [words.percent(job), words.left(job)].filter(Boolean).join(", ") || words.standing(job) }));
      const act = done
        ? [words.button(say("Train on it"), () => open("train", { data: `run:${job.id}`, model: job.spec.tokenizer.split("/").pop() }), { class: "small" }), words.button(say("Look at it"), () => use(`run:${job.id}`), { class: "small" })]
        : ended ? [job.resumable && words.button(say("Go on"), async () => {
          const again = await words.resume(job);
          if (again) follow(again);
        }, { class: "small" })]
          : [words.button("Stop", () => words.stop(job), { class: "small" })];
      const told = notes.filter((note) => done && note.level !== "info").map((note) => data.note("warn", note.text));
      const sums = done && notes.find((note) => /sequences with/.test(note.text));
      state.replaceChildren(row,
        words.share(job) !== null && !ended ? words.meter(job, "Preparing") : "",
        sums ? el("p", { class: "small", text: sums.text }) : "",
        ended && !done ? data.note(job.state === "stopped" ? "info" : "bad", words.why(job) || `It ${job.state}.`) : "",
        ...told, el("div", { class: "row" }, ...act.filter(Boolean)));
      ready();
    }
    return { root, ready };
  };
})();
