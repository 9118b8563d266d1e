/* ---- What is known --------------------------------------------------------------------------
 *   /api/events --> take() --.
 *   /api/cluster, /api/log --+--> state --> alarms.js, picture.js, plots.js, tables.js
 *   /api/history ------------'
 */

const WINDOW = 600; /* seconds that are remembered */
const GAP = 5; /* of which no row is: the lines of plots have a gap */
const BRIEF = 60; /* who was linked for less, and told no address, came and went as scripts do */
const GONE_MAX = 200;
const SETTLE = 10; /* seconds until a node that was started anew knows who is there */

const state = {
  all: null, /* the last event */
  before: null, /* the one before it */
  cluster: null,
  log: null,
  names: [], /* of the numbers in a row */
  rows: [], /* [time, number...], the oldest first */
  nodes: new Map(), /* all that were seen: id -> {id, global, addresses, since} */
  gone: new Map(), /* id -> {since, why, stopped} */
  turns: [], /* by shard: {turns, time}, when it was last seen to turn */
  settled: 0, /* when those that a node that was started anew had known should be there again */
  offsets: [], /* of the node's clock from this one, the last few, in seconds */
};

function forgetAll() {
  Object.assign(state, {all: null, before: null, cluster: null, log: null, rows: [], turns: [],
    offsets: []});
  state.nodes.clear();
  state.gone.clear();
}

/* ---- Rates ---------------------------------------------------------------------------------- */

function addRow(row) {
  const last = state.rows[state.rows.length - 1];
  if (last && row[0] - last[0] < 0.5 && row[0] >= last[0]) return; /* history had it */
  state.rows.push(row);
  while (state.rows[0][0] < row[0] - WINDOW) state.rows.shift();
}

/* What this page has seen before the node's own memory begins stays: a restart is a gap. */
function takeHistory(history) {
  const first = history.rows.length ? history.rows[0][0] : Infinity;
  state.names = history.names;
  state.rows = state.rows.filter((row) => row[0] < first - 0.5).concat(history.rows);
}

function takeRow(node) {
  addRow([node.time, ...state.names.map((name) =>
    name in node.counts ? node.counts[name] : node.handshakes_failed[name])]);
}

/* How much `name` has grown from one row to the next; null where that cannot be said. */
function growth(before, after, column) {
  const seconds = after[0] - before[0];
  const more = after[column] - before[column];
  return seconds <= 0 || seconds > GAP || more < 0 ? null : {seconds, more};
}

function columnOf(name) {
  return state.names.indexOf(name) + 1;
}

/* [time, value] a row: of a rate, or of a number as it was; value null: a gap. */
function series(name, isRate) {
  const column = columnOf(name);
  return state.rows.map((row, i) => {
    if (!isRate) {
      const late = i > 0 && row[0] - state.rows[i - 1][0] > GAP;
      return [row[0], late ? null : row[column]];
    }
    const grown = i > 0 ? growth(state.rows[i - 1], row, column) : null;
    return [row[0], grown && grown.more / grown.seconds];
  });
}

/* How much it has grown while it is remembered. */
function grown(name) {
  const column = columnOf(name);
  let sum = 0;
  for (let i = 1; column > 0 && i < state.rows.length; i++) {
    sum += Math.max(0, state.rows[i][column] - state.rows[i - 1][column]);
  }
  return sum;
}

/* A rate between the last two events, of something that both have; null: it cannot be said. */
function rateOf(now, before, name) {
  const seconds = state.before ? state.all.node.time - state.before.node.time : 0;
  if (!before || seconds <= 0 || seconds > GAP || now[name] < before[name]) return null;
  return (now[name] - before[name]) / seconds;
}

function byKey(list, key) {
  return new Map(list.map((item) => [item[key], item]));
}

/* ---- Who is there --------------------------------------------------------------------------- */

function linkTo(id) {
  return state.all.links.links.find((link) => link.node === id);
}

