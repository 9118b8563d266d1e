/* ---- The cluster as a picture -------------------------------------------------------------------
 *   global nodes on an inner ring, those that hang on each of them in an arc outside of it
 *
 * The same nodes are always drawn the same, by their IDs; nothing moves by itself.
 */

const NODES_MAX = 400; /* that are drawn */
const LINES_MAX = 2000;

const picture = {svg: null, lines: null, marks: null, drawn: new Map(), ways: new Map(), chosen: null,
  width: 0, order: []};

/* ---- Who is drawn --------------------------------------------------------------------------- */

/* id -> those that are linked to it, as far as somebody has said so. */
function neighbours(there) {
  const links = new Map();
  const add = (a, b) => {
    if (!links.has(a)) links.set(a, new Set());
    links.get(a).add(b);
  };
  const self = state.all.node.node;
  for (const node of state.cluster.nodes) {
    for (const other of node.node === self ? [] : node.links || []) {
      if (other === self || !there.has(other) || !there.has(node.node)) continue;
      add(node.node, other);
      add(other, node.node);
    }
  }
  for (const link of state.all.links.links) {
    if (link.up && there.has(link.node)) {
      add(self, link.node);
      add(link.node, self);
    }
  }
  return links;
}

function condition(node, self) {
  if (node.node === self) return 'self';
  if (node.making) return 'making';
  return node.linked ? 'up' : 'far';
}

function byId(a, b) {
  return a.id < b.id ? -1 : a.id > b.id ? 1 : 0;
}

/* The global node that an ordinary one hangs on; as before, as long as that is linked to it. */
function homeOf(id, links, globals) {
  const mine = links.get(id) || new Set();
  const known = state.nodes.get(id);
  const home = known && known.home && mine.has(known.home) && globals.has(known.home)
    ? known.home : [...globals].sort().find((each) => mine.has(each));
  if (known && home) known.home = home;
  return home || (known && known.home && globals.has(known.home) ? known.home : '');
}

function nodesToDraw(there, links) {
  const self = state.all.node.node;
  const nodes = [...there.values()].map((node) => ({id: node.node, global: node.global,
    condition: condition(node, self)}));
  for (const [id, gone] of state.gone) {
    const known = state.nodes.get(id);
    nodes.push({id, global: known.global, condition: gone.stopped ? 'left' : 'lost'});
  }
  if (!nodes.some((node) => node.global)) nodes.find((node) => node.id === self).global = true;
  const globals = new Set(nodes.filter((node) => node.global).map((node) => node.id));
  for (const node of nodes) node.home = node.global ? node.id : homeOf(node.id, links, globals);
  const worth = (node) => (node.condition === 'lost' ? 0 : node.condition === 'self' ? 1 : node.global ? 2 : 3);
  return nodes.sort((a, b) => worth(a) - worth(b) || byId(a, b)).slice(0, NODES_MAX).sort(byId);
}

/* ---- Where ---------------------------------------------------------------------------------- */

/* Each global node with those of its arc; first those whose home nobody knows. */
function groupsOf(nodes) {
  const groups = nodes.filter((node) => node.global).map((node) => ({hub: node, leaves: []}));
  const homes = new Map(groups.map((group) => [group.hub.id, group]));
  const lost = {hub: null, leaves: []};
  for (const node of nodes.filter((each) => !each.global)) {
    (homes.get(node.home) || lost).leaves.push(node);
  }
  return lost.leaves.length ? [...groups, lost] : groups;
}

function place(node, at, share, angle) {
  node.angle = angle;
  node.x = at.x + at.rx * share * Math.cos(angle);
  node.y = at.y + at.ry * share * Math.sin(angle);
}

/* As people call their machines: without the domain, where that leaves every name its own. */
function nameNodes(nodes) {
  const host = (id) => id.split('.')[0] || id;
  const same = new Map();
  for (const {id} of nodes) same.set(host(id), (same.get(host(id)) || 0) + 1);
  for (const node of nodes) node.name = same.get(host(node.id)) === 1 ? host(node.id) : node.id;
}

