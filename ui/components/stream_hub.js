// One stream of the server's events for all tabs of a browser. A browser allows six connections to a server: with a
// stream for each tab the seventh tab would wait for ever. This runs as a shared worker, in which the tabs meet; where
// a browser has none, in each page for itself.
(() => {
  "use strict";
  const SETTLE = 50; // milliseconds in which several wishes become one stream
  const AGAIN = 3000;
  const MOST_TOPICS = 256; // that the server says in one stream: some eighty tabs

  // Each reader's topics carry its mark (jobs@2), and the server says them under that name. When topics change, the
  // stream is opened anew behind the last cursor: nothing is lost and nothing comes twice.
  class Hub {
    constructor() {
      Object.assign(this, { readers: new Map(), count: 0, source: null, opened: "", cursor: "", fresh: new Set(), timer: 0, reached: true });
    }

    // `hear(news)`: {data}, a message as the server said it; {reached}, whether the server answers; {crowded}, whether
    // there are so many newer readers that this one is told nothing.
    join(hear) {
      const mark = String((this.count += 1));
      return {
        // All topics that are wanted from now on; those in `fresh` from their beginning.
        want: (topics, fresh) => {
          if (!this.readers.has(mark)) hear({ reached: this.reached }); // a page that comes back may believe otherwise
          this.readers.set(mark, { ...this.readers.get(mark), topics, hear });
          for (const topic of fresh) this.fresh.add(`${topic}@${mark}`);
          this.schedule();
        },
        leave: () => {
          this.readers.delete(mark);
          this.schedule();
        },
      };
    }

    schedule() {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.open(), SETTLE);
    }

    // The topics that there is room for: the newest readers come first.
    seated() {
      let room = MOST_TOPICS;
      const names = [];
      for (const [mark, reader] of [...this.readers].reverse()) {
        room -= reader.topics.length;
        if (room >= 0) names.unshift(...reader.topics.map((topic) => `${topic}@${mark}`));
        if (Boolean(reader.crowded) !== room < 0) reader.hear({ crowded: (reader.crowded = room < 0) });
      }
      return names;
    }

    open() {
      const names = this.seated();
      const wanted = names.join(",");
      if (wanted === this.opened && !this.fresh.size) return;
      if (this.source) this.source.close();
      this.source = null;
      this.opened = wanted;
      const places = new URLSearchParams(this.cursor); // name=place: what left, or begins anew, goes out of it
      for (const name of [...places.keys()]) if (this.fresh.has(name) || !names.includes(name)) places.delete(name);
      this.cursor = places.toString();
      this.fresh.clear();
      if (names.length) this.listen(`/api/events?topics=${encodeURIComponent(wanted)}`);
    }

    listen(path) {
      const source = new EventSource(this.cursor ? `${path}&after=${encodeURIComponent(this.cursor)}` : path);
      for (const [mark, { hear }] of this.readers) {
        source.addEventListener(mark, (event) => {
          this.cursor = event.lastEventId || this.cursor;
          this.tell(true);
          hear({ data: event.data });
        });
      }
      source.onopen = () => this.tell(true);
      source.onerror = () => {
        this.tell(false);
        if (source.readyState !== EventSource.CLOSED) return; // the browser tries again by itself
        for (const { hear } of this.readers.values()) hear({ refused: true });
        this.opened = ""; // the server said no: ask again, slowly
        setTimeout(() => this.schedule(), AGAIN);
      };
      this.source = source;
    }

    tell(reached) {
      if (this.reached === reached) return;
      this.reached = reached;
      for (const { hear } of this.readers.values()) hear({ reached });
    }
  }

  if (self.window) window.StudioHub = Hub;
  else {
    const hub = new Hub();
    self.onconnect = ({ ports: [port] }) => {
      const { want, leave } = hub.join((news) => port.postMessage(news));
      port.onmessage = ({ data }) => (data.topics ? want(data.topics, data.fresh) : leave());
      port.addEventListener("close", leave); // a tab that crashed
    };
  }
})();
