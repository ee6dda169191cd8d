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

  // `jobs`: those that are listed; a Map by id, or what has its `get` and `values`.
  function waiting(jobs) {
    return [...jobs.values()].filter((job) => job.state === "queued").sort((a, b) => a.queue_position - b.queue_position);
  }

  // Rows of `body` that wait take Alt with the arrow keys, and are dragged onto one another.
  function arrange(body, jobs) {
    const of = (node) => node instanceof Element && jobs.get(node.closest("tr")?.dataset.job);
    const queued = (node) => (of(node)?.state === "queued" ? of(node) : null);
    let dragged = null;
    body.addEventListener("keydown", (event) => {
      const move = event.altKey && { ArrowUp: -1, ArrowDown: 1 }[event.key];
      const job = move && queued(event.target);
      if (!job) return;
      event.preventDefault();
      const order = waiting(jobs);
      const other = order[order.findIndex((one) => one.id === job.id) + move];
      if (other) post(job, "move", move < 0 ? { before: other.id } : { after: other.id });
    });
    body.addEventListener("dragstart", (event) => (dragged = queued(event.target)));
    body.addEventListener("dragover", (event) => {
      if (dragged && queued(event.target)) event.preventDefault(); // it may be dropped here
    });
    body.addEventListener("drop", (event) => {
      const other = queued(event.target);
      if (!dragged || !other || other.id === dragged.id) return;
      event.preventDefault();
      post(dragged, "move", other.queue_position < dragged.queue_position ? { before: other.id } : { after: other.id });
    });
    body.addEventListener("dragend", () => (dragged = null));
  }

  window.studio.queue = { buttons, arrange };
})();