/* How many letters of a name stand along a ray, and how many pixels one has. */
function rayName(width) {
  return width < 500 ? [10, 6.2] : [15, 6.8];
}

/* Names that are level want room at the sides, those along the rays all around. */
function roomFor(width, height, radial, longest) {
  const [most, letter] = rayName(width);
  const label = radial ? Math.min(longest, most) * letter + 14 : 0;
  const ry = height / 2 - (radial ? label : 32);
  const rx = radial ? Math.min(width / 2 - label, ry) : Math.min(width / 2 - 56, ry * 1.75);
  return {x: width / 2, y: height / 2, rx, ry: Math.min(ry, rx * 1.2)};
}

/* Sets x, y, angle and ring of each, and says how crowded the outer ring is. */
function arrange(nodes, width, height) {
  const groups = groupsOf(nodes);
  const leaves = nodes.filter((node) => !node.global).length;
  const slots = groups.reduce((sum, group) => sum + Math.max(1, group.leaves.length) + (leaves ? 0.6 : 0), 0);
  const radial = Math.max(leaves, groups.length) > (width < 500 ? 10 : 14);
  const outside = leaves ? nodes.filter((node) => !node.global) : nodes;
  const at = roomFor(width, height, radial, Math.max(...outside.map((node) => Array.from(node.name).length)));
  const inner = leaves ? 0.5 : 1;
  let slot = 0;
  const angle = (s) => (groups.length === 2 && !leaves ? Math.PI : -Math.PI / 2) + 2 * Math.PI * s / slots;
  const half = groups.length ? Math.max(1, groups[0].leaves.length) / 2 : 0;
  for (const {hub, leaves: its} of groups) {
    const span = Math.max(1, its.length);
    if (hub) hub.fan = its.length > 0 && groups.length > 1; /* outside of it: its name stands inside */
    if (hub) place(hub, at, groups.length === 1 ? 0 : inner, angle(slot + span / 2 - half));
    its.forEach((leaf, i) => place(leaf, at, 1, angle(slot + i + 0.5 + (span - its.length) / 2 - half)));
    slot += span + (leaves ? 0.6 : 0);
  }
  return {step: 2 * Math.PI * Math.min(at.rx, at.ry) / Math.max(1, slots), radial, alone: !leaves,
    hubs: groups.length, letters: radial ? rayName(width)[0] : 22};
}

/* ---- Marks ---------------------------------------------------------------------------------- */

function newMark(id) {
  const text = draw('text', {'aria-hidden': 'true'});
  const mark = draw('g', {class: 'node', role: 'button', tabindex: '-1'}, draw('title'),
    draw('circle', {class: 'hit', r: 14}), draw('circle', {class: 'halo'}), draw('circle', {class: 'dot'}),
    draw('path', {class: 'cross', d: 'M-3-3L3 3M3-3L-3 3'}), text);
  mark.addEventListener('click', () => choose(id));
  mark.addEventListener('keydown', (event) => {
    const step = {ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1}[event.key];
    if (event.key === 'Enter' || event.key === ' ') choose(id);
    else if (step) moveFocus(id, step);
    else return;
    event.preventDefault();
  });
  return mark;
}

function moveFocus(id, step) {
  const order = picture.order;
  const next = order[(order.indexOf(id) + step + order.length) % order.length];
  for (const [each, mark] of picture.drawn) setAttribute(mark, 'tabindex', each === next ? 0 : -1);
  picture.drawn.get(next).focus();
}

function choose(id) {
  picture.chosen = picture.chosen === id ? null : id;
  showPicture();
}

const STATES = {self: 'this node', up: 'linked', far: 'not linked here', making: 'link being made',
  lost: 'lost', left: 'has stopped'};

