// A queued job's turn: hold and release, to the top, one place by Alt and an arrow key, any place by dragging its row.
(() => {
  "use strict";
  const { call, toast, say } = window.studio;

  async function post(job, what, body) {
    try {
      await call("POST", `/api/jobs/${job.id}/${what}`, body);
    } catch (error) {
      toast(error.message, "bad");
    }
  }

  function buttons(job, about) {
    const { button } = window.studio.jobs;
    const top = button(say("To the top"), () => post(job, "move", { to: "top" }), { ...about(say("To the top")), title: say("Alt and an arrow key move it by one place") });
    const hold = job.held ? button(say("Release"), () => post(job, "release"), about(say("Release")))
      : button(say("Hold"), () => post(job, "hold"), about(say("Hold")));
    return job.queue_position === 1 ? [hold] : [top, hold];
  }

  // `jobs.get(id)`: a job that is listed; `drop()`: called when a drag is over. Rows of `body` that wait take Alt with
  // the arrow keys, and are dragged onto one another. Returns whether one is being dragged.
  function arrange(body, jobs, drop) {
    const of = (node) => node instanceof Element && jobs.get(node.closest("tr")?.dataset.job);
    const queued = (node) => (of(node)?.state === "queued" ? of(node) : null);
    let dragged = null; // a row
    body.addEventListener("keydown", (event) => {
      const to = event.altKey && { ArrowUp: "up", ArrowDown: "down" }[event.key];
      const job = to && queued(event.target);
      if (!job) return;
      event.preventDefault();
      post(job, "move", { to });
    });
    body.addEventListener("dragstart", (event) => (dragged = queued(event.target) && event.target.closest("tr")));
    body.addEventListener("dragover", (event) => {
      if (dragged && queued(event.target)) event.preventDefault(); // it may be dropped here
    });
    body.addEventListener("drop", (event) => {
      const other = queued(event.target);
      const job = dragged && jobs.get(dragged.dataset.job);
      if (!job || !other || other.id === job.id) return;
      event.preventDefault();
      // Of the rows as they are seen: the positions that are known may be older, or newer.
      const upwards = dragged.compareDocumentPosition(event.target) & Node.DOCUMENT_POSITION_PRECEDING;
      post(job, "move", upwards ? { before: other.id } : { after: other.id });
    });
    body.addEventListener("dragend", () => {
      dragged = null;
      drop();
    });
    return () => dragged !== null;
  }

  window.studio.queue = { buttons, arrange };
})();
