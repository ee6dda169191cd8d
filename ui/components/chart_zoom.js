// A stretch of steps chosen in a chart: drag over it, or hold Shift with the arrow keys. Double click or Escape: all again.
(() => {
  "use strict";
  const LEAST = 6; // px; a shorter drag is a click

  // `choose` is called with [first, last] or null.
  window.StudioChartZoom = (chart, choose) => {
    const { svg } = chart;
    let [from, to, began] = [null, null, 0];
    const place = (event) => event.clientX - svg.getBoundingClientRect().left;
    const forget = () => {
      from = to = null;
      chart.stretch(null, null);
    };
    const finish = () => {
      const ends = [from, to].sort((a, b) => a - b);
      const whole = from !== null && to !== null && ends[0] < ends[1];
      forget();
      if (whole) choose(ends);
    };

    svg.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || !chart.ticks) return;
      began = place(event);
      from = chart.stepAt(began);
      svg.setPointerCapture(event.pointerId);
    });
    svg.addEventListener("pointermove", (event) => {
      if (from === null || !svg.hasPointerCapture(event.pointerId)) return;
      to = chart.stepAt(place(event));
      chart.stretch(from, to);
    });
    svg.addEventListener("pointerup", (event) => (Math.abs(place(event) - began) < LEAST ? forget() : finish()));
    svg.addEventListener("pointercancel", forget);
    svg.addEventListener("dblclick", () => choose(null));
    svg.addEventListener("blur", forget);
    svg.addEventListener("keydown", (event) => {
      if (event.key === "Escape") return forget(), choose(null);
      if (event.key === "Shift") from = chart.cursor;
      if (!event.shiftKey || !event.key.startsWith("Arrow") || chart.cursor === null) return;
      from = from ?? chart.cursor; // the chart has moved its cursor already
      to = chart.cursor;
      chart.stretch(from, to);
    });
    svg.addEventListener("keyup", (event) => event.key === "Shift" && finish());
  };
})();