/* Along the ray where there is little room, else level, and away from the middle. */
function setLabel(text, node, plan) {
  const outward = !node.global || plan.alone;
  setText(text, shorten(node.name, outward ? plan.letters : plan.hubs < 4 ? 22 : 14));
  const cos = Math.cos(node.angle);
  const left = cos < -0.001;
  if (plan.radial && outward) {
    const degrees = node.angle * 180 / Math.PI + (left ? 180 : 0);
    setAttribute(text, 'transform', `rotate(${degrees.toFixed(2)})`);
    setAttribute(text, 'x', left ? -10 : 10);
    setAttribute(text, 'y', 3.5);
    setAttribute(text, 'text-anchor', left ? 'end' : 'start');
  } else {
    setAttribute(text, 'transform', null);
    setAttribute(text, 'x', 0);
    const above = Math.sin(node.angle) < -0.3 !== Boolean(node.fan);
    setAttribute(text, 'y', above ? (node.global ? -15 : -11) : node.global ? 24 : 19);
    setAttribute(text, 'text-anchor', 'middle');
  }
}

function setMark(mark, node, plan) {
  const [title, , halo, dot, , text] = mark.children;
  const wrong = node.condition === 'lost';
  setAttribute(mark, 'transform', `translate(${node.x.toFixed(1)} ${node.y.toFixed(1)})`);
  setAttribute(mark, 'data-node', node.id);
  setAttribute(mark, 'data-state', node.condition);
  setAttribute(mark, 'data-global', node.global ? 'yes' : 'no');
  setAttribute(mark, 'data-chosen', picture.chosen === node.id ? 'yes' : null);
  setAttribute(mark, 'aria-label', `${node.id}: ${node.global ? 'global' : 'ordinary'}, ${STATES[node.condition]}`);
  setText(title, `${node.id} (${STATES[node.condition]})`);
  setAttribute(dot, 'r', node.global ? 7.5 : wrong ? 6.5 : 5);
  setAttribute(halo, 'r', node.global ? 11.5 : 9);
  setLabel(text, node, plan);
  const crowded = plan.step < 8.5 && !node.global;
  setAttribute(text, 'class', crowded && !wrong && picture.chosen !== node.id ? 'hidden' : null);
}

/* ---- Links ---------------------------------------------------------------------------------- */

function waysOf(links, places) {
  const ways = new Map();
  for (const [a, others] of links) {
    for (const b of others) {
      if (a < b && places.has(a) && places.has(b) && ways.size < LINES_MAX) {
        ways.set(JSON.stringify([a, b]), [a, b]);
      }
    }
  }
  return ways;
}

/* Where its queue stands: two thirds of the way, where the lines of many are apart. */
function setWay(group, from, to, link, width) {
  const [line, text] = group.children;
  const points = {x1: from.x, y1: from.y, x2: to.x, y2: to.y};
  for (const [name, value] of Object.entries(points)) setAttribute(line, name, value.toFixed(1));
  setAttribute(group, 'data-own', link ? 'yes' : null);
  setAttribute(group, 'data-full', link && link.full ? 'yes' : null);
  setAttribute(line, 'stroke-width', width.toFixed(1));
  setText(text, link && link.queued_bytes > 0 ? bytes(link.queued_bytes) : '');
  const [near, far] = from.id === state.all.node.node ? [from, to] : [to, from];
  setAttribute(text, 'x', (near.x * 0.38 + far.x * 0.62).toFixed(1));
  setAttribute(text, 'y', (near.y * 0.38 + far.y * 0.62 + 4).toFixed(1));
}

/* 1.5 to 4 pixels, by how many messages it carries. */
function widthOf(link) {
  const rate = link ? linkRate(link) : 0;
  return link ? Math.min(4, 1.5 + Math.log10(Math.max(1, rate)) * 0.45) : 1;
}

function linkRate(link) {
  const before = state.before && state.before.links.links.find((each) => each.node === link.node);
  return (rateOf(link, before, 'messages_in') || 0) + (rateOf(link, before, 'messages_out') || 0);
}

