// The rows of the Jobs screen: which jobs and in which order is asked of the server, page by page; what becomes of
// them comes with the event stream.
(() => {
  "use strict";
  const { call, subscribe } = window.studio;
  const PAGE = 100;
  const AT_ONCE = 1000; // as many as the route gives in one answer
  const AGAIN = 3000; // milliseconds after a question that was not answered
  const PAUSE = 300; // milliseconds in which several changes become one question
  const DOUBT = 1000; // milliseconds until what the route and the stream tell differently is asked again

  // What may put a job elsewhere in the list, or change its group: then the server is asked again.
  const place = (job) => [job.state, job.queue_position, job.held, job.priority, job.attempt, job.name, (job.tags || []).join()].join("\n");

  // `query()`: URLSearchParams of the filters. `changed()`: something is to be drawn.
  window.StudioJobSource = class {
    constructor(query, changed) {
      Object.assign(this, { query, changed });
      this.live = new Map(); // id -> job, of those that the stream tells of: always the newest that is known
      this.asked = new Map(); // id -> job, as the route said
      this.heads = []; // ids in their order; of a folded group the first
      this.groups = new Map(); // id -> group
      this.members = new Map(); // id of an unfolded group -> ids
      this.states = {}; // state -> how many match everything else
      this.total = 0;
      this.loaded = false;
      this.trouble = "";
      this.stored = null; // how many jobs the studio has
      this.turn = this.answered = 0; // of the newest question: answers to older ones are dropped
      this.leave = subscribe("jobs", (news) => this.hear(news));
      this.ask();
    }

    job(id) {
      return this.live.get(id) || this.asked.get(id);
    }

    get more() {
      return this.heads.length < this.total;
    }

    // --- the route -------------------------------------------------------------------------------------------------
    // All that is shown, anew.
    async ask(length = Math.max(PAGE, this.heads.length)) {
      clearTimeout(this.timer);
      this.timer = 0;
      const turn = (this.turn += 1);
      try {
        const pages = [];
        for (let offset = 0; offset < length; offset += AT_ONCE) {
          pages.push(await this.page(offset, Math.min(AT_ONCE, length - offset)));
          if (turn !== this.turn) return;
          if (pages[pages.length - 1].jobs.length < AT_ONCE) break;
        }
        const members = await Promise.all([...this.members.keys()].map((group) => this.within(group)));
        if (turn !== this.turn) return;
        this.heads = [];
        this.groups.clear();
        pages.forEach((page) => this.take(page));
        members.forEach(([group, jobs]) => this.members.has(group) && this.keep(group, jobs));
        this.trouble = "";
        // A change that was taken back before the stream told of it shows in this answer alone: no news will undo it.
        if (this.doubts([...pages.flatMap((page) => page.jobs), ...members.flatMap(([, jobs]) => jobs)])) this.soon(DOUBT);
      } catch (error) {
        if (turn !== this.turn) return;
        this.trouble = error.message;
        clearTimeout(this.timer);
        this.timer = setTimeout(() => this.ask(), AGAIN); // a server that comes back need not have news
      }
      this.answered = turn;
      this.loaded = true;
      this.changed();
    }

    doubts(jobs) {
      return jobs.some((job) => this.live.has(job.id) && place(this.live.get(job.id)) !== place(job));
    }

    // Other filters: from the beginning.
    restart() {
      this.members.clear();
      return this.ask(PAGE);
    }

    async further() {
      const turn = this.turn;
      const page = await this.page(this.heads.length, PAGE);
      if (turn !== this.turn) return; // asked anew meanwhile
      this.take(page);
      this.changed();
    }

    page(offset, limit) {
      const query = this.query();
      query.set("offset", offset);
      query.set("limit", limit);
      return call("GET", `/api/jobs?${query}`);
    }

    take(page) {
      const known = new Set(this.heads); // while pages are read, jobs come in before them
      for (const job of page.jobs) {
        this.asked.set(job.id, job);
        if (!known.has(job.id)) this.heads.push(job.id);
      }
      for (const [id, group] of Object.entries(page.groups)) this.groups.set(id, group);
      this.total = page.total;
      this.states = page.states;
    }

    // --- groups ----------------------------------------------------------------------------------------------------
    async unfold(group) {
      this.members.set(group, []);
      const [, jobs] = await this.within(group);
      if (this.members.has(group)) this.keep(group, jobs);
      this.changed();
    }

    fold(group) {
      this.members.delete(group);
      this.changed();
    }

    async within(group) {
      const { jobs } = await call("GET", `/api/jobs?${new URLSearchParams({ group, order: "oldest", limit: AT_ONCE })}`);
      return [group, jobs];
    }

    keep(group, jobs) {
      for (const job of jobs) this.asked.set(job.id, job);
      this.members.set(group, jobs.map((job) => job.id));
    }

    // --- the stream ------------------------------------------------------------------------------------------------
    hear(news) {
      if (news.error) {
        this.trouble = news.error;
        return this.changed();
      }
      const again = news.reset && this.live.size > 0;
      let moved = again || (news.removed || []).length > 0;
      moved ||= this.stored !== null && news.total !== undefined && news.total !== this.stored; // older ones come and go too
      this.stored = news.total ?? this.stored;
      if (news.reset) this.live.clear();
      for (const job of news.jobs || []) {
        const before = this.job(job.id);
        if (this.loaded && (!before || place(before) !== place(job))) moved = true;
        this.live.set(job.id, job);
      }
      for (const id of news.removed || []) this.live.delete(id); // what else is known of it comes by asking
      if (moved) this.soon();
      this.changed();
    }

    // A question that is under way is waited for: where much happens, none would ever be answered else.
    soon(pause = PAUSE) {
      if (this.timer) return;
      this.timer = setTimeout(() => {
        this.timer = 0;
        if (this.answered === this.turn) this.ask();
        else this.soon();
      }, pause);
    }

    close() {
      clearTimeout(this.timer);
      this.answered = this.turn += 1; // nothing is waited for any more
      this.leave();
    }
  };
})();