/* Where the database cannot be had, as without a seed, the log still says whose link is gone. */
function isDown(id) {
  const last = lastOf(id);
  return Boolean(last && !last.up);
}

/* Those that are in the network, as far as this node knows: id -> what /api/cluster says. */
function present() {
  const found = new Map();
  const self = state.all.node.node;
  for (const node of state.cluster ? state.cluster.nodes : []) {
    const link = linkTo(node.node);
    const linked = Boolean(link && link.up);
    const listed = node.addresses.length > 0 && !(state.cluster.isOld && isDown(node.node));
    if (!node.client && (node.node === self || linked || listed)) {
      found.set(node.node, {...node, linked, making: Boolean(link && !link.up)});
    }
  }
  return found;
}

function note(id, node) {
  const known = state.nodes.get(id) || {id, since: state.all.node.time, addresses: []};
  known.global = node.global;
  known.home = node.home || known.home;
  if (node.addresses.length) known.addresses = node.addresses;
  state.nodes.set(id, known);
}

/* The last that the log says of a link, and since when it had been up. */
function lastOf(id) {
  let up = null;
  let last = null;
  for (const link of state.log ? state.log.links : []) {
    if (link.node !== id) continue;
    if (link.up) up = link.time;
    last = {...link, lasted: link.up || up === null ? Infinity : link.time - up};
  }
  return last;
}

function dismissed(id, since) {
  return sessionStorage.getItem('dismissed ' + id) === String(Math.round(since));
}

function dismiss(id) {
  const gone = state.gone.get(id);
  if (gone) sessionStorage.setItem('dismissed ' + id, String(Math.round(gone.since)));
  state.gone.delete(id);
  state.nodes.delete(id);
}

function setGone(id, last) {
  const known = state.gone.get(id);
  const told = last && !last.up;
  const since = told ? last.time : known ? known.since : state.all.node.time;
  if (dismissed(id, since)) {
    state.nodes.delete(id);
  } else if (!known && state.gone.size >= GONE_MAX) {
    state.nodes.delete(id);
  } else {
    state.gone.set(id, {since, why: told ? last.why : '', stopped: Boolean(told && last.stopped),
      told: Boolean(told)});
  }
}

/* Compare who is there with who was. */
function followNodes() {
  if (!state.cluster) return;
  const there = present();
  for (const [id, node] of there) {
    note(id, node);
    state.gone.delete(id);
  }
  for (const [id, known] of state.nodes) {
    if (there.has(id) || (state.all.node.time < state.settled && !state.gone.has(id))) continue;
    const last = lastOf(id);
    if (!known.addresses.length && state.all.node.time - known.since < BRIEF && !state.gone.has(id)) {
      state.nodes.delete(id);
    } else {
      setGone(id, last);
    }
  }
  /* Those that went before this page was opened. */
  for (const {node} of state.log ? state.log.links : []) {
    const last = state.nodes.has(node) || there.has(node) ? null : lastOf(node);
    if (last && !last.up && last.lasted >= BRIEF && !dismissed(node, last.time)) {
      state.nodes.set(node, {id: node, since: last.time, addresses: [], global: false});
      setGone(node, last);
    }
  }
}

/* ---- An event ------------------------------------------------------------------------------- */

function followShards(node) {
  state.turns = node.shards.map((shard, i) => {
    const before = state.turns[i];
    const turns = !before || shard.turns !== before.turns || shard.asleep > 0;
    return {turns: shard.turns, time: turns ? node.time : before.time};
  });
}

function take(event) {
  if (state.all && state.all.node.node !== event.node.node) forgetAll();
  const anew = state.all && event.node.up_seconds < state.all.node.up_seconds;
  if (anew) Object.assign(state, {turns: [], settled: event.node.time + SETTLE});
  state.before = anew ? null : state.all;
  state.all = event;
  state.offsets = state.offsets.concat(event.node.time - Date.now() / 1000).slice(-5);
  if (state.names.length) takeRow(event.node);
  followShards(event.node);
  followNodes();
}