function drawWays(ways, places, plan) {
  const self = state.all.node.node;
  for (const [key, group] of picture.ways) {
    if (!ways.has(key)) {
      group.remove();
      picture.ways.delete(key);
    }
  }
  const own = byKey(state.all.links.links, 'node');
  for (const [key, [a, b]] of ways) {
    if (!picture.ways.has(key)) {
      picture.ways.set(key, draw('g', {class: 'way'}, draw('line'), draw('text', {'text-anchor': 'middle'})));
      picture.lines.append(picture.ways.get(key));
    }
    const link = a === self ? own.get(b) : b === self ? own.get(a) : null;
    setWay(picture.ways.get(key), places.get(a), places.get(b), link,
      Math.min(widthOf(link), Math.max(1.2, plan.step * 0.25)));
  }
}

/* ---- All of it ------------------------------------------------------------------------------ */

function drawMarks(nodes, plan) {
  const ids = new Set(nodes.map((node) => node.id));
  for (const [id, mark] of picture.drawn) {
    if (!ids.has(id)) {
      mark.remove();
      picture.drawn.delete(id);
    }
  }
  for (const node of nodes) {
    if (!picture.drawn.has(node.id)) {
      picture.drawn.set(node.id, newMark(node.id));
      picture.marks.append(picture.drawn.get(node.id));
    }
    setMark(picture.drawn.get(node.id), node, plan);
  }
  picture.order = nodes.map((node) => node.id);
  const marks = [...picture.drawn.values()];
  if (marks.length && !marks.some((mark) => mark.getAttribute('tabindex') === '0')) {
    setAttribute(marks[0], 'tabindex', 0);
  }
}

function details(id) {
  const known = state.nodes.get(id);
  const gone = state.gone.get(id);
  const link = linkTo(id);
  if (!known) return '';
  const parts = [id, known.global ? 'global' : 'ordinary'];
  if (known.addresses.length) parts.push(known.addresses.join(', '));
  if (gone) {
    parts.push(`${gone.stopped ? 'has stopped' : 'lost'} since ${clock(gone.since)}`);
    if (gone.why) parts.push(gone.why);
  } else if (id === state.all.node.node) {
    parts.push(`queue ${bytes(state.all.node.counts.queued_bytes)} at ports`);
  } else if (link && link.up) {
    parts.push(`linked for ${duration(link.up_ms / 1000)}`, `queue ${bytes(link.queued_bytes)}`);
  } else {
    parts.push(link ? 'the link is being made' : 'not linked to this node');
  }
  if (known.home && known.home !== id && !known.global) parts.push(`hangs on ${known.home}`);
  return parts.join(' \u00b7 ');
}

function makePicture() {
  picture.lines = draw('g', {class: 'ways'});
  picture.marks = draw('g');
  picture.svg = draw('svg', {role: 'group', 'aria-label': 'Nodes and links'}, picture.lines, picture.marks);
  find('picture').append(picture.svg);
}

function showPicture() {
  if (!state.cluster || !state.all) return;
  if (!picture.svg) makePicture();
  const box = find('picture');
  const width = box.clientWidth || 300;
  const height = box.clientHeight || 300;
  setAttribute(picture.svg, 'viewBox', `0 0 ${width} ${height}`);
  const there = present();
  const links = neighbours(there);
  const nodes = nodesToDraw(there, links);
  nameNodes(nodes);
  const plan = arrange(nodes, width, height);
  drawWays(waysOf(links, byKey(nodes, 'id')), byKey(nodes, 'id'), plan);
  drawMarks(nodes, plan);
  if (picture.chosen && !picture.drawn.has(picture.chosen)) picture.chosen = null;
  setText(find('node-details'), picture.chosen ? details(picture.chosen) : 'Choose a node to see more of it.');
  showCount(there, nodes.length);
}

function showCount(there, drawn) {
  const globals = [...there.values()].filter((node) => node.global).length;
  const clients = state.cluster.nodes.filter((node) => node.client).length;
  const hidden = there.size + state.gone.size - drawn;
  setText(find('cluster-count'), `${many(there.size, 'node')}, ${globals} global` +
    (clients ? `, ${many(clients, 'command')}` : '') + (hidden > 0 ? `; ${hidden} are not drawn` : ''));
  setAttribute(find('cluster-count'), 'data-value', there.size);
}
